"""Merchants, their stores, contacts and people."""

from django.apps import AppConfig


class MerchantsConfig(AppConfig):
    name = "merchants"
