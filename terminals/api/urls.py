"""Addresses of the API: terminals and models."""

from django.urls import path

from terminals.api import views

urlpatterns = [
    path("models/", views.Models.as_view(), name="models"),
    path("minimum-versions/", views.MinimumVersions.as_view(), name="minimum_versions"),
    path(
        "minimum-versions/<slug:model>/",
        views.OneMinimumVersion.as_view(),
        name="minimum_version",
    ),
    path("terminals/", views.Terminals.as_view(), name="terminals"),
    path("terminals/<str:ref>/", views.OneTerminal.as_view(), name="terminal"),
    path("terminals/<str:ref>/stop/", views.Stop.as_view(), name="terminal_stop"),
    path("terminals/<str:ref>/release/", views.Release.as_view(), name="terminal_release"),
    path("terminals/<str:ref>/move/", views.Move.as_view(), name="terminal_move"),
    path("terminals/<str:ref>/sticker/", views.ReplaceSticker.as_view(), name="terminal_sticker"),
]
