"""Bodies that are made to break an answer, and what is kept of a body."""

import hashlib
import json
from typing import Any

import pytest

from posdoctor.core.models import IdempotencyKey
from tests.api.conftest import Caller, by_session
from tests.conftest import Persona
from tickets.sla.defaults import default_policy

CARD = "6222021234567890"


def send(caller: Caller, method: str, path: str, body: str, **headers: str) -> Any:
    """The body as it is written, also where no library would write it."""
    return getattr(caller.client, method)(
        f"/api/v1/{path}", body, content_type="application/json", headers=headers
    )


@pytest.mark.parametrize(
    "body", [r'{"\ud800": 1}', r'{"language": "\ud800"}', r'{"name": "\ud800"}']
)
def test_half_a_character_is_refused_in_words(desk: Persona, body: str) -> None:
    """JSON can spell it, UTF-8 cannot: the refusal that quoted it was an error of ours."""
    answer = send(by_session(desk), "patch", "me/", body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"


def test_an_unknown_name_that_is_a_card_is_not_repeated(desk: Persona) -> None:
    answer = send(by_session(desk), "patch", "me/", json.dumps({CARD: 1}))
    assert answer.status_code == 422
    assert CARD not in answer.content.decode()


def test_the_digest_of_a_repeat_does_not_tell_what_was_typed(desk: Persona) -> None:
    body = {"name": f"周敏 {CARD}"}
    send(by_session(desk), "patch", "me/", json.dumps(body), idempotency_key="k")
    plain = json.dumps(["PATCH", "/api/v1/me/", body], sort_keys=True)
    assert IdempotencyKey.objects.get().digest != hashlib.sha256(plain.encode()).hexdigest()


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_preview_at_the_end_of_time_is_no_error(desk: Persona, start: str) -> None:
    assert desk.seat
    target = default_policy(desk.seat.provider_id).targets.select_related("calendar").first()
    assert target
    body = {"start": start, "calendar": target.calendar.ref, "minutes": 60}
    assert send(by_session(desk), "post", "sla/preview/", json.dumps(body)).status_code == 422


def test_an_odd_address_of_a_page_is_no_error(desk: Persona) -> None:
    desk.client.raise_request_exception = False
    assert desk.client.post("/desk/notices/seen", {"url": "/desk/\x00"}).status_code == 200
