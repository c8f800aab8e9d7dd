"""Notices and deliveries by the API: whose, what they say, reading them, trying again."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from posdoctor.accounts.models import AccountEvent, Provider
from posdoctor.core import clock
from posdoctor.notifications.models import Delivery
from tests.api.conftest import Caller, by_session, by_token, issue
from tests.api.test_entry import refusal
from tests.api.test_lists import follow
from tests.conftest import Persona
from tests.notifications.planning import CLOCK_FACTS, FACTS, plan

MINUTE = timedelta(minutes=1)
HERE = ["in_app"]


@pytest.fixture
def lead(supervisor: Persona) -> Caller:
    return by_session(supervisor)


def tell(persona: Persona, number: int = 1, **fields: Any) -> Delivery:
    """One more notice of this persona, or one mail."""
    assert persona.seat
    values = {"source": f"event:{number}", "channels": HERE, **fields}
    plan(persona.seat.provider, persona.user, **values)
    return Delivery.objects.latest("pk")


def mail(persona: Persona, number: int = 1, **changed: Any) -> Delivery:
    """A mail to this persona; `changed` are columns."""
    row = tell(persona, number, channels=["email"])
    Delivery.objects.filter(pk=row.pk).update(**changed)
    row.refresh_from_db()
    return row


def dead(persona: Persona, number: int = 1, **changed: Any) -> Delivery:
    gone = {"state": "dead", "next_attempt_at": None, "attempts": 8, "last_error": "refused 550"}
    return mail(persona, number, **gone, **changed)


def keys(answer: Any) -> list[str]:
    return [row["key"] for row in answer.json()["results"]]


def unread(caller: Caller) -> int:
    return int(caller.get("notices/unread/").json()["unread"])


def test_a_notice_says_what_the_page_says(api: Caller, desk: Persona):
    told = tell(desk, data=FACTS | {"actor": "O’Neil & <Söhne>"})
    assert api.get("notices/", **{"accept-language": "en"}).json()["results"] == [
        {
            "key": str(told.key),
            "kind": "ticket.assigned",
            "words": "Assigned to you by O’Neil & <Söhne>",
            "ticket": FACTS["ref"],
            "title": FACTS["title"],
            "store": FACTS["store"],
            "url": "/desk/t/T-AAAAAA/",
            "created_at": "2026-11-20T02:00:00Z",
            "promise": None,
            "level": None,
            "due_at": None,
            "read_at": None,
        }
    ]


def test_a_level_says_which_promise_and_when_it_is_due(api: Caller, desk: Persona):
    tell(desk, kind="clock.level", data=CLOCK_FACTS)
    row = api.get("notices/", **{"accept-language": "en"}).json()["results"][0]
    assert row["words"] == "First response: 75% of the time is gone"
    assert (row["promise"], row["level"]) == ("first_response", 75)
    assert row["due_at"] == "2026-11-20T08:30:00Z"


def test_everybody_has_only_their_own_leads_too(
    api: Caller, lead: Caller, desk: Persona, supervisor: Persona, outsider: Persona
):
    ours, theirs = tell(desk), tell(supervisor)
    tell(outsider, 3)
    mail(desk, 4)  # a mail is no notice
    assert keys(api.get("notices/")) == [str(ours.key)]
    assert keys(lead.get("notices/")) == [str(theirs.key)]
    assert unread(api) == unread(lead) == 1
    refusal(lead.post("notices/read/", {"keys": [str(ours.key)]}), 422, "invalid")
    assert lead.post("notices/read/", {"all": True}).json() == {"unread": 0}
    assert unread(api) == 1


def test_the_newest_come_first_page_by_page_and_twins_of_a_moment_once(api: Caller, desk: Persona):
    told = [tell(desk, n, now=clock.now() - n // 3 * MINUTE) for n in range(8)]
    pages = follow(api, "/api/v1/notices/?page_size=3")
    assert [len(page) for page in pages] == [3, 3, 2]
    found = [row["key"] for page in pages for row in page]
    assert set(found) == {str(row.key) for row in told}
    times = [row["created_at"] for page in pages for row in page]
    assert times == sorted(times, reverse=True)
    first = api.get("notices/?page_size=3").json()
    second = api.client.get(first["next"]).json()
    assert api.client.get(second["previous"]).json()["results"] == first["results"]


def test_reading_some_and_all(api: Caller, desk: Persona):
    told = [str(tell(desk, n).key) for n in range(4)]
    assert api.post("notices/read/", {"keys": told[:1] * 2}).json() == {"unread": 3}
    assert api.post("notices/read/", {"keys": told[:2]}).json() == {"unread": 2}
    assert set(keys(api.get("notices/?unread=true"))) == set(told[2:])
    assert set(keys(api.get("notices/?unread=false"))) == set(told[:2])
    first = Delivery.objects.get(key=told[0]).read_at
    assert api.post("notices/read/", {"all": True}).json() == {"unread": 0}
    assert Delivery.objects.get(key=told[0]).read_at == first


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "keys"), ({"all": False}, "keys"), ({"keys": []}, "keys"), ({"keys": ["x"]}, "keys.0"),
        ({"keys": [str(uuid4())]}, "keys"), ({"keys": [str(uuid4())], "all": True}, "keys"),
        ({"key": str(uuid4())}, "key"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_reads_nothing(
    sent: dict[str, Any], field: str, api: Caller, desk: Persona
):
    tell(desk)
    body = refusal(api.post("notices/read/", sent), 422, "invalid")
    assert list(body["fields"]) == [field]
    assert unread(api) == 1


def test_a_token_reads_notices_within_its_scope(desk: Persona):
    tell(desk)
    reader = by_token(issue(desk, can_write=False))
    assert unread(reader) == 1
    refusal(reader.post("notices/read/", {"all": True}), 403, "token_scope")
    refusal(by_token(issue(desk, areas=["records"])).get("notices/"), 403, "token_scope")


def test_a_made_up_cursor_reaches_no_column_of_keys(api: Caller, lead: Caller, desk: Persona):
    tell(desk)
    for made_up in ("WyJuIix7ImF0IjoiMjAyNi0xMS0yMFQwMjowMDowMFoifSwieCJd",):  # ["n", at, "x"]
        assert api.get("notices/", {"cursor": made_up}).status_code == 200
        assert lead.get("deliveries/", {"cursor": made_up}).status_code == 200


def test_what_is_stuck_is_listed_for_leads(
    lead: Caller, desk: Persona, field: Persona, outsider: Persona
):
    now = clock.now()
    given_up = dead(desk)
    late = mail(field, 2, created_at=now - 6 * MINUTE)
    mail(desk, 3, created_at=now - MINUTE)  # on its way
    mail(desk, 4, state="sent", sent_at=now, next_attempt_at=None)
    dead(outsider, 5)
    tell(desk, 6)
    assert set(keys(lead.get("deliveries/"))) == {str(given_up.key), str(late.key)}
    assert keys(lead.get("deliveries/?state=pending")) == [str(late.key)]
    assert keys(lead.get("deliveries/?state=ambiguous")) == []
    refusal(lead.get("deliveries/?state=sent"), 422, "invalid")
    row = lead.get("deliveries/?state=dead").json()["results"][0]
    assert desk.user
    assert row["recipient"] == {"ref": desk.user.ref, "name": desk.user.name}
    assert (row["channel"], row["attempts"], row["last_error"]) == ("email", 8, "refused 550")
    assert str(FACTS["actor"]) in row["words"]


def test_totals_are_of_seven_days_and_name_every_state(lead: Caller, desk: Persona):
    now = clock.now()
    dead(desk, 1, created_at=now - timedelta(days=6))
    dead(desk, 2, created_at=now - timedelta(days=8))
    mail(desk, 3, created_at=now)
    answer = lead.get("deliveries/totals/").json()
    counts = {row["state"]: row["count"] for row in answer["results"]}
    assert counts == {
        "pending": 1, "sending": 0, "sent": 0, "dead": 1, "ambiguous": 0, "cancelled": 0,
    }  # fmt: skip
    assert answer["since"] < (now - timedelta(days=6)).isoformat()


def test_a_retry_puts_it_back_once(lead: Caller, desk: Persona):
    row = dead(desk)
    place = f"deliveries/{row.key}/retry/"
    answer = lead.post(place, idempotency_key="again")
    assert answer.json()["state"] == "pending"
    assert answer.json()["key"] == str(row.key)
    repeat = lead.post(place, idempotency_key="again")
    assert repeat.headers["Idempotent-Replayed"] == "true"
    assert AccountEvent.objects.filter(kind="delivery_retried").count() == 1
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("pending", 8)


def test_what_is_sent_cannot_be_sent_again(lead: Caller, desk: Persona):
    row = mail(desk, state="sent", sent_at=clock.now(), next_attempt_at=None)
    body = refusal(lead.post(f"deliveries/{row.key}/retry/"), 409, "illegal_move")
    assert body["current"] == "sent"


def test_deliveries_of_others_are_hidden(
    lead: Caller, api: Caller, desk: Persona, outsider: Persona
):
    foreign, own = dead(outsider), dead(desk, 2)
    for path in (f"deliveries/{foreign.key}/retry/", f"deliveries/{uuid4()}/retry/"):
        refusal(lead.post(path), 404, "not_found")
    refusal(api.post(f"deliveries/{own.key}/retry/"), 404, "not_found")
    refusal(lead.post("deliveries/1/retry/"), 404, "not_found")
    foreign.refresh_from_db()
    assert foreign.state == "dead"


@pytest.mark.parametrize("path", ["notices/", "deliveries/"])
def test_lists_cost_the_same_for_2_and_for_20_rows(
    path: str, lead: Caller, supervisor: Persona, provider: Provider
):
    def fill(number: int) -> None:
        for _ in range(number):
            source = f"event:{uuid4()}"
            plan(provider, supervisor.user, source=source, now=clock.now() - 9 * MINUTE)

    def cost(rows: int) -> int:
        lead.get(path)
        with CaptureQueriesContext(connection) as queries:
            assert len(keys(lead.get(path))) == rows
        return len(queries)

    fill(2)
    few = cost(2)
    fill(18)
    assert cost(20) == few
