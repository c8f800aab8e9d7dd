"""Sending: what goes out, what comes back, what is given up."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail.backends import smtp as smtp_backend
from pytest_django.fixtures import Settings

from posdoctor.accounts.models import Provider, Seat
from posdoctor.core import clock
from posdoctor.embedded import ports
from posdoctor.notifications import actions, rules
from posdoctor.notifications.channels import OpenChannels, email
from posdoctor.notifications.channels.email import EmailChannel
from posdoctor.notifications.models import Delivery
from tests.builders import T0, make_seat
from tests.conftest import Persona
from tests.notifications.conftest import MoodyCatcher
from tests.notifications.planning import MovedClock, mail_to, plan


def state_of(delivery: Delivery) -> tuple[str, int, str]:
    delivery.refresh_from_db()
    return delivery.state, delivery.attempts, delivery.last_error


def test_a_mail_goes_out_once_and_is_marked(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    plan(provider, desk.user)
    moved.move(seconds=3)
    assert actions.deliver_due(moved) == 1
    assert actions.deliver_due(moved) == 0
    delivery = Delivery.objects.get(channel="email")
    (kept,) = smtp.mails.newest(10)
    assert kept.message["To"] == desk.user.email
    assert kept.message["Delivered-To"] == desk.user.email
    assert kept.message["Message-ID"] == f"<{delivery.key}@127.0.0.1>"
    assert kept.message["Auto-Submitted"] == "auto-generated"
    assert state_of(delivery) == ("sent", 1, "")
    assert delivery.sent_at == moved.at
    assert delivery.provider_ref == kept.message["Message-ID"]
    assert delivery.lease_until is None
    assert delivery.next_attempt_at is None


def test_nothing_is_sent_before_its_time(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    mail_to(provider, desk.user, now=T0 + timedelta(seconds=1))
    assert actions.deliver_due(moved) == 0
    assert smtp.ids() == []


def test_a_batch_is_bounded_and_uses_one_connection(
    provider: Provider, smtp: MoodyCatcher, moved: MovedClock
):
    people = [make_seat(provider).user for _ in range(5)]
    plan(provider, *people, channels=["email"])
    assert actions.deliver_due(moved, limit=3) == 3
    assert len(smtp.ids()) == 3
    assert smtp.conversations == 1
    assert actions.drain(moved) == 2
    assert len(set(smtp.ids())) == 5


@pytest.mark.parametrize(
    ("moment", "answer", "error"),
    [
        ("DATA", "451 try later", "SMTPDataError 451"),
        ("DATA", "452 out of disk", "SMTPDataError 452"),
        ("RCPT", "450 mailbox busy", "SMTPRecipientsRefused"),
        ("MAIL", "451 try later", "SMTPSenderRefused 451"),
        # The installation's own mistake: the mails wait until it is mended.
        ("MAIL", "550 not from you", "SMTPSenderRefused 550"),
    ],
)
def test_a_refusal_for_now_is_tried_again(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock,
    moment: str, answer: str, error: str,
):  # fmt: skip
    delivery = mail_to(provider, desk.user)
    smtp.says = {moment: answer}
    actions.deliver_due(moved)
    assert state_of(delivery) == ("pending", 1, error)
    assert delivery.next_attempt_at is not None
    assert timedelta(seconds=4) <= delivery.next_attempt_at - moved.at <= timedelta(seconds=6)
    smtp.says = {}
    assert actions.deliver_due(moved) == 0
    moved.move(seconds=6)
    assert actions.deliver_due(moved) == 1
    assert state_of(delivery) == ("sent", 2, "")


@pytest.mark.parametrize(
    ("moment", "answer", "error"),
    [("RCPT", "550 no such user", "SMTP 550"), ("DATA", "554 spam", "SMTP 554")],
)
def test_a_refusal_for_good_is_given_up_at_once(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock,
    moment: str, answer: str, error: str,
):  # fmt: skip
    delivery = mail_to(provider, desk.user)
    smtp.says = {moment: answer}
    actions.deliver_due(moved)
    assert state_of(delivery) == ("dead", 1, error)
    assert delivery.next_attempt_at is None


def test_one_refused_mail_does_not_keep_the_others(
    provider: Provider, smtp: MoodyCatcher, moved: MovedClock
):
    people = [make_seat(provider).user for _ in range(3)]
    smtp.knows_not = {people[1].email}
    plan(provider, *people, channels=["email"])
    actions.deliver_due(moved)
    states = dict(Delivery.objects.values_list("recipient_id", "state"))
    assert [states[person.pk] for person in people] == ["sent", "dead", "sent"]


def test_what_fails_for_ever_is_given_up_after_half_a_day(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    delivery = mail_to(provider, desk.user)
    smtp.says = {"DATA": "451 try later"}
    while state_of(delivery)[0] == "pending":
        assert delivery.next_attempt_at is not None
        moved.at = delivery.next_attempt_at
        assert actions.deliver_due(moved) == 1
    assert state_of(delivery) == ("dead", rules.MOST_ATTEMPTS, "SMTPDataError 451")
    assert timedelta(hours=8) < moved.at - T0 < timedelta(hours=24)
    assert actions.deliver_due(moved) == 0


def test_pauses_grow_and_are_spread():
    calm = [rules.pause_after(attempts, 0.5).total_seconds() for attempts in range(1, 9)]
    assert calm == [5, 15, 45, 135, 405, 1215, 3600, 3600]
    assert rules.pause_after(2, 0.0).total_seconds() == 12
    assert rules.pause_after(2, 1.0).total_seconds() == 18
    assert rules.pause_after(10_000, 1.0).total_seconds() == 4320
    assert len({rules.pause_after(3) for _ in range(20)}) > 1


def test_a_server_that_is_away_is_asked_once_a_batch(
    provider: Provider, settings: Settings, moved: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    settings.DIRECT_EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", ports.throwaway()
    asked: list[smtp_backend.EmailBackend] = []
    real = smtp_backend.EmailBackend.open

    def ask(backend: smtp_backend.EmailBackend) -> bool | None:
        asked.append(backend)
        return real(backend)

    monkeypatch.setattr(smtp_backend.EmailBackend, "open", ask)
    plan(provider, *(make_seat(provider).user for _ in range(4)), channels=["email"])
    actions.deliver_due(moved)
    states = {(row.state, row.attempts, row.last_error) for row in Delivery.objects.all()}
    assert states == {("pending", 1, "ConnectionRefusedError")}
    assert len(asked) == 1
    assert asked[0].timeout == 10


def test_a_server_that_hangs_is_asked_once_a_batch(
    provider: Provider, smtp: MoodyCatcher, moved: MovedClock, monkeypatch: pytest.MonkeyPatch
):
    """In the middle of a mail, after it had answered before."""
    monkeypatch.setattr(email, "TIMEOUT_SECONDS", 0.2)
    smtp.hangs_seconds = 0.5
    plan(provider, *(make_seat(provider).user for _ in range(4)), channels=["email"])
    actions.deliver_due(moved)
    states = {(row.state, row.attempts, row.last_error) for row in Delivery.objects.all()}
    assert states == {("pending", 1, "SMTPServerDisconnected")}
    assert smtp.asked == 1


def test_what_is_left_when_the_time_is_up_goes_back_as_it_came(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    delivery = mail_to(provider, desk.user)
    assert actions.deliver_due(moved, seconds=0) == 1
    assert state_of(delivery) == ("pending", 0, "")
    assert smtp.ids() == []
    assert actions.deliver_due(moved) == 1
    assert state_of(delivery) == ("sent", 1, "")


def test_what_comes_too_late_is_cancelled(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    delivery = mail_to(provider, desk.user, expires_at=T0 + timedelta(minutes=5))
    moved.move(minutes=5)
    actions.deliver_due(moved)
    assert state_of(delivery) == ("cancelled", 1, "too late")
    assert smtp.ids() == []


def test_in_time_is_in_time(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    delivery = mail_to(provider, desk.user, expires_at=T0 + timedelta(minutes=5))
    moved.move(minutes=5, seconds=-1)
    actions.deliver_due(moved)
    assert state_of(delivery)[0] == "sent"


@pytest.mark.parametrize("who", ["person", "seat", "provider"])
def test_who_has_no_access_any_more_gets_no_mail(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock, who: str
):
    delivery = mail_to(provider, desk.user)
    row: Any = {"person": desk.user, "seat": desk.seat, "provider": provider}[who]
    row.is_active = False
    row.save()
    actions.deliver_due(moved)
    assert state_of(delivery) == ("cancelled", 1, "no access any more")
    assert smtp.ids() == []


def test_a_seat_that_is_gone_takes_its_deliveries_with_it(provider: Provider, desk: Persona):
    plan(provider, desk.user)
    Seat.objects.get(pk=desk.seat.pk).delete()
    assert not Delivery.objects.exists()


def test_a_seat_elsewhere_is_no_seat_here(
    provider: Provider, other_provider: Provider, desk: Persona, smtp: MoodyCatcher,
    moved: MovedClock,
):  # fmt: skip
    """SECURITY: a person of two providers who lost one of them."""
    delivery = mail_to(provider, desk.user)
    make_seat(other_provider, user=desk.user)
    Seat.objects.filter(pk=desk.seat.pk).update(is_active=False)
    actions.deliver_due(moved)
    assert state_of(delivery)[0] == "cancelled"


def test_who_switched_mail_off_meanwhile_gets_none(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    delivery = mail_to(provider, desk.user)
    desk.user.has_alert_mails = False
    desk.user.save()
    actions.deliver_due(moved)
    assert state_of(delivery) == ("cancelled", 1, "switched off")


def test_a_lease_that_ran_out_is_sent_again_with_the_same_id(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    """The sender dies after the mail server took the mail and before the row says so."""
    delivery = mail_to(provider, desk.user)

    def die(*_arguments: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(actions, "_mark_sent", die)
        with pytest.raises(SystemExit):
            actions.deliver_due(moved)
    assert state_of(delivery) == ("sending", 1, "")
    moved.move(seconds=59)
    assert actions.deliver_due(moved) == 0
    moved.move(seconds=1)
    assert actions.deliver_due(moved) == 1
    assert state_of(delivery) == ("sent", 2, "")
    assert smtp.ids() == [delivery.provider_ref] * 2


def test_a_death_before_sending_loses_nothing(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    delivery = mail_to(provider, desk.user)

    def die(*_arguments: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(EmailChannel, "send", die)
        with pytest.raises(SystemExit):
            actions.deliver_due(moved)
    moved.move(seconds=60)
    actions.deliver_due(moved)
    assert state_of(delivery)[0] == "sent"
    assert len(smtp.ids()) == 1


def test_without_a_key_a_lost_delivery_waits_for_a_person(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setattr(EmailChannel, "has_key", False)
    delivery = mail_to(provider, desk.user)
    assert len(actions._claim(moved(), 10)) == 1
    moved.move(seconds=61)
    assert actions.deliver_due(moved) == 0
    assert state_of(delivery) == ("ambiguous", 1, "sender died")
    moved.move(hours=1)
    assert actions.deliver_due(moved) == 0
    assert smtp.ids() == []


def test_a_slow_sender_does_not_undo_what_the_next_one_did(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    delivery = mail_to(provider, desk.user)
    (held_by_slow,) = actions._claim(moved(), 10)
    moved.move(seconds=61)
    actions.deliver_due(moved)
    actions._try_later(held_by_slow, TimeoutError(), moved())
    assert state_of(delivery) == ("sent", 2, "")


def test_a_slow_sender_leaves_alone_what_the_next_one_holds(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock
):
    delivery = mail_to(provider, desk.user)
    (held_by_slow,) = actions._claim(moved(), 10)
    moved.move(seconds=61)
    actions._claim(moved(), 10)
    with OpenChannels() as channels:
        actions._deliver(held_by_slow, channels, moved)
    assert state_of(delivery) == ("sending", 2, "")
    assert smtp.ids() == []


def test_a_mistake_of_ours_is_logged_and_tried_again(
    provider: Provider, desk: Persona, moved: MovedClock, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    def fail(*_arguments: object) -> None:
        raise KeyError("title")

    delivery = mail_to(provider, desk.user)
    monkeypatch.setattr(EmailChannel, "send", fail)
    with caplog.at_level(logging.ERROR):
        actions.deliver_due(moved)
    assert state_of(delivery) == ("pending", 1, "KeyError")
    assert caplog.records[0].exc_info


def test_neither_row_nor_log_names_the_person(
    provider: Provider, desk: Persona, smtp: MoodyCatcher, moved: MovedClock,
    caplog: pytest.LogCaptureFixture,
):  # fmt: skip
    delivery = mail_to(provider, desk.user)
    smtp.says = {"RCPT": f"450 {desk.user.email} is over quota"}
    with caplog.at_level(logging.INFO, logger="posdoctor"):
        actions.deliver_due(moved)
    assert state_of(delivery)[0] == "pending"
    said = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    assert len(said) == 1
    assert desk.user.email not in said[0] + delivery.last_error


def test_the_ticker_takes_what_no_worker_took(
    provider: Provider, desk: Persona, smtp: MoodyCatcher
):
    """Real clocks: `drain_overdue` reads the database's."""
    now = clock.now()
    delivery = mail_to(provider, desk.user, now=now - timedelta(seconds=14))
    assert actions.drain_overdue(now=now) == 0
    assert actions.drain_overdue(now=now + timedelta(seconds=2)) == 1
    assert state_of(delivery)[0] == "sent"


def test_old_deliveries_are_dropped_but_not_what_is_still_to_be_sent(
    provider: Provider, desk: Persona
):
    plan(provider, desk.user)
    plan(provider, desk.user, source="event:2", now=T0 + timedelta(days=1))
    later = T0 + timedelta(days=90, hours=1)
    assert actions.purge(now=later) == 1
    left = Delivery.objects.values_list("source", "channel")
    assert set(left) == {("event:1", "email"), ("event:2", "email"), ("event:2", "in_app")}
