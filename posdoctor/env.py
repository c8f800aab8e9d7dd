"""Reads settings from the environment, strictly: a typo is an error, not a default."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    """The value of `name`, or the content of the file that `name`_FILE points to (secrets)."""
    file = os.environ.get(f"{name}_FILE")
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE: cannot read {file}: {error.strerror}"
            ) from error
    return os.environ.get(name, default)


def flag(name: str, *, default: bool) -> bool:
    """`true` or `false`; anything else is refused."""
    value = text(name, "true" if default else "false").lower()
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}")
    return value == "true"


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list without blanks."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(name: str, default: str) -> dict[str, object]:
    """`postgres://user:password@host:port/name` as Django's connection settings."""
    url = urlsplit(text(name, default))
    if url.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"{name} must be a postgres:// address")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")) or "posdoctor",
        "USER": unquote(url.username or "posdoctor"),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
    }


def mail(name: str, default: str) -> dict[str, object]:
    """`smtp://user:password@host:port` (`smtps` = TLS from the start, `smtp+tls` = STARTTLS)
    as keyword settings EMAIL_*; `console://` prints."""
    url = urlsplit(text(name, default))
    if url.scheme == "console":
        return {"backend": "django.core.mail.backends.console.EmailBackend"}
    if url.scheme not in {"smtp", "smtps", "smtp+tls"}:
        raise ImproperlyConfigured(f"{name} must be smtp://, smtp+tls://, smtps:// or console://")
    return {
        "backend": "django.core.mail.backends.smtp.EmailBackend",
        "host": url.hostname or "localhost",
        "port": url.port or {"smtp": 25, "smtp+tls": 587, "smtps": 465}[url.scheme],
        "user": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "starttls": url.scheme == "smtp+tls",
        "tls": url.scheme == "smtps",
    }
