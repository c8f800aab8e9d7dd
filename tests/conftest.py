"""Fixtures of the whole suite: personas, the reference data, a blocked network."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils.translation.reloader import translation_file_changed
from hypothesis import settings as properties

from diagnostics.models import FlowVersion
from posdoctor.accounts.models import Provider, Seat, User
from posdoctor.accounts.roles import Role
from posdoctor.core.translations import CATALOGUE, compile_catalogue
from terminals.models import Terminal
from tests.builders import (
    make_contact,
    make_membership,
    make_provider,
    make_seat,
    make_store,
    make_terminal,
    make_user,
)

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"


# Set while the reference data may be gone: since a transactional test, until it is loaded again.
_FLUSHED = threading.Event()


def pytest_configure(config: pytest.Config) -> None:
    # By day the same examples every time: a change is judged, not chance. Nightly looks further.
    properties.register_profile("daily", derandomize=True, deadline=None)
    properties.register_profile("nightly", max_examples=5_000, deadline=None)
    is_nightly = os.environ.get("POSDOCTOR_NIGHTLY") == "1"
    properties.load_profile("nightly" if is_nightly else "daily")
    if compile_catalogue():
        # Django read the texts while it was set up, before they were compiled.
        translation_file_changed(None, CATALOGUE.with_suffix(".mo"))
    if os.environ.get("REQUIRE_BROWSER") == "1" and not os.path.exists(CHROMIUM):  # noqa: PTH110
        pytest.exit("REQUIRE_BROWSER=1, but there is no Chromium", returncode=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests: skipped without a browser; by day one that fails has a second try."""
    mark = None
    if not os.path.exists(CHROMIUM):  # noqa: PTH110
        mark = pytest.mark.skip(reason="NO CHROMIUM: browser tests are not run")
    elif os.environ.get("POSDOCTOR_NIGHTLY") != "1":
        mark = pytest.mark.flaky(reruns=1)
    for item in items:
        if mark and item.get_closest_marker("browser"):
            item.add_marker(mark)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Reference data (terminal models, flows) once, as at set-up."""
    with django_db_blocker.unblock():
        call_command("load_reference", verbosity=0)
    yield
    # A page that a browser was still loading when it closed may hold a session a moment longer
    # than the suite: the database could not be dropped.
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def _after_a_flush(request: pytest.FixtureRequest, django_db_blocker: Any) -> None:
    """Transactional tests empty every table at their end: the next one gets the data again."""
    mark = request.node.get_closest_marker("django_db")
    flushes = bool(mark and mark.kwargs.get("transaction"))
    if not flushes and not {"transactional_db", "live_server"} & set(request.fixturenames):
        if "db" in request.fixturenames and _FLUSHED.is_set():
            # Before this test's own transaction begins, so that the next ones find it too.
            with django_db_blocker.unblock():
                call_command("load_reference", verbosity=0)
            _FLUSHED.clear()
        return
    request.getfixturevalue("transactional_db")
    _FLUSHED.set()
    cache.clear()
    if not FlowVersion.objects.exists():
        call_command("load_reference", verbosity=0)


@pytest.fixture
def provider(db: None) -> Provider:
    return make_provider(slug="shuhui", name="蜀汇支付", name_en="Shuhui Pay")


@pytest.fixture
def other_provider(db: None) -> Provider:
    return make_provider(slug="harbour", name="锦程收单", name_en="Harbour Acquiring")


@pytest.fixture
def terminal(provider: Provider) -> Terminal:
    """An active PAX A920 at 老王川菜馆 with a contact, sticker A2B3C4D5."""
    store = make_store(provider)
    make_contact(store)
    return make_terminal(store, serial="0821A00723318", sticker_code="A2B3C4D5")


@dataclass(frozen=True)
class Persona:
    """Somebody with a browser: `client` is signed in as `user` (None: nobody)."""

    name: str
    client: Client
    user: User | None = None
    seat: Seat | None = None


Sign = Callable[[User | None], Client]


def signed_in(user: User | None) -> Client:
    """A client in Chinese, signed in as `user`."""
    client = Client(headers={"accept-language": "zh-CN"})
    if user:
        client.force_login(user)
    return client


def _staff(provider: Provider, role: Role, name: str) -> Persona:
    seat = make_seat(provider, role)
    return Persona(name, signed_in(seat.user), seat.user, seat)


@pytest.fixture
def anonymous(db: None) -> Persona:
    return Persona("anonymous", signed_in(None))


@pytest.fixture
def desk(provider: Provider) -> Persona:
    return _staff(provider, Role.DESK, "desk")


@pytest.fixture
def field(provider: Provider) -> Persona:
    return _staff(provider, Role.FIELD, "field")


@pytest.fixture
def supervisor(provider: Provider) -> Persona:
    return _staff(provider, Role.SUPERVISOR, "supervisor")


@pytest.fixture
def administrator(provider: Provider) -> Persona:
    return _staff(provider, Role.ADMINISTRATOR, "administrator")


@pytest.fixture
def outsider(other_provider: Provider) -> Persona:
    """Desk of the other provider."""
    return _staff(other_provider, Role.DESK, "outsider")


@pytest.fixture
def operator(db: None) -> Persona:
    user = make_user(is_operator=True)
    return Persona("operator", signed_in(user), user)


@pytest.fixture
def merchant(terminal: Terminal) -> Persona:
    """Signed-in owner of the terminal's shop."""
    assert terminal.store is not None
    user = make_membership(terminal.store).user
    return Persona("merchant", signed_in(user), user)


@pytest.fixture
def other_merchant(provider: Provider) -> Persona:
    """Signed-in owner of another shop of the same provider."""
    user = make_membership(make_store(provider)).user
    return Persona("other_merchant", signed_in(user), user)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    return {
        "executable_path": CHROMIUM,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }


def pytest_report_header() -> str:
    browser = CHROMIUM if os.path.exists(CHROMIUM) else "NONE"  # noqa: PTH110
    return f"database {settings.DATABASES['default']['PORT']}, Chromium {browser}"
