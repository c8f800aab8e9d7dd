"""Who gets in, in which language, how often, and what every refusal looks like."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from posdoctor.accounts import actions
from posdoctor.accounts.models import AccountEvent, ApiToken
from posdoctor.core import clock
from posdoctor.core.api import limits
from posdoctor.core.doors import Door
from terminals.models import Terminal
from tests.api.conftest import Caller, by_session, by_token, issue
from tests.builders import actor_of, make_seat
from tests.conftest import Persona, signed_in


def refusal(response: Any, status: int, code: str) -> dict[str, Any]:
    """Checks the one shape, and gives it."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) <= {"code", "detail", "fields", "current"}
    assert body["code"] == code
    assert body["detail"]
    return body


# --- Tokens --------------------------------------------------------------------------


def test_token_acts_as_its_seat(desk: Persona):
    me = by_token(issue(desk)).get("me/").json()
    assert (me["ref"], me["role"], me["provider"]["slug"]) == (desk.user.ref, "desk", "shuhui")
    assert me["token"]["can_write"] is True


def test_only_the_digest_is_kept_and_issuing_is_recorded(desk: Persona):
    secret = issue(desk)
    assert secret.startswith("pdt_")
    assert len(secret) >= 4 + 43
    token = ApiToken.objects.get()
    assert secret not in str(token.__dict__)
    event = AccountEvent.objects.get()
    assert event.kind == AccountEvent.Kind.TOKEN_ISSUED
    assert event.data["token"] == token.ref


def test_wrong_token_is_401_and_soon_429(desk: Persona, monkeypatch: pytest.MonkeyPatch):
    door = Door("api-token-address", 2, timedelta(minutes=10))
    monkeypatch.setattr(limits, "WRONG_TOKEN_BY_ADDRESS", door)
    wrong = by_token("pdt_nothing")
    answer = wrong.get("me/")
    refusal(answer, 401, "invalid_token")
    assert answer.headers["WWW-Authenticate"].startswith("Token")
    wrong.get("me/")
    closed = wrong.get("me/")
    refusal(closed, 429, "too_many_requests")
    assert int(closed.headers["Retry-After"]) > 0
    # SECURITY: a neighbour's noise locks nobody out.
    assert by_token(issue(desk)).get("me/").status_code == 200


@pytest.mark.parametrize("end", ["revoked", "expired", "seat", "person", "provider"])
def test_token_ends(end: str, desk: Persona, administrator: Persona):
    caller = by_token(issue(desk))
    token = ApiToken.objects.get()
    assert caller.get("me/").status_code == 200
    if end == "revoked":
        actions.revoke_token(actor_of(desk.seat), ref=token.ref, now=clock.now())
    elif end == "expired":
        ApiToken.objects.update(expires_at=clock.now())
    elif end == "seat":
        administrator_actor = actor_of(administrator.seat)
        ref = desk.user.ref
        actions.deactivate(administrator_actor, user_ref=ref, now=clock.now())
        actions.activate(administrator_actor, user_ref=ref, now=clock.now())
    elif end == "person":
        type(desk.user).objects.filter(pk=desk.user.pk).update(is_active=False)
    else:
        type(desk.seat.provider).objects.update(is_active=False)
    refusal(caller.get("me/"), 401, "invalid_token")


def test_reading_token_writes_nothing(desk: Persona, terminal: Terminal):
    caller = by_token(issue(desk, can_write=False))
    assert caller.get(f"terminals/{terminal.ref}/").status_code == 200
    refusal(caller.post(f"terminals/{terminal.ref}/sticker/"), 403, "token_scope")


def test_token_of_one_part_reads_no_other(desk: Persona):
    caller = by_token(issue(desk, areas=["tickets"]))
    assert caller.get("tickets/").status_code == 200
    assert caller.get("me/").status_code == 200
    refusal(caller.get("merchants/"), 403, "token_scope")
    refusal(caller.get("people/"), 403, "token_scope")


def test_token_of_a_seat_sees_only_its_provider(
    desk: Persona, outsider: Persona, terminal: Terminal
):
    other = make_seat(outsider.seat.provider, user=desk.user)
    mine = by_token(issue(desk))
    theirs = by_token(issue(Persona("both", desk.client, desk.user, other)))
    assert mine.get(f"terminals/{terminal.ref}/").status_code == 200
    refusal(theirs.get(f"terminals/{terminal.ref}/"), 404, "not_found")


def test_use_is_kept_to_the_minute(desk: Persona):
    secret, now = issue(desk), clock.now()
    actions.token_used(secret, now=now)
    actions.token_used(secret, now=now + timedelta(seconds=59))
    assert ApiToken.objects.get().last_used_at == now
    actions.token_used(secret, now=now + timedelta(seconds=60))
    assert ApiToken.objects.get().last_used_at == now + timedelta(seconds=60)


# --- Sessions ------------------------------------------------------------------------


def test_session_writes_only_with_the_token_against_forged_requests(
    desk: Persona, terminal: Terminal
):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(desk.user)
    caller = Caller(strict, {})
    path = f"terminals/{terminal.ref}/sticker/"
    refusal(caller.post(path), 403, "not_allowed")
    strict.cookies["csrftoken"] = "a" * 32
    assert caller.post(path, **{"X-CSRFToken": "a" * 32}).status_code == 200


