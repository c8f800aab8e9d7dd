"""Promises by the API: previews, the policy, working hours."""

from datetime import timedelta

import pytest

from posdoctor.core import clock
from tests.api.conftest import Caller, by_session
from tests.builders import make_clocks, make_provider, make_ticket
from tests.conftest import Persona
from tickets.sla.defaults import default_policy
from tickets.sla.models import Calendar, Target

START = "2026-03-10T18:00:00+08:00"


@pytest.fixture
def lead(supervisor: Persona) -> Caller:
    default_policy(supervisor.seat.provider_id)
    return by_session(supervisor)


@pytest.fixture
def calendar(lead: Caller) -> Calendar:
    return Calendar.objects.get()


def test_a_preview_by_minutes_says_when_and_why(lead: Caller, calendar: Calendar):
    asked = {"calendar": calendar.ref, "start": START, "minutes": 240}
    body = lead.post("sla/preview/", asked).json()
    assert body["due_at"] == "2026-03-11T02:00:00Z"
    assert [level["percent"] for level in body["levels"]] == [50, 75, 90, 100]
    kinds = [step["kind"] for step in body["explanation"]]
    assert kinds[0] == "started"
    assert "closed" in kinds
    assert kinds[-1] == "due"


def test_a_preview_by_the_policy_with_a_pause(lead: Caller):
    pause = {"from_at": "2026-03-10T19:00:00+08:00", "to_at": "2026-03-11T12:00:00+08:00"}
    asked = {"clock": "restore", "priority": "urgent", "start": START, "pauses": [pause]}
    body = lead.post("sla/preview/", asked).json()
    assert body["due_at"] == "2026-03-11T07:00:00Z"


def test_a_pause_without_end_has_no_due_time(lead: Caller, calendar: Calendar):
    pause = {"from_at": "2026-03-10T19:00:00+08:00"}
    asked = {"calendar": calendar.ref, "start": START, "minutes": 240, "pauses": [pause]}
    assert lead.post("sla/preview/", asked).json()["due_at"] is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"calendar": "W-999999", "minutes": 5}, "calendar"),
        ({"clock": "restore"}, "clock"),
        ({"clock": "restore", "priority": "urgent", "minutes": 0}, "minutes"),
    ],
)
def test_a_preview_that_cannot_be_is_refused(lead: Caller, asked, field):
    answer = lead.post("sla/preview/", {"start": START} | asked)
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [field]


def test_a_promise_beyond_what_the_hours_cover_is_refused(lead: Caller):
    sent = {"name": "周一", "time_zone": "Asia/Shanghai", "hours": {"mon": [["09:00", "10:00"]]}}
    ref = lead.post("sla/calendars/", sent).json()["ref"]
    answer = lead.post("sla/preview/", {"calendar": ref, "start": START, "minutes": 60_000})
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["start"])


def test_the_policy_changes_in_parts(lead: Caller):
    before = lead.get("sla/policy/").json()
    changed = lead.patch("sla/policy/", {"levels": [80], "pauses_for_vendor": True}).json()
    assert changed["levels"] == [80, 100]
    assert changed["pauses_for_vendor"] is True
    assert changed["version"] == before["version"] + 1
    assert len(changed["targets"]) == len(before["targets"]) == 8
    target = before["targets"][0] | {"budget_seconds": 25}
    lead.patch("sla/policy/", {"targets": [target]})
    assert Target.objects.get().budget_seconds == 25


def test_a_foreign_calendar_is_no_calendar(lead: Caller):
    foreign = Calendar.objects.create(provider=make_provider(), name="外")
    target = {"promise": "restore", "priority": "low", "budget_seconds": 5, "calendar": foreign.ref}
    assert lead.patch("sla/policy/", {"targets": [target]}).status_code == 422
    assert lead.get(f"sla/calendars/{foreign.ref}/").status_code == 404


def test_working_hours_are_added_changed_and_given_days(lead: Caller):
    week = {"mon": [["09:00", "12:00"], ["20:00", "26:00"]]}
    sent = {"name": "夜班", "time_zone": "Asia/Shanghai", "hours": week}
    added = lead.post("sla/calendars/", sent)
    assert added.status_code == 201
    place = f"sla/calendars/{added.json()['ref']}/"
    assert added.json()["hours"]["mon"] == week["mon"]
    changed = lead.patch(place, {"name": "白班"}).json()
    assert (changed["name"], changed["hours"]["mon"], changed["version"]) == (
        "白班",
        week["mon"],
        2,
    )
    day = (clock.now() + timedelta(days=40)).date().isoformat()
    given = lead.post(f"{place}days/", {"first": day, "hours": [["10:00", "16:00"]]})
    assert given.json()["days"] == [
        {"date": day, "kind": "special", "name": "", "hours": [["10:00", "16:00"]]}
    ]
    assert lead.delete(f"{place}days/{day}/").status_code == 204
    assert lead.get(place).json()["days"] == []


@pytest.mark.parametrize(
    "sent",
    [
        {"first": "2020-01-01"},
        {"first": "2099-10-05", "last": "2099-10-01"},
        {"first": "2099-10-01", "hours": [["21:00", "09:00"]]},
        {"first": "2099-10-01", "hours": [["49:00", "49:30"]]},
    ],
)
def test_days_that_cannot_be_are_refused(lead: Caller, calendar: Calendar, sent):
    answer = lead.post(f"sla/calendars/{calendar.ref}/days/", sent)
    assert answer.status_code in {409, 422}
    assert not calendar.days.exists()


def test_the_desk_sees_no_settings_but_previews(api: Caller, calendar: Calendar):
    for path in ("sla/policy/", "sla/calendars/", f"sla/calendars/{calendar.ref}/"):
        assert api.get(path).status_code == 404
    asked = {"calendar": calendar.ref, "start": START, "minutes": 60}
    assert api.post("sla/preview/", asked).status_code == 200


def test_clocks_of_a_ticket_say_how_they_stand_and_why(api: Caller, terminal, merchant: Persona):
    ticket = make_ticket(terminal, priority="urgent", status="open", opened_at=clock.now())
    make_clocks(ticket)
    first, restore = api.get(f"tickets/{ticket.ref}/clocks/").json()["results"]
    assert (first["promise"], first["badge"]) == ("first_response", "critical")
    assert (restore["promise"], restore["state"]) == ("restore", "running")
    assert restore["budget_seconds"] == 4 * 3600
    assert [level["percent"] for level in restore["levels"]] == [50, 75, 90, 100]
    assert [step["kind"] for step in restore["explanation"]][-1] == "due"
    seen = by_session(merchant).get(f"tickets/{ticket.ref}/clocks/").json()["results"]
    assert seen[1]["due_at"] == restore["due_at"]
    assert (seen[1]["levels"], seen[1]["explanation"]) == ([], [])
