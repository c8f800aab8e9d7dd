"""Leads set what is promised and by which hours; clocks follow."""

from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from posdoctor.accounts.models import AccountEvent
from posdoctor.core import clock
from posdoctor.core.errors import NotAllowedError
from tests.builders import T0, actor_of, make_clocks, make_provider, make_ticket
from tests.conftest import Persona
from tickets.actions import promises as actions
from tickets.forms.promises import DurationField, duration_text
from tickets.sla.actions import replan_stale
from tickets.sla.defaults import default_policy
from tickets.sla.models import Calendar, CalendarDay, Target

POLICY = reverse("tickets:policy")


@pytest.fixture
def form(supervisor: Persona) -> dict[str, str]:
    """The page's own values, as a browser would send them back."""
    return _sent(supervisor.client.get(POLICY).context["form"])


def _sent(form) -> dict[str, str]:
    values = {name: form[name].value() for name in form.fields}
    return {name: str(value) for name, value in values.items() if value not in (None, False)}


def calendar_of(persona: Persona) -> Calendar:
    default_policy(persona.seat.provider_id)
    return Calendar.objects.get(provider=persona.seat.provider)


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("4 h", 14_400), ("1h30min", 5_400), ("90", 5_400), ("20 s", 20), ("1 小时 30 分", 5_400),
        ("９０分钟", 5_400), ("1.5 h", 5_400), ("", None),
    ],
)  # fmt: skip
def test_times_are_read_as_people_write_them(typed: str, seconds: int | None):
    assert DurationField().clean(typed) == seconds
    if seconds:
        assert DurationField().clean(duration_text(seconds)) == seconds


@pytest.mark.parametrize("typed", ["soon", "4 x", "-3", "99999 h", "0", "0.1 s", "4 h later"])
def test_other_times_are_refused_with_what_to_do(typed: str):
    with pytest.raises(ValidationError):
        DurationField().clean(typed)


def test_a_changed_promise_holds_for_tickets_filed_from_now_on(supervisor: Persona, form, terminal):
    before = make_ticket(terminal, priority="urgent", opened_at=T0)
    make_clocks(before)
    due = before.clocks.get(promise="restore").due_at
    answer = supervisor.client.post(POLICY, form | {"restore_urgent": "20 s", "levels": "75"})
    assert answer.status_code == 302
    target = Target.objects.get(promise="restore", priority="urgent")
    assert (target.budget_seconds, target.levels) == (20, [75, 100])
    assert before.clocks.get(promise="restore").due_at == due
    after = make_ticket(terminal, priority="urgent", opened_at=T0)
    assert make_clocks(after)["restore"].due_at == T0 + timedelta(seconds=20)
    event = AccountEvent.objects.get(kind="policy_edited")
    assert event.provider == supervisor.seat.provider


def test_an_empty_time_promises_nothing(supervisor: Persona, form, terminal):
    supervisor.client.post(POLICY, form | {"first_response_low": ""})
    ticket = make_ticket(terminal, priority="low", opened_at=T0)
    assert set(make_clocks(ticket)) == {"restore"}


