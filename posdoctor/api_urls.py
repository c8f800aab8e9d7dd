"""All addresses of the REST API. They end with a slash."""

from django.urls import include, path, re_path

from posdoctor.core.api import views

app_name = "api"
urlpatterns = [
    path("v1/schema/", views.schema, name="schema"),
    path("v1/docs/", views.docs, name="docs"),
    path("v1/", include("posdoctor.accounts.api.urls")),
    path("v1/", include("posdoctor.notifications.api.urls")),
    path("v1/", include("merchants.api.urls")),
    path("v1/", include("terminals.api.urls")),
    path("v1/", include("diagnostics.api.urls")),
    path("v1/", include("tickets.api.urls")),
    path("v1/", include("posdoctor.reports.api.urls")),
    # Last: also what lacks the slash at its end, so that no write is lost in a redirect.
    re_path(r"", views.unknown, name="unknown"),
]
