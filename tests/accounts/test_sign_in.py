"""Signing in: the lock after wrong passwords, and mails that wait in the queue."""

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from post_office.models import STATUS, Email

from posdoctor import settings as base
from posdoctor.accounts.models import User
from tests.builders import PASSWORD, make_seat, make_user

LOGIN = "account_login"


@pytest.fixture(autouse=True)
def _fresh_counters(db: None) -> None:
    cache.clear()


def sign_in(email: str, password: str, address: str = "192.0.2.10") -> bool:
    """Through the public door, each time from a fresh browser; True = in."""
    client = Client(REMOTE_ADDR=address)
    client.post(reverse(LOGIN), {"login": email, "password": password})
    return "_auth_user_id" in client.session


def test_five_wrong_passwords_lock_the_address_for_ten_minutes_even_for_the_right_one(provider):
    user = make_seat(provider).user
    with time_machine.travel("2026-11-20T02:00:00Z", tick=False) as clock:
        assert sign_in(user.email, PASSWORD)
        for n in range(5):
            assert not sign_in(user.email, "falsch-falsch", f"192.0.2.{n}")
        # From anywhere, with any spelling of the address.
        assert not sign_in(user.email, PASSWORD, "198.51.100.7")
        assert not sign_in(user.email.upper(), PASSWORD)
        clock.shift(timedelta(minutes=9))
        assert not sign_in(user.email, PASSWORD)
        clock.shift(timedelta(minutes=2))
        assert sign_in(user.email, PASSWORD)


def test_a_locked_address_does_not_lock_a_colleague(provider):
    victim, colleague = make_seat(provider).user, make_seat(provider).user
    for _ in range(6):
        sign_in(victim.email, "falsch-falsch", "192.0.2.1")
    assert not sign_in(victim.email, PASSWORD, "192.0.2.2")
    assert sign_in(colleague.email, PASSWORD, "192.0.2.2")


def test_the_count_is_kept_in_the_database(provider):
    user = make_seat(provider).user
    sign_in(user.email, "falsch-falsch")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_cache")
        (rows,) = cursor.fetchone()
    assert rows > 0


def test_wrong_password_and_unknown_address_look_the_same(provider):
    user = make_seat(provider).user
    pages = [
        Client(headers={"accept-language": "en"}).post(
            reverse(LOGIN), {"login": email, "password": "falsch-falsch"}
        )
        for email in (user.email, "nobody@posdoctor.example")
    ]
    texts = [
        page.text.replace(user.email, "X").replace("nobody@posdoctor.example", "X")
        for page in pages
    ]
    assert pages[0].status_code == pages[1].status_code
    errors = [
        text[text.index("errsum") : text.index("</ul>", text.index("errsum"))] for text in texts
    ]
    assert errors[0] == errors[1]


def test_the_reset_mail_is_queued_and_not_sent_in_the_request(provider, mailoutbox, settings):
    # The test runner puts a backend of its own here; the installation's is wanted.
    settings.EMAIL_BACKEND = base.EMAIL_BACKEND
    user = make_seat(provider).user
    response = Client().post(reverse("account_reset_password"), {"email": user.email})
    assert response.status_code == 302
    mail = Email.objects.get()
    assert (mail.to, mail.status) == ([user.email], STATUS.queued)
    assert reverse("account_reset_password") in mail.message
    assert mailoutbox == []


def test_a_visitor_cannot_make_an_account(db):
    Client().post(
        reverse("account_signup"),
        {"email": "new@posdoctor.example", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert not User.objects.filter(email="new@posdoctor.example").exists()


def test_a_deactivated_person_cannot_sign_in(db):
    user = make_user(is_active=False)
    assert not sign_in(user.email, PASSWORD)
