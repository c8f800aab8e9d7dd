"""Log lines: each with the id of its request, none with card data or people's data.

It reads no settings: the web server formats its own lines by it before Django is loaded.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from posdoctor.core import request_id
from posdoctor.core.scrub import scrub

FORMATS = ("json", "line")
# Longer ones are cut, after masking: a line is for reading, not for carrying data.
LONGEST_MESSAGE = 4_000
LONGEST_TRACEBACK = 20_000

_PLAIN = logging.Formatter()
_REMOVED = "[removed]"
# SECURITY: each starts where its run starts (look-behind), so that no text makes it quadratic.
_PERSONAL: tuple[tuple[re.Pattern[str], str], ...] = (
    # What the database tells about a refused row: the row itself.
    (re.compile(r"(DETAIL|CONTEXT):\s.*"), rf"\1: {_REMOVED}"),
    # Passwords inside addresses of services.
    (re.compile(r"(?<=://)[^\s/@'\"]*@"), f"{_REMOVED}@"),
    (re.compile(r"(?<![\w.+-])[\w.+-]+(?:[@＠]|%40)[\w-]+(?:\.[\w-]+)+"), "[email]"),
    # Path parts that are secrets or references: status links, stickers, tickets, resets.
    (re.compile(r"(/[rtT]/|/account/reset/)[^/\s\"'?#<]+"), rf"\1{_REMOVED}"),
    (re.compile(r"(?<=[\w/])\?[^\s\"'=?]*=[^\s\"']*"), f"?{_REMOVED}"),
    (re.compile(r"\b(Bearer|Token)([ =:]+)[\w.~+/=-]{16,}"), rf"\1\2{_REMOVED}"),
    (re.compile(r"\b(sessionid|csrftoken|pd_\w+)=[^\s;,'\"]+"), rf"\1={_REMOVED}"),
    (re.compile(r"\bip=[\da-fA-F.:]+"), f"ip={_REMOVED}"),
    # Mobile numbers, numbers with an area code, numbers of other countries; full-width too.
    (
        re.compile(r"(?<!\d)(?:(?:\+|00)?86[ -]?)?[1１][3-9３-９]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"),
        "[phone]",
    ),
    (
        re.compile(r"(?<![\d.+])[(（]?[0０]\d{2,3}[)） -]{0,2}\d{3,4}[ -]?\d{4}(?![\dA-Za-z])"),
        "[phone]",
    ),
    (re.compile(r"(?<![\w+])\+\d(?:[ -]?\d){7,16}(?![\dA-Za-z])"), "[phone]"),
)


def mask(text: str) -> str:
    """`text` without card data, e-mail addresses, phone numbers, secrets in addresses.

    A name looks like any other word and cannot be found: no line of ours holds one.
    """
    text = scrub(text)
    for pattern, instead in _PERSONAL:
        text = pattern.sub(instead, text)
    return text


class CardDataFilter(logging.Filter):
    """Masks the finished message, so that arguments are covered too, traceback and fields."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = _message_of(record)
        clean = mask(message)
        if clean != message or record.args:
            record.msg, record.args = _cut(clean, LONGEST_MESSAGE), ()
        if record.exc_info:
            # An error repeats the value that it could not read; formatters keep what is here.
            told = record.exc_text or _PLAIN.formatException(record.exc_info)
            for detail in _rows_told_by(record.exc_info[1]):
                told = told.replace(detail, _REMOVED)
            record.exc_text = _cut(mask(told), LONGEST_TRACEBACK)
        if record.stack_info:
            record.stack_info = mask(record.stack_info)
        if fields := getattr(record, "fields", None):
            record.__dict__["fields"] = _masked(fields)
        return True


class JsonFormatter(logging.Formatter):
    """One object a line. Extras show only when they come as `extra={"fields": {...}}`.

    SECURITY: frameworks hang whole requests and task arguments on their records; these stay out.
    """

    def format(self, record: logging.LogRecord) -> str:
        context = request_id.current()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": process_kind(),
            "request_id": context.request_id,
            "task": context.task,
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=str)


class LineFormatter(logging.Formatter):
    """For eyes: time, level, logger, first digits of the id, message; a traceback below."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {request_id}{message}", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        short = request_id.current().request_id[:8]
        record.__dict__["request_id"] = f"[{short}] " if short else ""
        # SECURITY: what somebody typed must not look like a line of its own.
        record.message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        return super().formatMessage(record)


@cache
def process_kind() -> str:
    """Which of the processes this is, by the command that started it: web, worker, ..."""
    return _kind_of(sys.argv)


def configuration(*, form: str, level: str) -> dict[str, Any]:
    """For `logging.config`: everything to standard error, through the masks.

    Raises ImproperlyConfigured for an unknown form.
    """
    if form not in FORMATS:
        raise ImproperlyConfigured(f"LOG_FORMAT must be json or line, not {form!r}")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"card_data": {"()": "posdoctor.core.logs.CardDataFilter"}},
        "formatters": {
            "json": {"()": "posdoctor.core.logs.JsonFormatter"},
            "line": {"()": "posdoctor.core.logs.LineFormatter"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": form,
                "filters": ["card_data"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handlers would print past the masks, or mail tracebacks.
            "django": {"level": "INFO", "handlers": []},
            # A refused page has its access line; what is left are errors with a traceback.
            "django.request": {"level": "ERROR"},
            # Scanners ask for any host; each would leave a traceback.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "django.server": {"level": "ERROR", "handlers": ["stderr"], "propagate": False},
            "gunicorn.error": {"handlers": [], "propagate": True},
            # Without a handler here post_office adds one of its own, past the masks.
            "post_office": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
        },
    }


def _message_of(record: logging.LogRecord) -> str:
    """The finished message, with the route instead of the path that was asked for."""
    request = getattr(record, "request", None)
    if request is None or not isinstance(record.args, tuple):
        return record.getMessage()
    path = str(getattr(request, "path", ""))
    # Django escapes what it prints.
    asked = {path, path.encode("unicode_escape").decode("ascii")}
    args = tuple(route_of(request) if part in asked else part for part in record.args)
    return str(record.msg) % args if args else str(record.msg)


def route_of(request: Any) -> str:
    """The pattern of the address, which holds no reference, token or code of anybody's."""
    match = getattr(request, "resolver_match", None)
    return f"/{match.route}" if match else "(no page)"


def _kind_of(argv: Sequence[str]) -> str:
    program, *words = argv or [""]
    # `python -m celery` shows as .../celery/__main__.py
    names = {Path(program).name, Path(program).parent.name}
    if "gunicorn" in names:
        return "web"
    if "celery" in names:
        return next((word for word in words if word in {"worker", "beat"}), "command")
    return "ticker" if "run_ticker" in words else "command"


def _rows_told_by(error: BaseException | None) -> Iterator[str]:
    """What the database said about the row itself, for each error of a chain."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        diagnosis = getattr(error, "diag", None)
        for name in ("message_detail", "context"):
            if told := getattr(diagnosis, name, None):
                yield str(told)
        error = error.__cause__ or error.__context__


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(mask(value), LONGEST_MESSAGE)
    if isinstance(value, Mapping):
        return {str(key): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value if mask(str(value)) == str(value) else _REMOVED
    return _masked(str(value))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ... [{len(text) - most} more]"
