"""A database for one measurement, with production's settings; dropped at the end.

Nothing of Django may be imported before `scratch`: the settings read the environment once.
"""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import django
import psycopg
from psycopg import sql

_DEFAULT = "postgres://posdoctor@127.0.0.1:5433/posdoctor"


@contextmanager
def scratch(topic: str, *, keep: bool = False) -> Iterator[None]:
    """Makes `posdoctor_benchmark_<topic>_<process>`, migrates it and sets Django up to use it.

    `keep` leaves it there and says its name. Raises psycopg.OperationalError without a server.
    """
    given = os.environ.get("DATABASE_URL", _DEFAULT)
    name = f"posdoctor_benchmark_{topic}_{os.getpid()}"
    _on_server(given, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        with tempfile.TemporaryDirectory(prefix="posdoctor-benchmark-") as folder:
            _set_up(urlunsplit(urlsplit(given)._replace(path=f"/{name}")), Path(folder))
            yield
    finally:
        _close()
        if not keep:
            _on_server(given, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _set_up(url: str, folder: Path) -> None:
    """Settings of an installation behind HTTPS, with files in `folder`."""
    os.environ.update(
        DJANGO_SETTINGS_MODULE="posdoctor.settings",
        DATABASE_URL=url,
        SECRET_KEY=secrets.token_urlsafe(48),
        DEBUG="false",
        POSDOCTOR_LOCAL="false",
        ALLOWED_HOSTS="localhost",
        PUBLIC_URL="https://localhost",
        STATIC_ROOT=str(folder / "static"),
        MEDIA_ROOT=str(folder / "media"),
        REDIS_URL="memory://",  # wakes nobody: every sweep is called here
        LOG_LEVEL="ERROR",
    )
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 - after setup

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)


def _on_server(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _close() -> None:
    from django.db import connections  # noqa: PLC0415 - after setup

    connections.close_all()


def about_server() -> dict[str, str]:
    """What of the server's settings the figures depend on."""
    from django.db import connection  # noqa: PLC0415 - after setup

    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "jit")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)",
            [list(names)],
        )
        return {str(name): str(value) for name, value in sorted(cursor.fetchall())}


def database_size() -> int:
    """Bytes on disk."""
    from django.db import connection  # noqa: PLC0415 - after setup

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])