@pytest.mark.parametrize(
    "wrong",
    [{"restore_urgent": "soon"}, {"levels": "half"}, {"restore_urgent_calendar": "W-999999"}],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(supervisor: Persona, form, wrong):
    page = supervisor.client.post(POLICY, form | {"restore_high": "7 h"} | wrong)
    assert page.status_code == 422
    assert 'value="7 h"' in page.content.decode()
    assert not Target.objects.filter(budget_seconds=7 * 3600).exists()


def test_another_providers_calendar_cannot_be_chosen(supervisor: Persona, form):
    foreign = Calendar.objects.create(provider=make_provider(), name="外")
    page = supervisor.client.post(POLICY, form | {"restore_urgent_calendar": foreign.ref})
    assert page.status_code == 422
    for name in ("calendar", "add_days"):
        url = reverse(f"tickets:{name}", kwargs={"ref": foreign.ref})
        assert supervisor.client.post(url, {}).status_code == 404


def test_a_changed_week_moves_running_clocks(supervisor: Persona, terminal):
    calendar = calendar_of(supervisor)
    ticket = make_ticket(terminal, status="open", priority="urgent", opened_at=clock.now())
    due = make_clocks(ticket)["restore"].due_at
    url = reverse("tickets:calendar", kwargs={"ref": calendar.ref})
    sent = _sent(supervisor.client.get(url).context["form"])
    week = {f"hours_{day}": "" for day in ("mon", "tue", "wed", "thu", "fri", "sat")}
    answer = supervisor.client.post(url, sent | week | {"hours_sun": "09:00-12:00, 22:00-26:00"})
    assert answer.status_code == 302
    replan_stale(clock.now())
    moved = ticket.clocks.get(promise="restore")
    assert moved.due_at != due
    calendar.refresh_from_db()
    assert (calendar.version, moved.calendar_version) == (2, 2)
    assert list(calendar.hours.values_list("weekday", "start_minute", "end_minute")) == [
        (6, 540, 720), (6, 1320, 1560),
    ]  # fmt: skip


def test_holidays_are_added_as_a_span_and_taken_back_one_by_one(supervisor: Persona):
    calendar = calendar_of(supervisor)
    add = reverse("tickets:add_days", kwargs={"ref": calendar.ref})
    sent = {"day-first": "2099-10-01", "day-last": "2099-10-03", "day-name": "国庆"}
    assert supervisor.client.post(add, sent).status_code == 302
    special = {"day-first": "2099-10-03", "day-hours": "10:00-16:00"}
    supervisor.client.post(add, special)
    days = CalendarDay.objects.filter(calendar=calendar).order_by("date")
    assert [(day.kind, day.intervals) for day in days] == [
        ("closed", []), ("closed", []), ("special", [[600, 960]]),
    ]  # fmt: skip
    drop = reverse("tickets:drop_day", kwargs={"ref": calendar.ref, "day": "2099-10-01"})
    supervisor.client.post(drop)
    assert [day.date for day in days.all()] == [date(2099, 10, 2), date(2099, 10, 3)]


@pytest.mark.parametrize(
    "sent",
    [
        {"day-first": ""},
        {"day-first": "2020-01-01"},
        {"day-first": "2099-10-05", "day-last": "2099-10-01"},
        {"day-first": "2099-01-01", "day-last": "2099-12-31"},
        {"day-first": "2099-10-01", "day-hours": "21:00-09:00"},
    ],
)
def test_days_that_cannot_be_are_refused(supervisor: Persona, sent):
    calendar = calendar_of(supervisor)
    add = reverse("tickets:add_days", kwargs={"ref": calendar.ref})
    assert supervisor.client.post(add, sent).status_code == 422
    assert not calendar.days.exists()


def test_a_new_calendar_can_be_promised_by(supervisor: Persona, form):
    url = reverse("tickets:new_calendar")
    sent = {"name": "7×24", "time_zone": "Asia/Shanghai"}
    week = {f"hours_{day}": "00:00-24:00" for day in ("mon", "tue", "wed", "thu", "fri", "sat")}
    answer = supervisor.client.post(url, sent | week | {"hours_sun": "00:00-24:00"})
    assert answer.status_code == 302
    added = Calendar.objects.get(name="7×24")
    supervisor.client.post(POLICY, form | {"restore_urgent_calendar": added.ref})
    assert Target.objects.get(promise="restore", priority="urgent").calendar == added


def test_the_desk_cannot_change_promises(desk: Persona, supervisor: Persona):
    calendar = calendar_of(supervisor)
    actor = actor_of(desk.seat)
    with pytest.raises(NotAllowedError):
        actions.drop_day(actor, calendar_ref=calendar.ref, day=date(2099, 1, 1), now=T0)
    with pytest.raises(NotAllowedError):
        actions.set_policy(actor, targets={}, levels=[100], pauses_for_vendor=False, now=T0)
