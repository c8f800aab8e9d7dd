"""All addresses. Paths that stickers and mails carry end without a slash."""

from allauth.account import views as account
from django.urls import include, path, re_path

# Only what is used of allauth: no self-registration, no own management of addresses.
ACCOUNT = [
    path("sign-in/", account.login, name="account_login"),
    path("sign-out/", account.logout, name="account_logout"),
    # Closed by the adapter; allauth's sign-in page asks for the name.
    path("sign-up/", account.signup, name="account_signup"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("password/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("reset/", account.password_reset, name="account_reset_password"),
    path("reset/sent/", account.password_reset_done, name="account_reset_password_done"),
    # The key holds dashes too: only a pattern that stops at the first one splits it right.
    re_path(
        r"^reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "reset/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]

# Below /api/ every answer is JSON, these too.
handler400 = "posdoctor.core.api.views.bad_request"
handler404 = "posdoctor.core.api.views.page_not_found"
handler500 = "posdoctor.core.api.views.server_error"

urlpatterns = [
    path("api/", include("posdoctor.api_urls")),
    path("", include("posdoctor.core.urls")),
    path("", include("posdoctor.accounts.urls")),
    path("", include("posdoctor.notifications.urls")),
    path("", include("merchants.urls")),
    path("", include("terminals.urls")),
    path("", include("diagnostics.urls")),
    path("", include("tickets.urls")),
    path("", include("posdoctor.reports.urls")),
    path("account/", include(ACCOUNT)),
]
