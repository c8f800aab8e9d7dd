"""Tags and filters of the design system: icons, drawings, people, moments, status words.

They choose words and pictures only; what a state means is decided where the state lives.
"""

import logging
import math
import re
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import lucide as lucide_icons
from django import template
from django.conf import settings
from django.http import HttpRequest
from django.template.context import RequestContext
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import pgettext_lazy

from posdoctor.core.spoken import (
    date_words,
    day_and_time,
    deadline,
    length_words,
    short_day,
)

register = template.Library()
logger = logging.getLogger(__name__)

# Names as the design files write them, where lucide says otherwise.
ICON_NAMES = {
    "alert-circle": "circle-alert",
    "alert-octagon": "octagon-alert",
    "antenna-bars": "signal",
    "antenna-bars-5": "signal",
    "antenna-bars-off": "wifi-off",
    "at": "at-sign",
    "baseline-density-medium": "list",
    "bolt": "zap",
    "broadcast": "radio",
    "building-store": "store",
    "bulb": "lightbulb",
    "cash-register": "store",
    "clock-pause": "circle-pause",
    "cloud-up": "cloud-upload",
    "device-mobile": "smartphone",
    "device-sim": "card-sim",
    "device-tv": "tv",
    "dots": "ellipsis",
    "filter": "funnel",
    "flag-3": "flag",
    "hand-click": "pointer",
    "help": "circle-question-mark",
    "hourglass-high": "hourglass",
    "message": "message-square-text",
    "message-2": "message-square-text",
    "message-dots": "message-square-more",
    "photo": "image",
    "player-pause": "pause",
    "plug-connected-x": "unplug",
    "progress": "circle-dashed",
    "qrcode": "qr-code",
    "receipt": "receipt-text",  # lucide's own has a dollar sign
    "refresh": "refresh-cw",
    "stopwatch": "timer",
    "terminal": "nfc",
    "tool": "wrench",
    "user-question": "user-search",
}
FALLBACK_ICON = "circle-question-mark"
# One drawing each in templates/components/device; the forms of the terminal catalogue.
DEVICE_FORMS = (
    "portable_android",
    "portable_classic",
    "countertop_android",
    "countertop_classic",
    "handheld_android",
    "mpos",
    "qr_box",
    "unattended_android",
)


@lru_cache(maxsize=512)
def _icon_body(name: str) -> str:
    """The shapes inside lucide's <svg>, without its own attributes."""
    drawing: str = lucide_icons._render_icon(ICON_NAMES.get(name, name), None)  # noqa: SLF001 - has no public call without a size
    return drawing[drawing.index(">") + 1 : drawing.rindex("</svg>")].strip()


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """`{% icon "phone" %}`: an outline icon, hidden from screen readers; words stand beside it.

    `extra` adds classes. An unknown name raises where STRICT_ICONS is set (tests); elsewhere
    it draws a question mark and logs, since names also come from authored flows.
    """
    try:
        return _icon(str(name), extra)
    except lucide_icons.IconDoesNotExist:
        if getattr(settings, "STRICT_ICONS", False):
            raise
        logger.warning("unknown icon %r", name)
        return _icon(FALLBACK_ICON, extra)


@lru_cache(maxsize=512)
def _icon(name: str, extra: str) -> SafeString:
    """Drawn once: a page holds a hundred of them."""
    return format_html(
        '<svg class="{}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>',
        f"i {extra}".strip(),
        mark_safe(_icon_body(name)),  # noqa: S308 - from the icon package
    )


@register.simple_tag
def device_art(form: str = "") -> SafeString:
    """A drawing of a terminal of this form; an unknown form gets the commonest one.

    The drawings hold no words, so they need no translation.
    """
    return _drawing(form if form in DEVICE_FORMS else DEVICE_FORMS[0])


@lru_cache(maxsize=len(DEVICE_FORMS))
def _drawing(form: str) -> SafeString:
    return render_to_string(f"components/device/{form}.svg")


@register.simple_tag
def avatar(name: str, size: str = "") -> SafeString:
    """A round badge with a person's first letter; `size="s"` is the small one.

    Decoration only, hence the letter is drawn by the style sheet: the name stands beside it.
    """
    hue = zlib.crc32(name.encode()) % 6
    return format_html(
        '<span class="av{}{}" data-letter="{}" aria-hidden="true"></span>',
        " s" if size == "s" else "",
        f" hue{hue}" if hue else "",
        _initials(name),
    )


