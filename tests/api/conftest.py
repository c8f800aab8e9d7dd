"""Callers of the API: clients that send JSON as a persona, by session or token."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from posdoctor.accounts import actions
from posdoctor.core import clock
from tests.builders import actor_of
from tests.conftest import Persona


@dataclass(frozen=True)
class Caller:
    """Sends JSON; `headers` hold the token."""

    client: Client
    headers: dict[str, str]

    def get(self, path: str, query: Any = None, **headers: str) -> Any:
        return self.client.get(f"/api/v1/{path}", query, headers=self.headers | headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("post", path, body, headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("patch", path, body, headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("put", path, body, headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.client.delete(f"/api/v1/{path}", headers=self.headers | headers)

    def form(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        return self.client.post(f"/api/v1/{path}", body, headers=self.headers | headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        return getattr(self.client, method)(
            f"/api/v1/{path}",
            {} if body is None else body,
            content_type="application/json",
            headers=self.headers | {k.replace("_", "-"): v for k, v in headers.items()},
        )


def issue(persona: Persona, **fields: Any) -> str:
    """The secret of a fresh token of the persona's seat."""
    assert persona.seat
    values: dict[str, Any] = {"name": "till sync", "can_write": True, "areas": (), "days": 30}
    _token, secret = actions.issue_token(
        actor_of(persona.seat), now=clock.now(), **{**values, **fields}
    )
    return secret


def by_token(secret: str) -> Caller:
    return Caller(Client(raise_request_exception=False), {"authorization": f"Token {secret}"})


def by_session(persona: Persona) -> Caller:
    persona.client.raise_request_exception = False
    return Caller(persona.client, {})


@pytest.fixture
def api(desk: Persona) -> Caller:
    """The desk, in Chinese as every persona, by session."""
    return by_session(desk)
