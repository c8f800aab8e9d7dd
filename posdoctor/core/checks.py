"""Start-up checks: mistakes of an installation, said in one line with a way out."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.utils import OperationalError

WEAK_SECRETS = {"secret", "changeme", "change-me", "password", "posdoctor", "django-insecure"}
MIN_SECRET = 40
MIN_TOKEN = 24


@register(Tags.security)
def secret_is_strong(**_kwargs: Any) -> list[CheckMessage]:
    """Refuses to start on a missing, short or well-known secret."""
    secret = settings.SECRET_KEY
    if len(secret) >= MIN_SECRET and len(set(secret)) >= 12 and not _is_weak(secret):
        return []
    return [
        Error(
            "SECRET_KEY is missing or weak.",
            hint=f"Set SECRET_KEY or SECRET_KEY_FILE to {MIN_SECRET} or more random characters, "
            "for example from: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'",
            id="posdoctor.E001",
        )
    ]


@register(Tags.security)
def hosts_are_named(**_kwargs: Any) -> list[CheckMessage]:
    """Production names its hosts and its public https address."""
    found: list[CheckMessage] = []
    if settings.LOCAL:
        return found
    if settings.DEBUG:
        found.append(
            Error(
                "DEBUG shows source code to visitors.",
                hint="Leave DEBUG unset, or set POSDOCTOR_LOCAL=true on a loopback installation.",
                id="posdoctor.E006",
            )
        )
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        found.append(
            Error(
                "ALLOWED_HOSTS must name the hosts.",
                hint="For example help.example.cn",
                id="posdoctor.E002",
            )
        )
    if not settings.PUBLIC_URL.startswith("https://"):
        found.append(
            Error(
                "PUBLIC_URL must be the https:// address that stickers and mails carry.",
                id="posdoctor.E003",
            )
        )
    return found


@register(Tags.security)
def metrics_token_is_strong(**_kwargs: Any) -> list[CheckMessage]:
    """A token that can be guessed is worse than none."""
    if not settings.METRICS_TOKEN or len(settings.METRICS_TOKEN) >= MIN_TOKEN:
        return []
    return [
        Error(
            f"METRICS_TOKEN is shorter than {MIN_TOKEN} characters.",
            hint="python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
            id="posdoctor.E007",
        )
    ]


@register(Tags.database)
def chinese_is_searchable(
    *, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """With LC_CTYPE=C every search on Chinese text silently finds nothing."""
    if not databases:
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT '打印机' ~ '^\\w+$', current_setting('server_version_num')::int")
            works, version = cursor.fetchone()
    except OperationalError:
        return []  # not reachable: migrate or readyz will say so better
    found: list[CheckMessage] = []
    if not works:
        found.append(
            Error(
                "The database does not know Chinese letters (LC_CTYPE=C).",
                hint="initdb --locale-provider=builtin --builtin-locale=C.UTF-8 --lc-ctype=C.UTF-8",
                id="posdoctor.E004",
            )
        )
    if version < 180000:
        found.append(Error("PostgreSQL 18 or newer is needed.", id="posdoctor.E005"))
    return found


def refuse_unsafe_settings() -> None:
    """Raises ImproperlyConfigured for a weak secret or token, or unnamed hosts.

    SECURITY: Django runs checks before its own commands only; a web server and the queue's
    processes call this themselves.
    """
    for found in (*secret_is_strong(), *hosts_are_named(), *metrics_token_is_strong()):
        raise ImproperlyConfigured(f"{found.msg} {found.hint}")


def _is_weak(secret: str) -> bool:
    lowered = secret.lower()
    return any(lowered.startswith(weak) for weak in WEAK_SECRETS)