def _initials(name: str) -> str:
    """One Chinese character, or up to two Latin initials."""
    words = name.split()
    if not words:
        return "?"
    if words[0][0].isascii() and len(words) > 1:
        return (words[0][0] + words[-1][0]).upper()
    return words[0][0].upper()


@register.filter
def when(moment: datetime | None, zone: str | tzinfo | None = None) -> str:
    """A moment as people say it: `today 16:30`, `yesterday 09:05`, `3 Nov 09:05`."""
    return _spoken(moment, zone, day_and_time)


@register.filter
def when_short(moment: datetime | None, zone: str | tzinfo | None = None) -> str:
    """The same for narrow columns: `16:30`, `yesterday`, `3 Nov`."""
    return _spoken(moment, zone, short_day)


@register.filter
def until(moment: datetime | None, zone: str | tzinfo | None = None) -> str:
    """A deadline: `by 16:30 today`, `by 09:00 on 3 Nov`. Never relative."""
    return _spoken(moment, zone, deadline)


@register.filter
def day(moment: datetime | None, zone: str | tzinfo | None = None) -> str:
    """The date alone: `3 Nov`, with the year where it is not this one."""
    return _spoken(moment, zone, date_words)


def _spoken(moment: datetime | None, zone: str | tzinfo | None, words: Any) -> str:
    if moment is None:
        return ""
    where = ZoneInfo(zone) if isinstance(zone, str) and zone else zone
    if not isinstance(where, tzinfo):
        where = timezone.get_current_timezone()
    local = moment.astimezone(where)
    # Only picks between "today" and "yesterday": the web machine's own clock will do, and
    # a list of fifty moments must not ask the database fifty times.
    now = datetime.fromtimestamp(time.time(), tz=UTC).astimezone(where)
    marks = f'datetime="{local.isoformat(timespec="seconds")}" title="{local:%Y-%m-%d %H:%M}"'
    return format_html("<time {}>{}</time>", mark_safe(marks), words(local, now))  # noqa: S308 - digits


@register.filter
def duration(span: timedelta | float | None) -> str:
    """A length of time, in seconds or as timedelta: `45 s`, `2 min 10 s`, `3 h 5 min`."""
    if span is None:
        return ""
    return length_words(span.total_seconds() if isinstance(span, timedelta) else span)


@register.filter
def masked_phone(phone: str | None) -> str:
    """`13800005521` as `138 **** 5521`; short numbers keep their last two digits only."""
    digits = re.sub(r"\D", "", phone or "")
    if not digits:
        return ""
    if len(digits) >= 10:
        return f"{digits[:3]} **** {digits[-4:]}"
    return f"**** {digits[-2:]}"


@register.filter
def spaced_phone(phone: str | None) -> str:
    """`13800005521` as `138 0000 5521`, the way it is read out."""
    number = phone or ""
    if re.fullmatch(r"1\d{10}", number):
        return f"{number[:3]} {number[3:7]} {number[7:]}"
    return number


@register.filter
def tel(phone: str | None) -> str:
    """A `tel:` address from a number as people write it; empty without a digit."""
    digits = re.sub(r"[^\d+]", "", phone or "")
    return f"tel:{digits}" if digits else ""


@register.filter
def tail(serial: str | None) -> str:
    """The last four characters of a serial: enough to tell two machines of a shop apart."""
    return (serial or "")[-4:]


@dataclass(frozen=True)
class _Look:
    """How a key is drawn: tag class, icon, staff word, merchant word."""

    tone: str
    icon: str
    staff: str | Promise
    merchant: str | Promise


def _look(tone: str, icon_name: str, staff: str | Promise, merchant: str | Promise) -> _Look:
    return _Look(tone, icon_name, staff, merchant)


