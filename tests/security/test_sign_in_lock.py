"""The lock on sign-in holds whatever the guesser writes into host and address."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from post_office.models import Email
from pytest_django import Settings

from posdoctor import settings as base
from posdoctor.accounts.models import Provider
from tests.builders import PASSWORD, make_seat, make_user

LIMIT = 5


def sign_in(email: str, password: str, host: str = "localhost") -> bool:
    """Whether these open the desk; each try comes from a browser without cookies."""
    client = Client(headers={"host": host})
    client.post(reverse("account_login"), {"login": email, "password": password})
    return "_auth_user_id" in client.session


@pytest.fixture(autouse=True)
def _nothing_counted_yet(provider: Provider) -> None:
    cache.clear()
    make_seat(provider, user=make_user("sissi@posdoctor.example"))


def test_the_right_password_opens_while_nothing_is_locked() -> None:
    assert sign_in("sissi@posdoctor.example", PASSWORD)


def test_another_port_in_the_host_is_no_fresh_start() -> None:
    for port in range(LIMIT):
        assert not sign_in("sissi@posdoctor.example", "wrong", f"localhost:{port + 1}")
    assert not sign_in("sissi@posdoctor.example", PASSWORD, "localhost:99")


@pytest.mark.parametrize("host", ["LOCALHOST", "127.0.0.1"])
def test_another_host_is_no_fresh_start(host: str) -> None:
    for _ in range(LIMIT):
        assert not sign_in("sissi@posdoctor.example", "wrong")
    assert not sign_in("sissi@posdoctor.example", PASSWORD, host)


@pytest.mark.parametrize(
    "spelled",
    [
        "SISSI@posdoctor.example",
        "\u017fissi@posdoctor.example",  # long s
        "s\u0131ssi@posdoctor.example",  # dotless i
        "\uff53issi@posdoctor.example",  # full width
    ],
)
def test_another_spelling_is_no_fresh_start(spelled: str) -> None:
    for _ in range(LIMIT):
        assert not sign_in("sissi@posdoctor.example", "wrong")
    assert not sign_in(spelled, PASSWORD)


def test_the_reset_mail_leads_to_our_own_address(settings: Settings) -> None:
    settings.EMAIL_BACKEND = base.EMAIL_BACKEND
    settings.PUBLIC_URL = "https://help.posdoctor.example"
    form = {"email": "sissi@posdoctor.example"}
    Client(headers={"host": "localhost:666"}).post(reverse("account_reset_password"), form)
    message = Email.objects.get().message
    assert "https://help.posdoctor.example/account/reset/" in message
    assert ":666" not in message
