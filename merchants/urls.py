"""Addresses of merchants, stores and contacts at the desk."""

from django.urls import path

from merchants import views

app_name = "merchants"
urlpatterns = [
    path("desk/merchants/", views.index, name="list"),
    path("desk/merchants/new", views.new, name="new"),
    path("desk/merchants/<ref>/", views.page, name="merchant"),
    path("desk/merchants/<ref>/edit", views.edit, name="edit"),
    path("desk/merchants/<ref>/stores/new", views.new_store, name="new_store"),
    path("desk/merchants/<ref>/contacts/new", views.new_contact, name="new_contact"),
    path("desk/stores/<ref>/edit", views.store, name="store"),
    path("desk/contacts/<ref>/edit", views.contact, name="contact"),
    path("desk/contacts/<ref>/reveal", views.reveal, name="reveal"),
]
