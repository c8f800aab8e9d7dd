"""Schemathesis over the committed document as every persona.

Nothing is an error of ours, and no answer is outside of the document: status, content type,
headers, shape. Each request runs on the same rows: what it wrote is undone.
`POSDOCTOR_NIGHTLY=1` sends many more.
"""

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from posdoctor.core.api import limits
from posdoctor.core.doors import Door
from tests.api.conftest import issue
from tests.architecture import test_routes
from tests.architecture.test_routes import PERSONAS, World
from tests.conftest import Persona

world = test_routes.world  # the fixture
NIGHTLY = os.environ.get("POSDOCTOR_NIGHTLY") == "1"
EXAMPLES = 40 if NIGHTLY else 2
DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.yaml"
SCHEMA = schemathesis.openapi.from_path(str(DOCUMENT))
SCHEMA.app = get_wsgi_application()
# The desk sees and does most; of the others every operation is tried a little.
SHARE = 1 if NIGHTLY else 4
CSRF = "a" * 32


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without limits, and on the test's own connection, as Django's test client does it."""
    for name in ("BY_ADDRESS", "BY_PERSON", "WRITES_BY_PERSON", "WRONG_TOKEN_BY_ADDRESS"):
        door = Door(f"fuzz-{name}", 10**9, timedelta(minutes=1))
        monkeypatch.setattr(limits, name, door)
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


def headers_of(persona: Persona) -> dict[str, str]:
    """A token where the persona has a seat, else the session's cookie."""
    if persona.seat:
        return {"Authorization": f"Token {issue(persona, days=365)}"}
    session = persona.client.cookies.get(settings.SESSION_COOKIE_NAME)
    if session is None:
        return {}
    cookies = f"{settings.SESSION_COOKIE_NAME}={session.value}; csrftoken={CSRF}"
    return {"Cookie": cookies, "X-CSRFToken": CSRF}


def parts_of(path: str, world: World) -> dict[str, str]:
    """Real references for the parts of an address."""
    kinds = {
        "people": world.field_seat_user,
        "teams": world.team,
        "merchants": world.store.merchant.ref,
        "contacts": world.store.contacts.get().ref,
        "stores": world.store.ref,
        "terminals": world.terminal.ref,
        "diagnoses": world.run,
        "tickets": world.ticket.ref,
    }
    kind = path.split("/")[3]
    key = str(world.stuck) if kind == "deliveries" else world.attachment.key
    if kind == "minimum-versions":
        return {"model": world.terminal.model.slug}
    return {"key": key} | ({"ref": kinds[kind]} if kind in kinds else {})


def operations(persona: str) -> list[Any]:
    """All of them for the desk, a share that differs by persona for the others."""
    found = [result.ok() for result in SCHEMA.get_all_operations()]
    if persona == "desk":
        return found
    return [
        one for place, one in enumerate(found) if (place + PERSONAS.index(persona)) % SHARE == 0
    ]


@pytest.mark.parametrize("name", PERSONAS)
def test_no_answer_is_outside_of_the_document(
    name: str, world: World, request: pytest.FixtureRequest
):
    headers = headers_of(request.getfixturevalue(name))
    for operation in operations(name):
        probe(operation, headers, parts_of(operation.path, world))


def probe(operation: Any, headers: dict[str, str], known: dict[str, str]) -> None:
    """Sends right and wrong requests of one operation."""
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @seed(random.SystemRandom().randrange(2**32) if NIGHTLY else 20261121)
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, is_real=st.sampled_from([True, True, True, False]))
    def send(case: Any, *, is_real: bool) -> None:
        if is_real:
            case.path_parameters = {
                part: known.get(part) or value
                for part, value in (case.path_parameters or {}).items()
            }
        with transaction.atomic():
            response = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(
            response,
            checks=[
                schemathesis.checks.not_a_server_error,
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_headers_conformance,
                checks.response_schema_conformance,
            ],
        )

    send()
