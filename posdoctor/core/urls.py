"""Addresses of the kernel."""

from django.urls import path

from posdoctor.core import health, metrics, views

app_name = "core"
urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("help", views.help_page, name="help"),
    path("privacy", views.privacy, name="privacy"),
    path("ui/", views.style, name="style"),
]
