"""Idempotency keys: one write for one key, whatever the network does."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from rest_framework.renderers import JSONRenderer

from posdoctor.accounts.models import Team
from posdoctor.core import clock
from posdoctor.core.api import idempotency
from posdoctor.core.models import IdempotencyKey
from terminals.models import Terminal
from tests.api.conftest import Caller, by_session, by_token, issue
from tests.api.test_entry import refusal
from tests.builders import make_ticket
from tests.conftest import Persona
from tickets.models import Attachment, Message

TEAM = {"name": "二线"}


def test_repeat_gets_the_first_answer_and_changes_nothing(administrator: Persona):
    caller = by_session(administrator)
    first = caller.post("teams/", TEAM, **{"Idempotency-Key": "k-1"})
    second = caller.post("teams/", TEAM, **{"Idempotency-Key": "k-1"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Content-Type"] == "application/json"
    assert Team.objects.count() == 1


def test_order_of_names_and_blanks_do_not_count(administrator: Persona):
    send = administrator.client.generic
    headers = {"idempotency-key": "k"}
    bodies = ['{"name": "A", "name_en": "B"}', '{"name_en":"B","name":"A"}']
    answers = [
        send("POST", "/api/v1/teams/", body, content_type="application/json", headers=headers)
        for body in bodies
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert Team.objects.count() == 1


def test_another_request_with_the_key_is_refused(administrator: Persona):
    caller = by_session(administrator)
    caller.post("teams/", TEAM, **{"Idempotency-Key": "k"})
    for answer in (
        caller.post("teams/", {"name": "三线"}, **{"Idempotency-Key": "k"}),
        caller.post("merchants/", {}, **{"Idempotency-Key": "k"}),
        caller.patch(f"teams/{Team.objects.get().ref}/", TEAM, **{"Idempotency-Key": "k"}),
    ):
        refusal(answer, 422, "idempotency_key_reused")
    assert Team.objects.count() == 1


def test_a_refusal_keeps_nothing_and_the_key_stays_free(administrator: Persona):
    caller = by_session(administrator)
    refusal(caller.post("teams/", {}, **{"Idempotency-Key": "k"}), 422, "invalid")
    assert not IdempotencyKey.objects.exists()
    assert caller.post("teams/", TEAM, **{"Idempotency-Key": "k"}).status_code == 201


def test_keys_belong_to_one_person(administrator: Persona, outsider: Persona):
    outsider.seat.role = "administrator"
    outsider.seat.save()
    for persona in (administrator, outsider):
        answer = by_token(issue(persona)).post("teams/", TEAM, **{"Idempotency-Key": "k"})
        assert "Idempotent-Replayed" not in answer.headers
    assert Team.objects.count() == 2


def test_a_key_that_is_none(administrator: Persona):
    caller = by_session(administrator)
    for key in ("x" * 201, "a b", "键".encode().decode("latin-1")):
        body = refusal(caller.post("teams/", TEAM, **{"Idempotency-Key": key}), 422, "invalid")
        assert list(body["fields"]) == ["Idempotency-Key"]


def test_after_a_day_the_key_is_free_and_purged(administrator: Persona):
    caller = by_session(administrator)
    caller.post("teams/", TEAM, **{"Idempotency-Key": "k"})
    IdempotencyKey.objects.update(created_at=clock.now() - timedelta(hours=24, seconds=1))
    assert caller.post("teams/", {"name": "三线"}, **{"Idempotency-Key": "k"}).status_code == 201
    assert idempotency.purge(now=clock.now()) == 0
    assert idempotency.purge(now=clock.now() + timedelta(hours=25)) == 1


def test_files_count_by_content_not_by_boundary(desk: Persona, terminal: Terminal):
    ticket = make_ticket(terminal, status="open")
    caller = by_session(desk)
    answers = [_with_file(caller, ticket.ref, text) for text in (b"one", b"one", b"two")]
    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert Message.objects.count() == Attachment.objects.count() == 1


def _with_file(caller: Caller, ref: str, text: bytes) -> Any:
    file = io.BytesIO(text)
    file.name = "log.txt"
    body = {"body": "看日志", "attachments": file}
    return caller.form(f"tickets/{ref}/note/", body, **{"Idempotency-Key": "f"})


def test_a_secret_is_not_kept(api: Caller, terminal: Terminal):
    ref = terminal.store.contacts.get().ref
    for _ in range(2):
        shown = api.post(f"contacts/{ref}/reveal/", **{"Idempotency-Key": "k"})
        assert shown.json() == {"phone": "19900005521"}
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_twins_on_two_connections_make_one_row(administrator: Persona):
    secret = issue(administrator)
    start = threading.Barrier(6)

    def send(number: int) -> tuple[int, bytes]:
        client = Client()
        start.wait()
        try:
            answer = client.post(
                "/api/v1/teams/", TEAM, content_type="application/json",
                headers={"authorization": f"Token {secret}", "idempotency-key": "twin"},
            )  # fmt: skip
            return answer.status_code, answer.content
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert {status for status, _body in answers} == {201}
    assert len({body for _status, body in answers}) == 1
    assert Team.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_twin_takes_over_where_the_first_one_failed(
    administrator: Persona, monkeypatch: pytest.MonkeyPatch
):
    """The first request dies after its write: nothing of it is left, and the second one does it."""
    caller = by_session(administrator)
    render = JSONRenderer.render

    def die(*_args: Any, **_kwargs: Any) -> bytes:
        raise RuntimeError("killed between the write and its answer")

    monkeypatch.setattr(JSONRenderer, "render", die)
    refusal(caller.post("teams/", TEAM, **{"Idempotency-Key": "k"}), 500, "server_error")
    assert not Team.objects.exists()
    assert not IdempotencyKey.objects.exists()
    monkeypatch.setattr(JSONRenderer, "render", render)
    assert caller.post("teams/", TEAM, **{"Idempotency-Key": "k"}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_twin_does_not_wait_for_ever(administrator: Persona, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 1)
    secret = issue(administrator)
    holds, ends = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                IdempotencyKey.objects.create(
                    caller=f"{administrator.user.pk}@{administrator.seat.provider_id}",
                    key=idempotency.keyed_digest("k"), method="POST", path="/", digest="",
                    created_at=clock.now(),
                )  # fmt: skip
                holds.set()
                ends.wait(20)
                transaction.set_rollback(True)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait(20)
    try:
        answer = by_token(secret).post("teams/", TEAM, **{"Idempotency-Key": "k"})
    finally:
        ends.set()
        thread.join()
    refusal(answer, 409, "in_progress")
    assert answer.headers["Retry-After"]
    assert not Team.objects.exists()
