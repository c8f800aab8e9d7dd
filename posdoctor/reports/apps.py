"""Registers the app of reports; it has no tables."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "posdoctor.reports"
    label = "reports"