STATUS_LOOKS: Mapping[str, _Look] = {
    "new": _look(
        "b",
        "sparkles",
        pgettext_lazy("status", "New"),
        pgettext_lazy("merchant status", "Received"),
    ),
    "open": _look(
        "b",
        "circle-dashed",
        pgettext_lazy("status", "In progress"),
        pgettext_lazy("merchant status", "We’re on it"),
    ),
    "wait_merchant": _look(
        "y",
        "message-square-more",
        pgettext_lazy("status", "Waiting on merchant"),
        pgettext_lazy("merchant status", "Waiting for you"),
    ),
    "wait_vendor": _look(
        "",
        "circle-pause",
        pgettext_lazy("status", "Waiting on vendor"),
        pgettext_lazy("merchant status", "We’re on it, waiting for a supplier"),
    ),
    "dispatched": _look(
        "",
        "truck",
        pgettext_lazy("status", "Engineer booked"),
        pgettext_lazy("merchant status", "Engineer booked"),
    ),
    "on_site": _look(
        "b",
        "wrench",
        pgettext_lazy("status", "On site"),
        pgettext_lazy("merchant status", "Engineer on site"),
    ),
    "resolved": _look(
        "g",
        "circle-check",
        pgettext_lazy("status", "Fixed, to confirm"),
        pgettext_lazy("merchant status", "Fixed, please confirm"),
    ),
    "closed": _look(
        "",
        "check-check",
        pgettext_lazy("status", "Closed"),
        pgettext_lazy("merchant status", "Done"),
    ),
    "cancelled": _look(
        "",
        "ban",
        pgettext_lazy("status", "Cancelled"),
        pgettext_lazy("merchant status", "Cancelled"),
    ),
    "merged": _look(
        "",
        "merge",
        pgettext_lazy("status", "Merged"),
        pgettext_lazy("merchant status", "Merged into another report"),
    ),
}
PRIORITY_LOOKS: Mapping[str, _Look] = {
    "urgent": _look("r", "siren", pgettext_lazy("priority", "Urgent"), ""),
    "high": _look("y", "chevrons-up", pgettext_lazy("priority", "High"), ""),
    "normal": _look("", "equal", pgettext_lazy("priority", "Normal"), ""),
    "low": _look("", "chevrons-down", pgettext_lazy("priority", "Low"), ""),
}


@register.simple_tag
def status_tag(status: str, audience: str = "staff") -> SafeString:
    """`{% status_tag ticket.status %}`; `audience="merchant"` says it in the merchant's words."""
    look = STATUS_LOOKS[status]
    label = look.merchant if audience == "merchant" else look.staff
    return _tag(look.tone, look.icon, str(label))


@register.simple_tag
def priority_tag(priority: str) -> SafeString:
    """`{% priority_tag ticket.priority %}`: flag, colour and word."""
    look = PRIORITY_LOOKS[priority]
    return _tag(look.tone, look.icon, str(look.staff))


@lru_cache(maxsize=256)
def _tag(tone: str, icon_name: str, label: str) -> SafeString:
    """Rendered once for each word: a list holds two of them in every row."""
    context = {"tone": tone, "icon_name": icon_name, "label": label}
    return render_to_string("components/_status_tag.html", context)


PROMISE_WORDS: Mapping[str, str | Promise] = {
    "first_response": pgettext_lazy("promise", "First response"),
    "restore": pgettext_lazy("promise", "Restore"),
}


class Face(Protocol):
    """The face of a clock; `tickets.sla.badge.Badge` is one."""

    @property
    def words(self) -> str:
        """For a list."""

    @property
    def full_words(self) -> str:
        """With the due time."""

    @property
    def promise(self) -> str | None:
        """A name of PROMISE_WORDS."""

    @property
    def due_at(self) -> datetime | None:
        """When it is due, or was."""

    @property
    def share_left(self) -> float | None:
        """Of the working time, 0 to 1."""

    @property
    def counts_down(self) -> bool:
        """A browser counts on from `due_at`."""

    @property
    def next_change_at(self) -> datetime | None:
        """When the server has to be asked again."""

    @property
    def shape(self) -> str:
        """The class of its shape."""

    @property
    def icon(self) -> str:
        """The name of its icon."""


@register.simple_tag
def clock_badge(face: Face, zone: str, where: str = "row") -> SafeString:
    """`{% clock_badge row.badge zone %}`. A row says what is promised to readers of the page
    only, the head (`where="head"`) names the due time too. A browser counts on from `data-due`
    and asks the server at `data-next`; both are milliseconds.
    """
    title = label = str(PROMISE_WORDS[face.promise]) if face.promise else ""
    due, counts = face.due_at, face.counts_down and face.due_at is not None
    if due is not None:
        title = f"{label} {due.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    marks = f' title="{escape(title)}"' if title else ""
    if counts and due is not None:
        marks += f' data-due="{_milliseconds(due)}"'
    if face.next_change_at is not None:
        marks += f' data-next="{_milliseconds(face.next_change_at)}"'
    drawing = _drawn(face.icon, round((face.share_left or 0.0) * 20))
    if where != "head":
        return _badge(face.shape, marks, drawing, _said(label), face.words)
    words, _dot, rest = face.full_words.partition(" · ") if counts else (face.full_words, "", "")
    return _badge(face.shape, marks, drawing, _NOTHING, words, f" · {rest}" if rest else _NOTHING)


