"""Addresses of terminals at the desk."""

from django.urls import path

from terminals import views

app_name = "terminals"
urlpatterns = [
    path("desk/terminals/", views.index, name="list"),
    path("desk/terminals/new", views.new, name="new"),
    path("desk/terminals/<ref>/", views.page, name="terminal"),
    path("desk/terminals/<ref>/edit", views.edit, name="edit"),
    path("desk/terminals/<ref>/release", views.release, name="release"),
    path("desk/terminals/<ref>/stop", views.stop, name="stop"),
    path("desk/terminals/<ref>/move", views.move, name="move"),
    path("desk/terminals/<ref>/sticker", views.replace_sticker, name="replace_sticker"),
    path("settings/versions/", views.versions, name="versions"),
    path("settings/versions/<slug:slug>/", views.version, name="version"),
    path("settings/versions/<slug:slug>/drop", views.drop_version, name="drop_version"),
    # A panel that the merchant's page fetches: the only coupling is the name of the address.
    path("desk/panels/merchant/<merchant_ref>/terminals", views.of_merchant, name="of_merchant"),
]
