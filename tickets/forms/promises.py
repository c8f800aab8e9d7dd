"""Shape of what leads type about promises and working hours."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from merchants import hours
from merchants.forms import HoursField
from posdoctor.accounts.forms import known_time_zone
from posdoctor.core.forms import PlainForm
from tickets.actions.promises import Targets, Wanted
from tickets.lifecycle import Priority
from tickets.sla.models import Calendar, CalendarDay, Policy, Promise

LONGEST_SECONDS = 366 * 24 * 3600
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|小时|时|min|m|分钟|分|s|秒)")
_SECONDS = {"h": 3600, "小时": 3600, "时": 3600, "min": 60, "m": 60, "分钟": 60, "分": 60}


def duration_text(seconds: int) -> str:
    """`1 h 30 min`, in the reader's language; DurationField reads it back."""
    parts = [
        (seconds // 3600, pgettext("duration", "h")),
        (seconds % 3600 // 60, pgettext("duration", "min")),
        (seconds % 60, pgettext("duration", "s")),
    ]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


class DurationField(forms.CharField):
    """`4 h`, `1 h 30 min`, `90 分钟`, `20 s`; a bare number is minutes. Gives seconds or None."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "shape": _("Write a time like 30 min or 1 h 30 min"),
        "long": _("A promise is at most a year"),
    }

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"autocomplete": "off", "class": "short"}
        super().__init__(
            required=False, max_length=40, widget=forms.TextInput(attrs=attrs), **kwargs
        )

    def clean(self, value: Any) -> int | None:
        """Whole seconds above zero; None where nothing is typed."""
        typed = unicodedata.normalize("NFKC", super().clean(value) or "").lower()
        typed = re.sub(r"\s+", "", typed)
        if not typed:
            return None
        if re.fullmatch(r"\d+", typed):
            typed += "min"
        if not re.fullmatch(f"(?:{_PART.pattern})+", typed):
            raise ValidationError(self.error_messages["shape"], code="shape")
        seconds = sum(float(n) * _SECONDS.get(unit, 1) for n, unit in _PART.findall(typed))
        if seconds > LONGEST_SECONDS:
            raise ValidationError(self.error_messages["long"], code="long")
        if seconds < 1:
            raise ValidationError(self.error_messages["shape"], code="shape")
        return int(seconds)


class PolicyForm(PlainForm):
    """Per promise and priority a time and a calendar; the levels; what stops a clock."""

    levels = forms.CharField(
        label=_("Warn at"),
        max_length=60,
        help_text=_("Percent of the time that is used up, like 50, 75, 90. 100 is always told."),
        required=False,
    )
    pauses_for_vendor = forms.BooleanField(
        label=_("Waiting for a maker, network operator or acquirer stops the restore clock"),
        required=False,
    )

    def __init__(self, *args: Any, calendars: Sequence[Calendar], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(calendar.ref, calendar.label) for calendar in calendars]
        for promise, priority in _targets():
            words = {"promise": promise.label, "priority": priority.label}
            self.fields[_name(promise, priority)] = DurationField(
                label=_("%(promise)s, %(priority)s: time") % words
            )
            self.fields[f"{_name(promise, priority)}_calendar"] = forms.ChoiceField(
                label=_("%(promise)s, %(priority)s: working hours") % words,
                choices=choices,
                required=False,
            )

    def rows(self) -> list[dict[str, Any]]:
        """A row per priority with the fields of each promise, for the table."""
        return [
            {
                "priority": priority,
                "cells": [
                    (
                        promise,
                        self[_name(promise, priority)],
                        self[_name(promise, priority) + "_calendar"],
                    )
                    for promise in Promise
                ],
            }
            for priority in Priority
        ]

    def clean_levels(self) -> list[int]:
        """Ascending percents, always with 100."""
        typed = unicodedata.normalize("NFKC", self.cleaned_data["levels"])
        parts = [part for part in re.split(r"[\s,、;%]+", typed) if part]
        if not all(part.isdecimal() and 0 < int(part) <= 100 for part in parts) or len(parts) > 9:
            raise ValidationError(_("Write percents from 1 to 100 like 50, 75, 90"), code="shape")
        return sorted({*map(int, parts), 100})

    def clean(self) -> dict[str, Any]:
        """A time needs a calendar to be counted in."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for promise, priority in _targets():
            name = _name(promise, priority)
            if cleaned.get(name) and not cleaned.get(f"{name}_calendar"):
                self.add_error(
                    f"{name}_calendar", _("Choose the hours that this time is counted in")
                )
        return cleaned

    def targets(self) -> Targets:
        """What is promised."""
        found = {}
        for promise, priority in _targets():
            name = _name(promise, priority)
            if seconds := self.cleaned_data[name]:
                calendar = self.cleaned_data[f"{name}_calendar"]
                found[promise.value, priority.value] = Wanted(seconds, calendar)
        return found

    @staticmethod
    def initial_of(policy: Policy) -> dict[str, Any]:
        """What the form shows for a stored policy."""
        initial: dict[str, Any] = {"pauses_for_vendor": policy.pauses_for_vendor, "levels": ""}
        for target in policy.targets.select_related("calendar"):
            name = _name(Promise(target.promise), Priority(target.priority))
            initial[name] = duration_text(target.budget_seconds)
            initial[f"{name}_calendar"] = target.calendar.ref
            initial["levels"] = ", ".join(str(level) for level in target.levels)
        return initial


class CalendarForm(PlainForm):
    """Name, time zone and the hours of a week."""

    required_texts: ClassVar[Mapping[str, Any]] = {"name": _("Enter a name for these hours")}

    name = forms.CharField(label=_("Name of these hours"), max_length=80)
    name_en = forms.CharField(label=_("English name"), max_length=80, required=False)
    time_zone = forms.CharField(label=_("Time zone"), max_length=60)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for day in hours.DAYS:
            self.fields[f"hours_{day}"] = HoursField(day)

    def clean_time_zone(self) -> str:
        """A name that the time zone database knows."""
        return known_time_zone(self.cleaned_data["time_zone"])

    def day_fields(self) -> list[forms.BoundField]:
        """The seven fields of the week, for the page."""
        return [self[f"hours_{day}"] for day in hours.DAYS]

    def values(self) -> dict[str, Any]:
        """As tickets.actions.promises.change_calendar takes them."""
        week = [as_minutes(self.cleaned_data[f"hours_{day}"]) for day in hours.DAYS]
        plain = ("name", "name_en", "time_zone")
        return {**{name: self.cleaned_data[name] for name in plain}, "week": week}

    @staticmethod
    def initial_of(calendar: Calendar) -> dict[str, Any]:
        """What the form shows for a stored calendar."""
        plain = {name: getattr(calendar, name) for name in ("name", "name_en", "time_zone")}
        week = week_of(calendar)
        return {**plain, **{f"hours_{day}": hours.spans_text(week[day]) for day in hours.DAYS}}


class DaysForm(PlainForm):
    """One day or a span of days with hours of their own, or none."""

    required_texts: ClassVar[Mapping[str, Any]] = {"first": _("Choose the day")}
    prefix = "day"  # stands on one page with the form of the week

    first = forms.DateField(
        label=_("From"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label=_("Until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    name = forms.CharField(label=_("Occasion"), max_length=80, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["hours"] = HoursField("mon")
        self.fields["hours"].label = _("Hours")
        self.fields["hours"].help_text = _("Empty means closed")
        self.order_fields(["first", "last", "hours", "name"])

    def values(self) -> dict[str, Any]:
        """As tickets.actions.promises.set_days takes them."""
        cleaned = self.cleaned_data
        return {
            "first": cleaned["first"],
            "last": cleaned["last"] or cleaned["first"],
            "intervals": as_minutes(cleaned["hours"]),
            "name": cleaned["name"],
        }


def as_minutes(intervals: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """`[["09:00", "21:00"]]` in minutes of the day."""
    return [(hours.minutes(start), hours.minutes(end)) for start, end in intervals]


def as_texts(start: int, end: int) -> list[str]:
    """`["09:00", "21:00"]` of two minutes of the day."""
    return [f"{minute // 60:02}:{minute % 60:02}" for minute in (start, end)]


def week_of(calendar: Calendar) -> dict[str, list[list[str]]]:
    """The hours of a week in the shape of merchants.hours, every day named."""
    week: dict[str, list[list[str]]] = {day: [] for day in hours.DAYS}
    for opening in calendar.hours.all():
        texts = as_texts(opening.start_minute, opening.end_minute)
        week[hours.DAYS[opening.weekday]].append(texts)
    return {day: sorted(spans) for day, spans in week.items()}


def day_text(day: CalendarDay) -> str:
    """The hours of a day; empty where it is closed."""
    return hours.spans_text([as_texts(start, end) for start, end in day.intervals])


def _targets() -> list[tuple[Promise, Priority]]:
    return [(promise, priority) for priority in Priority for promise in Promise]


def _name(promise: Promise, priority: Priority) -> str:
    return f"{promise.value}_{priority.value}"
