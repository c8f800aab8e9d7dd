"""The choices of the inbox's filters: kept for a minute, by provider and language."""

from collections.abc import Iterator

import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from merchants.models import Store
from tests.builders import make_store, make_terminal
from tests.conftest import Persona


@pytest.fixture(autouse=True)
def _kept(settings: Settings) -> Iterator[None]:
    backend = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {**settings.CACHES, "process": {"BACKEND": backend, "TIMEOUT": 60}}
    caches["process"].clear()
    yield
    caches["process"].clear()


def queries(persona: Persona, **headers: str) -> tuple[int, str]:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        page = persona.client.get("/desk/q/all/", headers=headers).text
    return len(asked), page


def test_they_are_read_once_a_minute(desk: Persona, supervisor: Persona) -> None:
    assert desk.seat is not None
    make_terminal(make_store(desk.seat.provider, area="成华区"))
    first, page = queries(desk)
    assert 'value="成华区"' in page
    Store.objects.update(area="武侯区")
    again, page = queries(desk)
    assert again == first - 3
    assert 'value="成华区"' in page
    assert 'value="成华区"' in queries(supervisor)[1]  # the same for all staff
    caches["process"].clear()
    assert 'value="武侯区"' in queries(desk)[1]


def test_another_provider_and_another_language_have_their_own(
    desk: Persona, outsider: Persona
) -> None:
    assert desk.seat is not None
    make_terminal(make_store(desk.seat.provider, area="成华区"))
    assert 'value="成华区"' in queries(desk)[1]
    assert 'value="成华区"' not in queries(outsider)[1]
    _count, chinese = queries(desk)
    english = desk.client.get("/desk/q/all/?lang=en").text
    assert "连不上网" in chinese or "网络" in chinese
    assert 'value="network_down">Network' in english


def test_an_engineers_are_the_engineers_own(desk: Persona, field: Persona) -> None:
    assert desk.seat is not None
    make_terminal(make_store(desk.seat.provider, area="成华区"))
    queries(desk)
    page = field.client.get("/desk/").text
    assert 'value="成华区"' not in page
