"""Addresses of the API: oneself, people, teams, providers."""

from django.urls import path

from posdoctor.accounts.api import views

urlpatterns = [
    path("me/", views.Myself.as_view(), name="me"),
    path("people/", views.People.as_view(), name="people"),
    path("people/<str:ref>/", views.Person.as_view(), name="person"),
    path("people/<str:ref>/invite/", views.InviteAgain.as_view(), name="person_invite"),
    path("people/<str:ref>/deactivate/", views.Deactivate.as_view(), name="person_deactivate"),
    path("people/<str:ref>/activate/", views.Activate.as_view(), name="person_activate"),
    path("teams/", views.Teams.as_view(), name="teams"),
    path("teams/<str:ref>/", views.OneTeam.as_view(), name="team"),
    path("providers/", views.Providers.as_view(), name="providers"),
]