@register.simple_tag
def badge_sample(shape: str, icon_name: str, words: str, share: int = 0) -> SafeString:
    """A face with words of its own, for the style page; `share` in percent."""
    return _badge(shape, "", _drawn(icon_name, round(share / 5)), _NOTHING, words)


_NOTHING = SafeString()


def _badge(
    shape: str,
    marks: str,
    drawing: SafeString,
    said: SafeString,
    words: str,
    rest: str = _NOTHING,
) -> SafeString:
    """`marks` are attributes, their values escaped."""
    return format_html(
        "<span {}>{}{}<span>{}</span>{}</span>",
        mark_safe(f'class="sla {shape}"{marks}'),  # noqa: S308 - see above
        drawing, said, words, rest,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _said(label: str) -> SafeString:
    return format_html('<span class="vh">{} </span>', label) if label else _NOTHING


@lru_cache(maxsize=512)
def _drawn(icon_name: str, twentieths: int) -> SafeString:
    """A ring with the share that is left, or an icon; nothing without a name."""
    if icon_name.startswith("ring"):
        return _ring(twentieths, has_dot=icon_name == "ring-low")
    return icon(icon_name) if icon_name else _NOTHING


def _ring(twentieths: int, *, has_dot: bool) -> SafeString:
    """A ring that shows the share left; the dot tells the last quarter without colour."""
    return format_html(
        '<svg class="ring" viewBox="0 0 20 20" aria-hidden="true"><circle class="t" cx="10" cy="10"'
        ' r="7"/><circle class="v" cx="10" cy="10" r="7" pathLength="100" stroke-dasharray="{}'
        ' 100"/>{}</svg>',
        twentieths * 5,
        mark_safe('<circle class="d" cx="10" cy="10" r="1.5"/>') if has_dot else "",
    )


def _milliseconds(moment: datetime) -> int:
    """Since 1970, not before the moment."""
    return math.ceil(moment.timestamp() * 1000)


class _Option(Protocol):
    """One value of a select."""

    value: str
    label: str | Promise


@register.simple_tag
def options(choices: Iterable[_Option], chosen: str = "") -> SafeString:
    """`{% options symptoms queue.symptom %}`: what stands inside a select."""
    return format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((o.value, _SELECTED if o.value == chosen else "", o.label) for o in choices),
    )


_SELECTED = mark_safe(" selected")


@register.filter
def error_lines(form: Any) -> list[dict[str, str]]:
    """The lines of the error summary of any form: `text`, and `anchor` of the field to go to."""
    lines = [{"text": str(error), "anchor": ""} for error in form.non_field_errors()]
    for field in form:
        anchor = getattr(field, "anchor", field.id_for_label)
        lines += [{"text": str(error), "anchor": anchor} for error in field.errors]
    return lines


@register.simple_tag
def html_lang() -> str:
    """The page's language as a BCP 47 tag: `zh-Hans` or `en`."""
    return bcp47(translation.get_language() or settings.LANGUAGE_CODE)


@register.filter
def bcp47(code: str) -> str:
    """Django's `zh-hans` as `zh-Hans`."""
    language, _dash, script = code.partition("-")
    return f"{language}-{script.title()}" if script else language


@register.simple_tag(takes_context=True)
def here(context: RequestContext, name: str, **kwargs: str) -> str:
    """`aria-current="page"` where the address is this named view with these arguments."""
    request: HttpRequest | None = context.get("request")
    match = request.resolver_match if request else None
    if match is None or match.view_name != name:
        return ""
    if any(str(match.kwargs.get(key, "")) != value for key, value in kwargs.items()):
        return ""
    return mark_safe(' aria-current="page"')


@register.simple_tag
def stylesheet(name: str) -> SafeString:
    """The link to one of our style sheets: `{% stylesheet "desk" %}`."""
    return format_html('<link rel="stylesheet" href="{}">', static(f"css/{name}.css"))
