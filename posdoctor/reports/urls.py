"""Addresses of the supervisors' pages."""

from django.urls import path

from posdoctor.reports import views

app_name = "reports"
urlpatterns = [path("ops/", views.page, name="ops")]
