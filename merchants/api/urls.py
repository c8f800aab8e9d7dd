"""Addresses of the API: merchants, stores, contacts."""

from django.urls import path

from merchants.api import views

urlpatterns = [
    path("merchants/", views.Merchants.as_view(), name="merchants"),
    path("merchants/<str:ref>/", views.OneMerchant.as_view(), name="merchant"),
    path("merchants/<str:ref>/contacts/", views.Contacts.as_view(), name="contacts"),
    path("stores/", views.Stores.as_view(), name="stores"),
    path("stores/<str:ref>/", views.OneStore.as_view(), name="store"),
    path("contacts/<str:ref>/", views.OneContact.as_view(), name="contact"),
    path("contacts/<str:ref>/reveal/", views.RevealContact.as_view(), name="contact_reveal"),
]
