"""Tickets: reports, conversation, moves, evidence, audit."""

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"
