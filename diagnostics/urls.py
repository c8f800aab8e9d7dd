"""Addresses of the sticker and of guided checks."""

from django.urls import path

from diagnostics import views

app_name = "diagnostics"
urlpatterns = [
    path("find", views.find, name="find"),
    # The printed address is upper case (shorter QR code); both show the same machine.
    path("T/<code>", views.start, name="sticker"),
    path("t/<code>", views.start, name="start"),
    path("t/<code>/", views.start, name="start_slash"),
    path("t/<code>/more", views.more, name="more"),
    path("t/<code>/check/<slug:symptom>", views.begin, name="begin"),
    path("t/<code>/check/<slug:symptom>/<int:number>", views.step, name="step"),
    path("t/<code>/fixed", views.fixed, name="fixed"),
    path("t/<code>/stopped", views.stopped, name="stopped"),
    path("t/<code>/unsolved", views.unsolved, name="unsolved"),
]
