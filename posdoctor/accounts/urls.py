"""Addresses of one's own profile, of people and of providers."""

from django.urls import path

from posdoctor.accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.home, name="home"),
    path("desk/me/", views.me, name="me"),
    path("desk/me/tokens/", views.tokens, name="tokens"),
    path("desk/me/tokens/<ref>/revoke", views.revoke_token, name="revoke_token"),
    path("desk/me/theme", views.theme, name="theme"),
    path("desk/me/seat", views.choose_seat, name="choose_seat"),
    path("settings/users/", views.people, name="users"),
    path("settings/users/new", views.invite, name="invite"),
    path("settings/users/<ref>/", views.person, name="person"),
    path("settings/teams/", views.teams, name="teams"),
    path("settings/teams/<ref>/", views.team, name="team"),
    path("operator/", views.providers, name="providers"),
    path("operator/new", views.new_provider, name="new_provider"),
]
