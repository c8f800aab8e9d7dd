"""Every route as every persona, against an explicit table. An unclassified route fails."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from diagnostics.actions import drafts
from merchants.models import Store
from posdoctor.accounts import actions as account_actions
from posdoctor.accounts.roles import Role
from posdoctor.core import browser, clock
from posdoctor.core.models import Heartbeat
from posdoctor.notifications.models import Delivery
from terminals.models import Terminal
from tests.builders import (
    actor_of,
    make_log_analysis,
    make_message,
    make_own_code,
    make_run,
    make_seat,
    make_team,
    make_ticket,
    make_unknown_code,
)
from tests.conftest import Persona
from tests.notifications.planning import plan
from tickets.models import Attachment, Ticket
from tickets.sla.models import Calendar

PERSONAS = [
    "anonymous", "merchant", "other_merchant", "desk", "field", "supervisor", "administrator",
    "outsider", "operator",
]  # fmt: skip

# What a persona may get. `ok` is any answer of the page itself: shown, done (303), refused
# with a form (422) or with the current state (409).
OK, LOGIN, HIDDEN, FORBIDDEN = "ok", "login", "404", "403"


def rule(**exceptions: str) -> dict[str, str]:
    """Everyone gets `others`, the named personas something else."""
    others = exceptions.pop("others")
    return {name: exceptions.get(name, others) for name in PERSONAS}


PUBLIC = rule(others=OK)
# The public side of one report: whoever has no proof sees the locked door, which is `ok`
# (it shows nothing); what hangs on it is hidden.
PROVEN = rule(others=HIDDEN, merchant=OK)
SIGNED_IN = rule(others=OK, anonymous=LOGIN)
# Staff pages without an object: each sees its own provider.
STAFF = rule(others=OK, anonymous=LOGIN, merchant=HIDDEN, other_merchant=HIDDEN, operator=HIDDEN)
DESK = STAFF | {"field": HIDDEN}
# Numbers over colleagues: the desk knows of the page and may not read it.
LEADS_BOARD = DESK | {"desk": FORBIDDEN, "outsider": FORBIDDEN}
# Staff pages of one object of our provider; the field engineer has this job.
OURS = STAFF | {"outsider": HIDDEN}
OURS_DESK = OURS | {"field": HIDDEN}
OURS_DESK_DEED = OURS | {"field": FORBIDDEN}
OURS_LEADS_DEED = OURS_DESK | {"desk": FORBIDDEN}
LEADS = DESK | {"desk": HIDDEN, "outsider": HIDDEN}
ADMINISTRATOR = rule(others=HIDDEN, anonymous=LOGIN, administrator=OK)
OPERATOR = rule(others=HIDDEN, anonymous=LOGIN, operator=OK)
MERCHANT = rule(others=HIDDEN, anonymous=LOGIN, merchant=OK, other_merchant=OK)

GET, POST = "GET", "POST"
TABLE: dict[str, dict[str, dict[str, str]]] = {
    "core:healthz": {GET: PUBLIC},
    "core:readyz": {GET: PUBLIC},
    # To this machine itself on a local stack, which the tests are; tests/core/test_metrics.py.
    "core:metrics": {GET: PUBLIC},
    "core:help": {GET: PUBLIC},
    "core:privacy": {GET: PUBLIC},
    "core:style": {GET: STAFF},
    "accounts:home": {GET: PUBLIC},
    "accounts:me": {GET: SIGNED_IN, POST: SIGNED_IN},
    "accounts:tokens": {GET: STAFF, POST: STAFF},
    # Everybody only their own; it is the desk's here.
    "accounts:revoke_token": {POST: rule(others=HIDDEN, anonymous=LOGIN, desk=OK)},
    "accounts:theme": {POST: SIGNED_IN},
    "accounts:choose_seat": {POST: SIGNED_IN},
    "accounts:users": {GET: ADMINISTRATOR},
    "accounts:invite": {GET: ADMINISTRATOR, POST: ADMINISTRATOR},
    "accounts:person": {GET: ADMINISTRATOR, POST: ADMINISTRATOR},
    "accounts:teams": {GET: ADMINISTRATOR, POST: ADMINISTRATOR},
    "accounts:team": {GET: ADMINISTRATOR, POST: ADMINISTRATOR},
    "tickets:policy": {GET: LEADS, POST: LEADS},
    "tickets:calendars": {GET: LEADS},
    "tickets:new_calendar": {GET: LEADS, POST: LEADS},
    "tickets:calendar": {GET: LEADS, POST: LEADS},
    "tickets:add_days": {POST: LEADS},
    "tickets:drop_day": {POST: LEADS},
    "accounts:providers": {GET: OPERATOR},
    "accounts:new_provider": {GET: OPERATOR, POST: OPERATOR},
    "notifications:notices": {GET: STAFF},
    "notifications:bell": {GET: STAFF},
    "notifications:read_all": {POST: STAFF},
    "notifications:seen": {POST: STAFF},
    # The field engineer's own notice: nobody else's, whatever their role.
    "notifications:open": {POST: rule(others=HIDDEN, anonymous=LOGIN, field=OK)},
    "notifications:deliveries": {GET: LEADS},
    "notifications:retry": {POST: LEADS},
    "merchants:list": {GET: DESK},
    "merchants:new": {GET: DESK, POST: DESK},
    "merchants:merchant": {GET: OURS_DESK},
    "merchants:edit": {GET: OURS_DESK, POST: OURS_DESK},
    "merchants:new_store": {GET: OURS_DESK, POST: OURS_DESK},
    "merchants:new_contact": {GET: OURS_DESK, POST: OURS_DESK},
    "merchants:store": {GET: OURS_DESK, POST: OURS_DESK},
    "merchants:contact": {GET: OURS_DESK, POST: OURS_DESK},
    "merchants:reveal": {POST: OURS_DESK},
    "terminals:list": {GET: DESK},
    "terminals:new": {GET: DESK, POST: DESK},
    "terminals:terminal": {GET: OURS},
    "terminals:edit": {GET: OURS_DESK, POST: OURS_DESK},
    "terminals:release": {GET: OURS_LEADS_DEED, POST: OURS_LEADS_DEED},
    "terminals:stop": {GET: OURS, POST: OURS},
    "terminals:move": {GET: OURS_DESK, POST: OURS_DESK},
    "terminals:replace_sticker": {GET: OURS_DESK, POST: OURS_DESK},
    "terminals:of_merchant": {GET: OURS_DESK},
    # A model is everybody's; what each provider expects of it is its own.
    "terminals:versions": {GET: LEADS},
    "terminals:version": {GET: LEADS, POST: LEADS},
    "terminals:drop_version": {POST: LEADS},
    "diagnostics:find": {GET: PUBLIC, POST: PUBLIC},
    "diagnostics:logs": {GET: DESK, POST: DESK},
    "diagnostics:log": {GET: OURS_DESK},
    "diagnostics:check_log": {POST: OURS_DESK},
    "diagnostics:sticker": {GET: PUBLIC},
    "diagnostics:start": {GET: PUBLIC},
    "diagnostics:start_slash": {GET: PUBLIC},
    "diagnostics:more": {GET: PUBLIC},
    "diagnostics:begin": {POST: PUBLIC},
    "diagnostics:step": {GET: PUBLIC, POST: PUBLIC},
    "diagnostics:fixed": {GET: PUBLIC, POST: PUBLIC},
    "diagnostics:stopped": {GET: PUBLIC},
    "diagnostics:unsolved": {GET: PUBLIC},
    "diagnostics:guides": {GET: PUBLIC},
    "diagnostics:guide": {GET: PUBLIC},
    "diagnostics:machine_guides": {GET: PUBLIC},
    "diagnostics:machine_guide": {GET: PUBLIC},
    "diagnostics:code": {GET: PUBLIC, POST: PUBLIC},
    "diagnostics:codes": {GET: PUBLIC, POST: PUBLIC},
    "diagnostics:desk_codes": {GET: DESK},
    "diagnostics:trace": {GET: DESK | {"outsider": HIDDEN}},
    "diagnostics:define_code": {GET: LEADS, POST: LEADS},
    "diagnostics:own_code": {GET: LEADS, POST: LEADS},
    # Gone after the first.
    "diagnostics:drop_code": {POST: LEADS | {"administrator": HIDDEN}},
    "diagnostics:dismiss_code": {POST: LEADS},
    "diagnostics:learning": {GET: LEADS},
    "diagnostics:learning_gain": {GET: LEADS},
    "diagnostics:learning_one": {GET: LEADS},
    "diagnostics:learning_approve": {POST: LEADS},
    "diagnostics:learning_reject": {POST: LEADS},
    "diagnostics:learning_use": {POST: LEADS},
    "diagnostics:flows": {GET: LEADS},
    "diagnostics:flow_import": {GET: LEADS, POST: LEADS},
    "diagnostics:flow": {GET: LEADS},
    "diagnostics:flow_start": {POST: LEADS},
    "diagnostics:flow_texts": {GET: LEADS, POST: LEADS},
    "diagnostics:flow_new_step": {GET: LEADS, POST: LEADS},
    "diagnostics:flow_step": {GET: LEADS, POST: LEADS},
    "diagnostics:flow_new_fault": {GET: LEADS, POST: LEADS},
    "diagnostics:flow_fault": {GET: LEADS, POST: LEADS},
    "diagnostics:flow_exits": {GET: LEADS},
    "diagnostics:flow_new_exit": {GET: LEADS, POST: LEADS},
    "diagnostics:flow_exit": {GET: LEADS, POST: LEADS},
    "diagnostics:flow_arrange": {POST: LEADS},
    "diagnostics:flow_undo": {POST: LEADS},
    "diagnostics:flow_compare": {GET: LEADS},
    "diagnostics:flow_ask_comparison": {POST: LEADS},
    "diagnostics:flow_preview": {GET: LEADS, POST: LEADS},
    "diagnostics:flow_ask_review": {POST: LEADS},
    "diagnostics:flow_approve": {POST: LEADS},
    "diagnostics:flow_publish": {POST: LEADS},
    "diagnostics:flow_discard": {POST: LEADS},
    "diagnostics:flow_versions": {GET: LEADS},
    "diagnostics:flow_restore": {POST: LEADS},
    "diagnostics:flow_export": {GET: LEADS},
    "tickets:report": {GET: PUBLIC, POST: PUBLIC},
    "tickets:report_check": {GET: PUBLIC, POST: PUBLIC},
    "tickets:report_photo": {GET: rule(others=HIDDEN)},
    "tickets:report_drop_photo": {POST: PUBLIC},
    "tickets:track": {GET: PUBLIC},
    "tickets:track_unlock": {POST: PUBLIC},
    "tickets:track_words": {POST: PROVEN},
    "tickets:track_confirm": {POST: PROVEN},
    "tickets:track_still_broken": {POST: PROVEN},
    "tickets:track_cancel": {POST: PROVEN},
    "tickets:track_file": {GET: PROVEN},
    "tickets:mine": {GET: MERCHANT},
    "tickets:inbox": {GET: STAFF},
    "tickets:queue": {GET: STAFF},
    "tickets:search": {GET: STAFF},
    "tickets:new": {GET: DESK},
    "tickets:new_start": {GET: OURS_DESK, POST: OURS_DESK},
    "tickets:new_step": {GET: OURS_DESK, POST: OURS_DESK},
    "tickets:new_report": {GET: OURS_DESK, POST: OURS_DESK},
    "tickets:ticket": {GET: OURS},
    "tickets:reply": {POST: OURS},
    "tickets:note": {POST: OURS},
    "tickets:take": {POST: OURS_DESK_DEED},
    "tickets:assign": {POST: OURS_DESK_DEED},
    "tickets:wait": {POST: OURS_DESK_DEED},
    "tickets:resume": {POST: OURS_DESK_DEED},
    "tickets:dispatch": {POST: OURS},
    "tickets:arrive": {POST: OURS},
    "tickets:leave": {POST: OURS},
    "tickets:fix": {POST: OURS},
    "tickets:resolve": {POST: OURS},
    "tickets:reopen": {POST: OURS_DESK_DEED},
    "tickets:cancel": {POST: OURS_DESK_DEED},
    "tickets:merge": {POST: OURS_DESK_DEED},
    "tickets:priority": {POST: OURS_DESK_DEED},
    "tickets:reveal": {POST: OURS},
    "tickets:print": {GET: OURS},
    "tickets:file": {GET: OURS},
    "tickets:of_terminal": {GET: OURS_DESK},
    "tickets:of_merchant": {GET: OURS_DESK},
    "reports:ops": {GET: LEADS_BOARD},
}

# allauth's pages: what a visitor who is not signed in gets.
ALLAUTH = {
    "account_login": 200,
    "account_logout": 302,
    "account_reset_password": 200,
    "account_reset_password_done": 200,
    "account_reset_password_from_key": 200,
    "account_reset_password_from_key_done": 200,
    "account_change_password": 302,
    "account_set_password": 302,
    "account_inactive": 200,
    "account_signup": 200,
    "account_reauthenticate": 302,
}


@dataclass(frozen=True)
class World:
    """One ticket of our provider with everything that hangs on it."""

    terminal: Terminal
    store: Store
    ticket: Ticket
    attachment: Attachment
    field_seat_user: str
    team: str
    run: str
    # An API token of the desk.
    token: str
    calendar: str
    log: str
    own_code: str
    unknown_code: str
    notice: UUID
    stuck: UUID


@pytest.fixture
def world(terminal: Terminal, field: Persona, desk: Persona) -> World:
    assert terminal.store is not None
    assert field.user is not None
    assert desk.seat is not None
    now = clock.now()
    token, _secret = account_actions.issue_token(
        actor_of(desk.seat), name="x", can_write=False, areas=(), days=7, now=now
    )
    Heartbeat.objects.create(name="ticker", beat_at=clock.now())
    ticket = make_ticket(terminal, assignee=field.user, status="open")
    message = make_message(ticket)
    attachment = Attachment.objects.create(
        provider=ticket.provider, ticket=ticket, message=message, name="屏幕.txt",
        content_type="text/plain", extension=".txt", size=2, sha256="0" * 64,
        created_at=ticket.opened_at,
    )  # fmt: skip
    attachment.file.save("x.txt", __import__("io").BytesIO(b"ok"))
    plan(ticket.provider, field.user)
    lead = actor_of(make_seat(ticket.provider, Role.SUPERVISOR))
    drafts.start(lead, symptom="network_down", now=now)
    notice, stuck = Delivery.objects.order_by("-channel")
    return World(
        terminal=terminal,
        store=terminal.store,
        ticket=ticket,
        attachment=attachment,
        field_seat_user=field.user.ref,
        team=make_team(ticket.provider).ref,
        run=make_run(terminal, "network_down").ref,
        token=token.ref,
        calendar=Calendar.objects.create(provider=ticket.provider, name="全年").ref,
        log=make_log_analysis(terminal).ref,
        own_code=make_own_code(ticket.provider).ref,
        unknown_code=make_unknown_code(ticket.provider).ref,
        notice=notice.key,
        stuck=stuck.key,
    )


# Path parts of the authors' routes by their short names.
FLOW_ARGUMENTS: dict[str, dict[str, object]] = {
    **{
        name.removeprefix("diagnostics:"): {"symptom": "network_down"}
        for name in TABLE
        if name.startswith("diagnostics:flow")
    },
    "flows": {},
    "flow_exit": {"symptom": "network_down", "name": "acquirer"},
    "flow_import": {},
    "flow_step": {"symptom": "network_down", "name": "safety"},
    "flow_fault": {"symptom": "network_down", "name": "other"},
}


LEARNING_DEEDS = ("one", "approve", "reject", "use")


def arguments(name: str, world: World) -> dict[str, object]:
    """Path parts of a route, all pointing at objects of our provider."""
    app, _, short = name.partition(":")
    own_codes: dict[str, dict[str, object]] = {
        "find": {}, "guides": {}, "guide": {"name": "network_down"},
        "logs": {}, "log": {"ref": world.log}, "check_log": {"ref": world.log},
        "codes": {}, "desk_codes": {}, "define_code": {},
        "own_code": {"ref": world.own_code}, "drop_code": {"ref": world.own_code},
        "dismiss_code": {"ref": world.unknown_code}, "trace": {"ref": world.run},
        "learning": {}, "learning_gain": {},
        **{f"learning_{deed}": {"symptom": "no_power"} for deed in LEARNING_DEEDS},
        **FLOW_ARGUMENTS,
    }  # fmt: skip
    if app == "diagnostics" and short not in own_codes:
        parts: dict[str, object] = {"code": world.terminal.sticker_code}
        if short in {"begin", "step"}:
            parts["symptom"] = "network_down"
        if short == "machine_guide":
            parts["name"] = "network_down"
        return parts | ({"number": 1} if short == "step" else {})
    if short.startswith("report"):
        key = {"key": "nothing"} if "photo" in short else {}
        return {"code": world.terminal.sticker_code, **key}
    if short.startswith("track"):
        key = {"key": world.attachment.key} if short == "track_file" else {}
        return {"token": world.ticket.track_token, **key}
    special: dict[str, dict[str, object]] = {
        **{f"diagnostics:{route}": parts for route, parts in own_codes.items()},
        "tickets:queue": {"view": "all"},
        "tickets:new_start": {"terminal_ref": world.terminal.ref},
        "tickets:new_step": {"run_ref": world.run},
        "tickets:new_report": {"run_ref": world.run},
        "tickets:file": {"ref": world.ticket.ref, "key": world.attachment.key},
        "tickets:of_terminal": {"terminal_ref": world.terminal.ref},
        "tickets:of_merchant": {"merchant_ref": world.store.merchant.ref},
        "notifications:open": {"key": world.notice},
        "notifications:retry": {"key": world.stuck},
        "merchants:merchant": {"ref": world.store.merchant.ref},
        "merchants:edit": {"ref": world.store.merchant.ref},
        "merchants:new_store": {"ref": world.store.merchant.ref},
        "merchants:new_contact": {"ref": world.store.merchant.ref},
        "merchants:store": {"ref": world.store.ref},
        "merchants:contact": {"ref": world.store.contacts.get().ref},
        "merchants:reveal": {"ref": world.store.contacts.get().ref},
        "terminals:of_merchant": {"merchant_ref": world.store.merchant.ref},
        "terminals:version": {"slug": world.terminal.model.slug},
        "terminals:drop_version": {"slug": world.terminal.model.slug},
        "tickets:calendar": {"ref": world.calendar},
        "tickets:add_days": {"ref": world.calendar},
        "tickets:drop_day": {"ref": world.calendar, "day": "2099-10-01"},
        "accounts:person": {"ref": world.field_seat_user},
        "accounts:team": {"ref": world.team},
        "accounts:revoke_token": {"ref": world.token},
    }
    if name in special:
        return special[name]
    if app == "terminals" and short not in {"list", "new", "versions"}:
        return {"ref": world.terminal.ref}
    plain = {"inbox", "search", "new", "mine", "policy", "calendars", "new_calendar"}
    return {"ref": world.ticket.ref} if app == "tickets" and short not in plain else {}


def routes() -> list[str]:
    """Names of all routes, as `reverse` takes them."""
    found: list[str] = []

    def walk(resolver: URLResolver, prefix: str) -> None:
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                space = f"{entry.namespace}:" if entry.namespace else ""
                walk(entry, prefix + space)
            elif isinstance(entry, URLPattern):
                found.append(prefix + (entry.name or str(entry.pattern)))

    walk(get_resolver(), "")
    return found


def outcome(response: HttpResponse) -> str:
    """The answer as a word of the table."""
    location = response.headers.get("Location", "")
    if response.status_code == 302 and location.startswith("/account/sign-in"):
        return LOGIN
    if response.status_code in {200, 302, 303, 409, 422}:
        return OK
    return str(response.status_code)


def test_every_route_is_classified():
    # Those of the API: test_api_routes.py.
    pages = {name for name in routes() if not name.startswith("api:")}
    assert pages - set(ALLAUTH) == set(TABLE)
    assert set(ALLAUTH) <= set(routes())


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name, methods in TABLE.items() for method in methods],
)
def test_route_by_persona(
    name: str, method: str, world: World, request: pytest.FixtureRequest,
    django_capture_on_commit_callbacks: Callable[..., object],
):  # fmt: skip
    url = reverse(name, kwargs=arguments(name, world))
    wanted = TABLE[name][method]
    got = {}
    for persona in PERSONAS:
        client = request.getfixturevalue(persona).client
        response = client.get(url) if method == GET else client.post(url, {})
        got[persona] = outcome(response)
        assert response.status_code < 500
    assert got == wanted


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name in TABLE for method in (GET, POST) if method not in TABLE[name]],
)
def test_other_methods_do_not_exist(
    name: str,
    method: str,
    world: World,
    administrator: Persona,
    operator: Persona,
    merchant: Persona,
):
    url = reverse(name, kwargs=arguments(name, world))
    for persona in (administrator, operator, merchant):
        answer = persona.client.get(url) if method == GET else persona.client.post(url, {})
        assert answer.status_code in {404, 405}, persona.name


@pytest.mark.parametrize("name", sorted(ALLAUTH))
def test_account_pages_for_a_visitor(name: str, anonymous: Persona):
    keys: dict[str, dict[str, object]] = {
        "account_reset_password_from_key": {"uidb36": "1", "key": "bad-key"},
    }
    url = reverse(name, kwargs=keys.get(name, {}))
    assert anonymous.client.get(url).status_code == ALLAUTH[name]


def test_cookie_of_another_browser_proves_nothing(world: World, anonymous: Persona):
    anonymous.client.cookies[browser.COOKIE] = "forged"
    page = anonymous.client.get(reverse("tickets:track", args=[world.ticket.track_token]))
    words = page.content.decode()
    assert world.ticket.ref not in words
    assert world.ticket.title not in words
    assert world.store.name not in words
