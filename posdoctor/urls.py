"""All addresses. Paths for people end without a slash only where a sticker or mail has them."""

from django.urls import include, path

urlpatterns = [
    path("", include("posdoctor.core.urls")),
    path("", include("posdoctor.accounts.urls")),
    path("", include("merchants.urls")),
    path("", include("terminals.urls")),
    path("", include("diagnostics.urls")),
    path("", include("tickets.urls")),
    path("", include("allauth.urls")),
]
