"""Addresses of the API: the supervisors' numbers."""

from django.urls import path

from posdoctor.reports.api import views

urlpatterns = [path("ops/", views.Ops.as_view(), name="ops")]
