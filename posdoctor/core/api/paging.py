"""Pages by cursor: the values of the last row, so that rows added meanwhile move nothing.

No database id is in a cursor: the tie-breaker is a public reference, or how many rows of the
same moment were shown.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.request import Request

from posdoctor.core.api.errors import Refusal, invalid
from posdoctor.core.scrub import scrub

_MOST_SKIPPED = 1_000
Envelope = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """The columns that a list is sorted by, the last of them unique; all in one direction."""

    fields: tuple[str, ...]
    is_descending: bool = False
    is_by_time: bool = False

    @property
    def kinds(self) -> tuple[type, ...]:
        """Types of the columns: what a cursor may hold."""
        first: type = datetime if self.is_by_time else str
        return (first, *(str for _name in self.fields[1:]))

    def sorted(self, *, backwards: bool) -> list[str]:
        """For `order_by`."""
        down = self.is_descending != backwards
        return [f"-{name}" if down else name for name in self.fields]

    def beyond(self, values: Sequence[Any], *, backwards: bool) -> Q:
        """The rows past those values. The first column alone bounds the index that is read."""
        sign = "lt" if self.is_descending != backwards else "gt"
        past, same = Q(), Q()
        for name, value in zip(self.fields, values, strict=True):
            past |= same & Q(**{f"{name}__{sign}": value})
            same &= Q(**{name: value})
        return past & Q(**{f"{self.fields[0]}__{sign}e": values[0]})

    def values_of(self, row: Model) -> list[Any]:
        """The row's place."""
        found = []
        for name in self.fields:
            value: Any = row
            for part in name.split("__"):
                value = getattr(value, part)
            found.append(value)
        return found


def page_of(
    request: Request,
    asked: Mapping[str, Any],
    rows: QuerySet[Any],
    order: Order,
    shown: Callable[[Any], Any],
) -> Envelope:
    """`{"results", "next", "previous"}` of the page that `asked` (a read PageQuery) names."""
    size = asked["page_size"]
    backwards, place = _place(asked, order.kinds)
    found = rows.order_by(*order.sorted(backwards=backwards))
    if place:
        found = found.filter(order.beyond(place, backwards=backwards))
    page = list(found[: size + 1])
    has_more, page = len(page) > size, page[:size]
    if backwards:
        page.reverse()
    is_after = has_more if not backwards else True
    is_before = bool(place) if not backwards else has_more
    last, first = page[-1:], page[:1]
    return {
        "results": [shown(row) for row in page],
        "next": _link(request, ["n", *order.values_of(last[0])]) if last and is_after else None,
        "previous": _link(request, ["p", *order.values_of(first[0])])
        if first and is_before
        else None,
    }


@dataclass(frozen=True)
class Source:
    """Rows of one kind in a list that mixes several by time."""

    rows: QuerySet[Any]
    time_field: str
    shown: Callable[[Any], Any]


def mixed_page_of(
    request: Request,
    asked: Mapping[str, Any],
    sources: Sequence[Source],
    *,
    is_descending: bool = False,
) -> Envelope:
    """Several kinds of rows in one order of time; forward only, `previous` is null."""
    size = asked["page_size"]
    _backwards, place = _place(asked, (datetime, int))
    since, skip = place or (None, 0)
    entries: list[tuple[datetime, Source, Any]] = []
    for source in sources:
        found = source.rows
        if since:
            sign = "lte" if is_descending else "gte"
            found = found.filter(**{f"{source.time_field}__{sign}": since})
        mark = "-" if is_descending else ""
        found = found.order_by(f"{mark}{source.time_field}", f"{mark}pk")
        rows = found[: size + skip + 1]
        entries += [(getattr(row, source.time_field), source, row) for row in rows]
    entries.sort(key=lambda entry: entry[0], reverse=is_descending)
    entries = entries[skip:]
    page = entries[:size]
    link = None
    if len(entries) > size:
        last = page[-1][0]
        same = sum(1 for at, _source, _row in page if at == last)
        link = _link(request, ["n", last, same + (skip if last == since else 0)])
    return {
        "results": [source.shown(row) for _at, source, row in page],
        "next": link,
        "previous": None,
    }


def _place(asked: Mapping[str, Any], kinds: Sequence[type]) -> tuple[bool, list[Any]]:
    """(backwards, values) of the cursor; nothing for the first page."""
    text = asked.get("cursor", "")
    if not text:
        return False, []
    try:
        way, *packed = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=="))
        values = [_unpacked(value) for value in packed]
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise _wrong() from error
    if way not in ("n", "p") or [type(value) for value in values] != list(kinds):
        raise _wrong()
    return way == "p", values


def _unpacked(value: Any) -> Any:
    """SECURITY: a cursor can be made up; only what a column can hold reaches the database."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_SKIPPED:
        return value
    if isinstance(value, dict):
        moment = parse_datetime(str(value["at"])) if list(value) == ["at"] else None
        if moment and moment.tzinfo:
            return moment
    if isinstance(value, str) and "\x00" not in value and value.encode():
        return value
    raise _wrong()


def _link(request: Request, place: Sequence[Any]) -> str:
    plain = [{"at": v.isoformat()} if isinstance(v, datetime) else v for v in place]
    packed = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    query = request.query_params.copy()
    for name, values in query.lists():
        # SECURITY: what was typed into a search may hold a card; an answer never repeats it.
        query.setlist(name, [scrub(str(value)) for value in values])
    query["cursor"] = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    return str(request.build_absolute_uri(f"{request.path}?{query.urlencode()}"))


def _wrong() -> Refusal:
    return invalid({"cursor": [_("Take the cursor from the answer before, as it is")]})