@pytest.mark.django_db
def test_nobody_gets_in_without_either():
    answer = Caller(Client(), {}).get("me/")
    refusal(answer, 401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Token")


# --- Language ------------------------------------------------------------------------


def test_language_asked_for_wins_else_the_persons_own(desk: Persona):
    type(desk.user).objects.filter(pk=desk.user.pk).update(language="en")
    caller = by_token(issue(desk))
    assert caller.get("tickets/?priority=x").json()["detail"] == "Check the marked fields"
    chinese = caller.get("tickets/?priority=x", **{"accept-language": "zh-CN"})
    assert chinese.headers["Content-Language"] == "zh-hans"
    words = str(chinese.json()["fields"])
    assert "is not a valid choice" not in words


# --- Limits --------------------------------------------------------------------------


def test_person_and_writes_are_limited(
    api: Caller, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
):
    minute = timedelta(minutes=1)
    monkeypatch.setattr(limits, "WRITES_BY_PERSON", Door("api-writes", 1, minute))
    path = f"terminals/{terminal.ref}/sticker/"
    assert api.post(path).status_code == 200
    closed = api.post(path)
    refusal(closed, 429, "too_many_requests")
    assert 1 <= int(closed.headers["Retry-After"]) <= 61
    assert api.get("me/").status_code == 200
    monkeypatch.setattr(limits, "BY_PERSON", Door("api-person", 3, minute))
    assert [api.get("me/").status_code for _ in range(2)][-1] == 429


def test_address_is_limited_before_anybody_is_known(db: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BY_ADDRESS", Door("api-address", 1, timedelta(minutes=1)))
    nobody = Caller(Client(), {})
    refusal(nobody.get("me/"), 401, "not_authenticated")
    refusal(nobody.get("me/"), 429, "too_many_requests")


# --- Refusals ------------------------------------------------------------------------


def test_unknown_addresses_answer_in_json(api: Caller):
    for path in ("nothing/", "tickets", "tickets/T-222222", ""):
        refusal(api.get(path), 404, "not_found")
    refusal(api.client.post("/api/v2/tickets/"), 404, "not_found")
    refusal(api.client.get("/api/v1/tickets/T%00/"), 404, "not_found")


def test_broken_bodies_are_no_error_of_ours(api: Caller, terminal: Terminal):
    path = "/api/v1/tickets/"

    def send(body: bytes, kind: str = "application/json") -> Any:
        return api.client.generic("POST", path, body, content_type=kind)

    for body in (b"{", b"\xff\xfe", b"[" * 100_000, b'{"impact": NaN}', b"1" * 5000):
        refusal(send(body), 400, "malformed")
    for body in (
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b'{"terminal": "\\ud800"}',
        b'{"terminal": "\\u0000"}',
    ):
        refusal(send(body), 422, "invalid")
    refusal(send(b"<x/>", "application/xml"), 415, "unsupported_media_type")
    refusal(send(b"x", "multipart/form-data; boundary=x; charset=hex"), 422, "invalid")
    refusal(send(b"x" * (3 * 1024 * 1024)), 413, "too_large")


def test_methods_and_content_types(api: Caller):
    answer = api.delete("tickets/")
    refusal(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]
    refusal(api.get("tickets/", accept="text/html"), 406, "not_acceptable")


def test_large_bodies_are_refused_unread(api: Caller):
    answer = api.client.generic(
        "POST", "/api/v1/merchants/", b"{}", content_type="application/json",
        headers={"content-length": str(2 * 1024 * 1024)},
    )  # fmt: skip
    refusal(answer, 413, "too_large")


def test_our_own_errors_say_nothing(desk: Persona, monkeypatch: pytest.MonkeyPatch):
    def boom(*_args: Any, **_kwargs: Any) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(actions, "change_me", boom)
    answer = by_session(desk).patch("me/", {"name": "周敏"})
    refusal(answer, 500, "server_error")
    assert "secret" not in answer.content.decode()


def test_a_card_number_is_never_repeated(api: Caller):
    body = str(api.get("tickets/?priority=6222021234567890128").json())
    assert "6222021234567890128" not in body


def test_an_unknown_field_is_an_error(api: Caller, terminal: Terminal):
    body = refusal(api.patch(f"terminals/{terminal.ref}/", {"conuter": "2"}), 422, "invalid")
    assert list(body["fields"]) == ["conuter"]
    body = refusal(api.get("tickets/?satus=new"), 422, "invalid")
    assert list(body["fields"]) == ["satus"]


def test_me_is_changed_as_on_the_page(merchant: Persona):
    caller = by_session(merchant)
    changed = caller.patch("me/", {"name": "王建国", "language": "en"})
    assert changed.status_code == 200
    assert changed.json()["name"] == "王建国"
    refusal(caller.patch("me/", {"has_alert_mails": False}), 422, "invalid")
    assert signed_in(merchant.user).get("/api/v1/me/").json()["role"] == "merchant"
