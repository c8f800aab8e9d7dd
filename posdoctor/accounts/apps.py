"""Providers (tenants), people, roles, teams, and who is acting."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "posdoctor.accounts"
    label = "accounts"
