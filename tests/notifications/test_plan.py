"""Planning: who gets which row, once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection

from posdoctor.accounts.models import Provider
from posdoctor.notifications import actions
from posdoctor.notifications.models import Delivery, delivery_key
from tests.builders import T0, make_seat, make_user
from tests.conftest import Persona
from tests.notifications.planning import plan


def test_in_app_is_there_at_once_and_mail_waits(provider: Provider, desk: Persona):
    assert plan(provider, desk.user, expires_at=T0 + timedelta(hours=1)) == 2
    here, mail = Delivery.objects.order_by("-channel")
    assert (here.channel, here.state, here.sent_at) == ("in_app", "sent", T0)
    assert here.next_attempt_at is None
    assert (mail.channel, mail.state, mail.sent_at) == ("email", "pending", None)
    assert mail.next_attempt_at == T0
    assert here.key != mail.key


def test_a_plan_that_is_repeated_adds_nothing(provider: Provider, desk: Persona):
    assert plan(provider, desk.user) == 2
    assert plan(provider, desk.user, now=T0 + timedelta(minutes=1)) == 0
    assert plan(provider, desk.user, source="event:2") == 2
    assert Delivery.objects.count() == 4


def test_a_larger_plan_adds_only_who_is_new(provider: Provider, desk: Persona, field: Persona):
    plan(provider, desk.user)
    assert plan(provider, desk.user, field.user) == 2


def test_who_has_no_usable_seat_here_is_left_out(
    provider: Provider, outsider: Persona, merchant: Persona, operator: Persona
):
    gone = make_seat(provider, is_active=False).user
    left = make_seat(provider, user=make_user(is_active=False)).user
    assert plan(provider, outsider.user, merchant.user, operator.user, gone, left) == 0
    assert not Delivery.objects.exists()


def test_who_switched_mail_off_has_the_list_only(provider: Provider):
    quiet = make_seat(provider, user=make_user(has_alert_mails=False)).user
    assert plan(provider, quiet) == 1
    assert Delivery.objects.get().channel == "in_app"


def test_the_database_refuses_a_person_without_a_seat(provider: Provider, outsider: Persona):
    """SECURITY: whatever code writes the row."""
    row = Delivery(
        provider=provider, recipient=outsider.user, source="event:1", kind="ticket.assigned",
        channel="in_app", key=delivery_key("event:1", outsider.user.pk, "in_app"),
        url="/desk/", state="sent", sent_at=T0, created_at=T0,
    )  # fmt: skip
    row.save()
    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example/", "desk/", ""])
def test_an_address_outside_this_site_is_refused(provider: Provider, desk: Persona, url: str):
    with pytest.raises(ValueError, match="not a path"):
        plan(provider, desk.user, url=url)


def test_an_unknown_kind_is_refused(provider: Provider, desk: Persona):
    with pytest.raises(ValueError, match=r"ticket\.exploded"):
        plan(provider, desk.user, kind="ticket.exploded")


@pytest.mark.parametrize(
    "data",
    [
        {"title": "卡号 6222021234567890123 刷不了"},
        {"title": {"deep": ["4111 1111 1111 1111"]}},
        {"title": 4111111111111111},
        {"4111111111111111": "title"},
    ],
)
def test_no_card_number_gets_into_the_data(provider: Provider, desk: Persona, data: dict[str, Any]):
    plan(provider, desk.user, data=data)
    for row in Delivery.objects.all():
        kept = str(row.data)
        assert "******" in kept
        assert "6222021234567890123" not in kept
        assert "4111111111111111" not in kept.replace(" ", "")


def test_what_is_no_longer_wanted_is_taken_back(provider: Provider, desk: Persona):
    plan(provider, desk.user)
    plan(provider, desk.user, source="event:2")
    assert actions.cancel_unsent(["event:1"], T0) == 1
    assert actions.cancel_unsent(["event:1"], T0) == 0
    states = Delivery.objects.filter(source="event:1").values_list("channel", "state")
    assert dict(states) == {"in_app": "sent", "email": "cancelled"}
    assert Delivery.objects.get(source="event:2", channel="email").state == "pending"
    assert plan(provider, desk.user) == 0


def test_what_a_sender_holds_is_not_taken_back(provider: Provider, desk: Persona):
    plan(provider, desk.user)
    until = T0 + timedelta(seconds=60)
    Delivery.objects.filter(channel="email").update(
        state="sending", lease_until=until, next_attempt_at=until
    )
    assert actions.cancel_unsent(["event:1"], T0) == 0
    assert actions.cancel_unsent(["event:1"], until) == 1
