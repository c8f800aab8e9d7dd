"""Rows on their way into tables by COPY: text cells, buffers, ids from the sequences.

COPY passes by the model fields and their card guard, so every free text goes through `words`,
which refuses what the guard would change.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from django.db import connection, models, transaction

from posdoctor.core.scrub import scrub

NULL = r"\N"
TRUE, FALSE = "t", "f"
_DAY = 86_400
_CLOCK = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}+00" for s in range(_DAY)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IDS_AT_A_TIME = 1000


class CardDataError(AssertionError):
    """A text of the estate would be changed by the card guard."""


@lru_cache(maxsize=200_000)
def words(text: str) -> str:
    """A free text as a cell. Raises CardDataError where `scrub` would change it."""
    return plain(clean(text))


def clean(text: str) -> str:
    """The text itself. Raises CardDataError where `scrub` would change it."""
    if scrub(text) != text:
        raise CardDataError(text)
    return text


def plain(text: str) -> str:
    """A text of the machine's own making as a cell: codes, slugs, JSON."""
    if "\\" in text or "\n" in text or "\t" in text or "\r" in text:
        text = text.replace("\\", "\\\\").replace("\n", "\\n")
        text = text.replace("\t", "\\t").replace("\r", "\\r")
    return text


def document(value: Any) -> str:
    """JSON as a cell."""
    return plain(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


@lru_cache(maxsize=2000)
def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%d ")


def stamp(at: int | None) -> str:
    """A moment, in whole seconds since 1970 UTC, as a cell."""
    if at is None:
        return NULL
    day, second = divmod(at, _DAY)
    return _date(day) + _CLOCK[second]


def number(value: int | None) -> str:
    """A whole number or null as a cell."""
    return NULL if value is None else str(value)


def moment(at: int) -> datetime:
    """The same moment as a datetime in UTC."""
    return _EPOCH + timedelta(seconds=at)


class Sheet:
    """Rows for one model's table, kept until `flush`."""

    def __init__(self, model: type[models.Model], columns: str) -> None:
        meta = model._meta  # noqa: SLF001 - Django documents _meta as public
        names = columns.split()
        unknown = set(names) - {field.column for field in meta.concrete_fields}
        if unknown:
            raise ValueError(f"{meta.db_table}: {', '.join(sorted(unknown))}")
        self.table = meta.db_table
        columns = ", ".join(f'"{name}"' for name in names)
        self._copy = f"COPY {self.table} ({columns}) FROM STDIN"
        self._width = len(names)
        self._rows: list[str] = []
        self._ids: Iterator[int] = iter(())
        self.written = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, *cells: str) -> None:
        """One row of finished cells, in the order of the columns."""
        if len(cells) != self._width:
            raise ValueError(f"{self.table}: {len(cells)} cells for {self._width} columns")
        self._rows.append("\t".join(cells))

    def new_id(self) -> int:
        """A fresh id from the table's own sequence."""
        for fresh in self._ids:
            return fresh
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [self.table, _IDS_AT_A_TIME],
            )
            self._ids = iter([row[0] for row in cursor.fetchall()])
        return next(self._ids)

    def write(self) -> None:
        """Copies what is waiting. The caller holds the transaction."""
        if not self._rows:
            return
        with connection.cursor() as cursor, cast(Any, cursor).copy(self._copy) as copy:
            copy.write("\n".join(self._rows) + "\n")
        self.written += len(self._rows)
        self._rows.clear()


def flush(*sheets: Sheet) -> None:
    """Writes the sheets in one transaction: whole stories or nothing."""
    with transaction.atomic():
        for sheet in sheets:
            sheet.write()
