"""Every address of the API as every persona and with every method, against an explicit table."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import reverse

from tests.architecture import test_routes
from tests.architecture.test_routes import (
    FORBIDDEN,
    HIDDEN,
    LEADS_BOARD,
    LOGIN,
    OK,
    PERSONAS,
    PUBLIC,
    SIGNED_IN,
    STAFF,
    World,
    routes,
    rule,
)
from tests.builders import make_minimum, make_ticket
from tests.conftest import Persona

world = test_routes.world  # the fixture

GET, POST, PUT, PATCH, DELETE = "GET", "POST", "PUT", "PATCH", "DELETE"
NOWHERE = rule(others=HIDDEN)
# What everybody has of their own: lists show nothing of others, hence are open to all.
OWN = SIGNED_IN
# Something new in the own provider.
ADD = rule(
    others=OK, anonymous=LOGIN, field=FORBIDDEN, merchant=FORBIDDEN, other_merchant=FORBIDDEN,
    operator=FORBIDDEN,
)  # fmt: skip
ADMINISTRATOR_ADDS = rule(others=FORBIDDEN, anonymous=LOGIN, administrator=OK)
# One row of our provider: the shop's own people see it too.
RECORD = rule(
    others=OK, anonymous=LOGIN, other_merchant=HIDDEN, field=HIDDEN, outsider=HIDDEN,
    operator=HIDDEN,
)  # fmt: skip
RECORD_DEED = RECORD | {"merchant": FORBIDDEN}
# The engineer has a job with this terminal, and the ticket.
JOB = RECORD | {"field": OK}
JOB_DESK = JOB | {"field": FORBIDDEN, "merchant": FORBIDDEN}
JOB_SEATS = JOB | {"merchant": FORBIDDEN}
JOB_SHOP = rule(
    others=FORBIDDEN, anonymous=LOGIN, merchant=OK, other_merchant=HIDDEN, outsider=HIDDEN,
    operator=HIDDEN,
)  # fmt: skip
COLLEAGUE = rule(
    others=OK, anonymous=LOGIN, merchant=HIDDEN, other_merchant=HIDDEN, outsider=HIDDEN,
    operator=HIDDEN,
)  # fmt: skip
COLLEAGUE_DEED = COLLEAGUE | {"desk": FORBIDDEN, "field": FORBIDDEN, "supervisor": FORBIDDEN}
OPERATOR = rule(others=HIDDEN, anonymous=LOGIN, operator=OK)
# Only roles that walk through checks; a terminal in the body is looked up later.
WALK = rule(others=OK, anonymous=LOGIN, field=FORBIDDEN, operator=FORBIDDEN)

# Settings of promises, deliveries: to everybody but leads they do not exist.
LEADS = rule(others=HIDDEN, anonymous=LOGIN, supervisor=OK, administrator=OK)

TABLE: dict[str, dict[str, dict[str, str]]] = {
    "api:schema": {GET: PUBLIC},
    "api:docs": {GET: PUBLIC},
    "api:unknown": {GET: NOWHERE, POST: NOWHERE, PATCH: NOWHERE, DELETE: NOWHERE},
    "api:me": {GET: OWN, PATCH: OWN},
    "api:people": {GET: OWN, POST: ADMINISTRATOR_ADDS},
    "api:person": {GET: COLLEAGUE, PATCH: COLLEAGUE_DEED},
    "api:person_invite": {POST: COLLEAGUE_DEED},
    "api:person_deactivate": {POST: COLLEAGUE_DEED},
    "api:person_activate": {POST: COLLEAGUE_DEED},
    "api:teams": {GET: OWN, POST: ADMINISTRATOR_ADDS},
    "api:team": {GET: COLLEAGUE, PATCH: COLLEAGUE_DEED},
    "api:providers": {GET: OPERATOR, POST: OPERATOR},
    "api:notices": {GET: STAFF},
    "api:notices_unread": {GET: STAFF},
    "api:notices_read": {POST: STAFF},
    "api:deliveries": {GET: LEADS},
    "api:deliveries_totals": {GET: LEADS},
    "api:delivery_retry": {POST: LEADS},
    "api:ops": {GET: LEADS_BOARD},
    "api:merchants": {GET: OWN, POST: ADD},
    "api:merchant": {GET: RECORD, PATCH: RECORD_DEED},
    "api:contacts": {GET: RECORD, POST: RECORD_DEED},
    "api:contact": {GET: RECORD, PATCH: RECORD_DEED, DELETE: RECORD_DEED},
    "api:contact_reveal": {POST: RECORD_DEED},
    "api:stores": {GET: OWN, POST: ADD},
    "api:store": {GET: RECORD, PATCH: RECORD_DEED},
    "api:models": {GET: OWN},
    "api:minimum_versions": {GET: LEADS},
    "api:minimum_version": {PUT: LEADS, DELETE: LEADS},
    "api:terminals": {GET: OWN, POST: ADD},
    "api:terminal": {GET: JOB, PATCH: JOB_DESK},
    "api:terminal_history": {GET: JOB},
    # A merchant stops a terminal by a safety answer; as a deed of its own it has no page either.
    "api:terminal_stop": {POST: JOB | {"merchant": HIDDEN}},
    "api:terminal_release": {POST: JOB_DESK | {"desk": FORBIDDEN}},
    "api:terminal_move": {POST: JOB_DESK},
    "api:terminal_sticker": {POST: JOB_DESK},
    "api:response_codes": {GET: OWN},
    "api:log_analyses": {POST: ADD},
    "api:symptoms": {GET: OWN},
    "api:numbers": {GET: LEADS},
    "api:diagnoses": {POST: WALK},
    "api:diagnosis": {GET: RECORD},
    "api:diagnosis_answers": {POST: RECORD},
    "api:diagnosis_report": {POST: RECORD},
    "api:sla_preview": {POST: ADD},
    "api:policy": {GET: LEADS, PATCH: LEADS},
    "api:calendars": {GET: LEADS, POST: LEADS},
    "api:calendar": {GET: LEADS, PATCH: LEADS},
    "api:calendar_days": {POST: LEADS},
    "api:calendar_day": {DELETE: LEADS},
    "api:tickets": {GET: OWN, POST: WALK},
    "api:ticket": {GET: JOB, PATCH: JOB},
    "api:ticket_timeline": {GET: JOB},
    "api:ticket_fixes": {GET: JOB, POST: JOB_SEATS},
    "api:ticket_clocks": {GET: JOB},
    "api:ticket_attachments": {GET: JOB},
    "api:ticket_attachment": {GET: JOB},
    "api:ticket_reply": {POST: JOB_SEATS},
    "api:ticket_note": {POST: JOB_SEATS},
    "api:ticket_words": {POST: JOB_SHOP},
    "api:ticket_take": {POST: JOB_DESK},
    "api:ticket_assign": {POST: JOB_DESK},
    "api:ticket_wait": {POST: JOB_DESK},
    "api:ticket_resume": {POST: JOB_DESK},
    "api:ticket_dispatch": {POST: JOB_SEATS},
    "api:ticket_on_site": {POST: JOB_SEATS},
    "api:ticket_leave": {POST: JOB_SEATS},
    "api:ticket_resolve": {POST: JOB_SEATS},
    "api:ticket_reopen": {POST: JOB | {"field": FORBIDDEN}},
    "api:ticket_close": {POST: JOB_SHOP},
    "api:ticket_cancel": {POST: JOB | {"field": FORBIDDEN}},
    "api:ticket_merge": {POST: JOB_DESK},
    "api:ticket_priority": {POST: JOB_DESK},
    "api:ticket_reveal": {POST: JOB_SEATS},
}


def url_of(name: str, world: World) -> str:
    """The address, all of its parts naming rows of our provider."""
    own = {
        "person": world.field_seat_user,
        "team": world.team,
        "merchant": world.store.merchant.ref,
        "contacts": world.store.merchant.ref,
        "contact": world.store.contacts.first() and world.store.contacts.first().ref,
        "store": world.store.ref,
        "terminal": world.terminal.ref,
        "diagnosis": world.run,
        "ticket": world.ticket.ref,
        "calendar": world.calendar,
    }
    short = name.removeprefix("api:")
    if short in {"schema", "docs", "unknown", "me", "models", "symptoms", "diagnoses"}:
        return reverse(name)
    special: dict[str, dict[str, object]] = {
        "minimum_version": {"model": world.terminal.model.slug},
        "numbers": {"symptom": "no_power"},
        "delivery_retry": {"key": world.stuck},
        "calendar_day": {"ref": world.calendar, "day": "2099-10-01"},
        "ticket_attachment": {"ref": world.ticket.ref, "key": world.attachment.key},
    }
    if short in special:
        return reverse(name, kwargs=special[short])
    ref = own.get(short) or own.get(short.partition("_")[0])
    return reverse(name, kwargs={"ref": ref}) if ref else reverse(name)


def send(persona: Persona, method: str, url: str) -> Any:
    if method == GET:
        return persona.client.get(url)
    return persona.client.generic(method, url, "{}", content_type="application/json")


def outcome(response: HttpResponse) -> str:
    """`ok` is any answer of the address itself: done, refused input, illegal in this state."""
    if response.status_code == 401:
        return LOGIN
    if response.status_code in {200, 201, 204, 409, 422}:
        return OK
    return str(response.status_code)


def test_every_address_of_the_api_is_classified():
    assert {name for name in routes() if name.startswith("api:")} == set(TABLE)


@pytest.mark.parametrize(
    ("name", "method"), [(name, method) for name, row in TABLE.items() for method in row]
)
def test_address_by_persona(name: str, method: str, world: World, request: pytest.FixtureRequest):
    url = url_of(name, world)
    got = {}
    for persona in PERSONAS:
        if method == DELETE and not world.store.contacts.exists():
            world.store.contacts.create(
                provider=world.store.provider, merchant=world.store.merchant, name="x", phone="1"
            )
            url = url_of(name, world)
        if method == DELETE and not world.terminal.provider.minimum_versions.exists():
            make_minimum(world.terminal, app_version="3.2.14")
        response = send(request.getfixturevalue(persona), method, url)
        assert response.status_code < 500, response.content
        got[persona] = outcome(response)
    assert got == TABLE[name][method]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        (name, method)
        for name, row in TABLE.items()
        for method in (GET, POST, PUT, PATCH, DELETE, "OPTIONS")
        if method not in row and name != "api:unknown"
    ],
)
def test_other_methods_are_405(name: str, method: str, world: World, administrator: Persona):
    response = send(administrator, method, url_of(name, world))
    assert response.status_code == 405
    assert response.headers["Allow"]


def test_a_ticket_of_somebody_else_is_hidden_from_an_engineer(world: World, field: Persona):
    other = make_ticket(world.terminal, status="open")
    assert send(field, GET, reverse("api:ticket", kwargs={"ref": other.ref})).status_code == 404
