"""Addresses of merchants at the desk."""

from django.urls import path

from merchants import views

app_name = "merchants"
urlpatterns = [
    path("desk/merchants/", views.index, name="list"),
    path("desk/merchants/<ref>/", views.page, name="merchant"),
]
