"""Moments in log lines, in the forms that terminals, tills and slips write them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# How well a moment is known: with the year, without it, as a bare date, as a time of day.
FULL, NO_YEAR, DATE, CLOCK = 3, 2, 1, 0
# A moment stands at the beginning of its line, or the line is short.
REACH = 160

Moment = tuple[int, str]

_MONTHS = {
    name: n
    for n, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_HMS = r"(?P<h>\d{1,2})[:时点](?P<i>\d{2})(?:[:分](?P<s>\d{2}))?秒?(?:[.,]\d{1,9})?"
_ZONE = r"(?:\s?(?P<zone>Z|[+-]\d{2}:?\d{2})(?!\d))?"
_NOT_IN_NUMBER = r"(?<![\d.:/-])"


def _read(match: re.Match[str]) -> Moment | None:
    """The moment of a match, None where the numbers are none: 25:61, 31 February."""
    found = match.groupdict()
    month = found.get("name")
    parts = {key: int(found[key]) for key in ("y", "m", "d", "h", "i", "s") if found.get(key)}
    if month:
        parts["m"] = _MONTHS[month.lower()]
    # 20/11/2026 is the day first, unless that cannot be.
    if found.get("turned") is not None and parts["m"] > 12:
        parts["m"], parts["d"] = parts["d"], parts["m"]
    day = (parts.get("y", 2000), parts.get("m", 1), parts.get("d", 1))
    clock = (parts.get("h", 0), parts.get("i", 0), parts.get("s", 0))
    try:
        # The terminal's own clock, whatever its zone: only the numbers are judged.
        moment = datetime(*day, *clock, tzinfo=UTC)
    except ValueError:
        return None
    return _written(moment, parts, (found.get("zone") or "").replace("Z", "+00:00"))


def _written(moment: datetime, parts: dict[str, int], zone: str) -> Moment:
    if zone and ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    if "y" in parts and "h" in parts:
        return FULL, f"{moment:%Y-%m-%dT%H:%M:%S}{zone}"
    if "m" in parts and "h" in parts:
        return NO_YEAR, f"{moment:%m-%dT%H:%M:%S}"
    if "y" in parts:
        return DATE, f"{moment:%Y-%m-%d}"
    return CLOCK, f"{moment:%H:%M:%S}"


def _since_1970(match: re.Match[str]) -> Moment | None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(match["epoch"]))
    return FULL, f"{moment:%Y-%m-%dT%H:%M:%S}+00:00"


_YEAR = r"(?P<y>(?:19|20)\d{2})"
_TWO_BY_TWO = r"(?P<m>\d{2})(?P<d>\d{2})[T_ -]?(?P<h>\d{2}):?(?P<i>\d{2}):?(?P<s>\d{2})"
_EPOCH = r"(?P<epoch>1[3-9]\d{8})"
_DAY = r"(?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})"
_NAME = rf"(?P<name>{'|'.join(_MONTHS)})[a-z]{{0,6}}"
_PATTERNS: tuple[tuple[str, Callable[[re.Match[str]], Moment | None]], ...] = (
    # 2026-11-20 10:21:33.120+08:00, 2026/11/20 10:21, 2026年11月20日 10时21分33秒
    (rf"{_YEAR}[-/.年]{_DAY}日?[T\s,_]{{1,3}}{_HMS}{_ZONE}", _read),
    (rf"{_YEAR}年{_DAY}日{_HMS}", _read),
    # 20261120102133, 20261120T102133Z, 20261120 10:21:33
    (rf"{_YEAR}{_TWO_BY_TWO}(?!\d){_ZONE}", _read),
    # 20/Nov/2026:10:21:33 +0800
    (rf"(?P<d>\d{{1,2}})[/ -]{_NAME}[/ -]{_YEAR}[:,\s]{{1,2}}{_HMS}{_ZONE}", _read),
    # Nov 20 10:21:33, Nov 20, 2026 10:21:33
    (rf"{_NAME}\s{{1,2}}(?P<d>\d{{1,2}}),?\s(?:{_YEAR},?\s)?{_HMS}", _read),
    # 20/11/2026 10:21
    (
        rf"(?P<turned>)(?P<d>\d{{1,2}})[-/.](?P<m>\d{{1,2}})[-/.]{_YEAR}[,\sT]{{1,2}}{_HMS}",
        _read,
    ),
    # 11-20 10:21:33.120
    (rf"{_DAY}日?[\s,T]{{1,2}}{_HMS}", _read),
    # Seconds or thousandths since 1970
    (
        rf"(?:(?<=ts)|(?<=time)|(?<=stamp)|^)[\"'=:\s\[]{{0,4}}{_EPOCH}(?:\d{{3}})?(?!\d)",
        _since_1970,
    ),
    (rf"{_YEAR}[-/.年]{_DAY}(?!\d)", _read),
    (r"(?P<h>\d{2}):(?P<i>\d{2}):(?P<s>\d{2})(?![\d:])", _read),
    (r"(?:时间|time)[\"':：\s]{0,4}(?P<h>\d{1,2}):(?P<i>\d{2})(?![\d:])", _read),
)
_FORMS = tuple(
    (re.compile(_NOT_IN_NUMBER + pattern, re.IGNORECASE), read) for pattern, read in _PATTERNS
)


class Clock:
    """Reads the moment of one line after the other, and keeps the first and the last."""

    def __init__(self) -> None:
        self._form = 0
        self._edges: dict[int, tuple[str, str]] = {}
        self.is_wrong = False

    def read(self, line: str) -> str:
        """The line's moment as ISO 8601 text (without what is not known), empty for none."""
        head = line[:REACH]
        # Lines of one log are written alike: the form of the line before comes first.
        for form in (self._form, *range(len(_FORMS))):
            pattern, read = _FORMS[form]
            match = pattern.search(head)
            moment: Moment | None = read(match) if match else None
            if moment:
                # A form that knows less would find its part in a line that says more.
                self._form = form if moment[0] == FULL else 0
                self._keep(*moment)
                return moment[1]
        return ""

    def _keep(self, rank: int, text: str) -> None:
        first, last = self._edges.get(rank, (text, text))
        self._edges[rank] = (min(first, text), max(last, text))
        # A terminal that lost its clock begins again with the year of its maker.
        if rank == FULL and text < "2015":
            self.is_wrong = True

    @property
    def edges(self) -> tuple[str, str] | None:
        """The first and last moment among those that are known best; None without any."""
        order = (FULL, NO_YEAR, CLOCK, DATE)
        return next((self._edges[rank] for rank in order if rank in self._edges), None)
