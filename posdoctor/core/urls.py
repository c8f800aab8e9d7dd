"""Addresses of the kernel."""

from django.urls import path

from posdoctor.core import health, views

app_name = "core"
urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("help", views.help_page, name="help"),
    path("privacy", views.privacy, name="privacy"),
    path("ui/", views.style, name="style"),
]
