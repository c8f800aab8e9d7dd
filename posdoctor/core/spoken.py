"""Moments as people say them: `today 16:30`, `by 09:00 tomorrow`. Needs both moments, local."""

from datetime import datetime

from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def date_words(local: datetime, now: datetime) -> str:
    """`3 Nov`, with the year where it is not this one."""
    if local.year == now.year:
        return format_date(local, pgettext("date format", "j M"))
    return format_date(local, pgettext("date format", "j M Y"))


def day_and_time(local: datetime, now: datetime) -> str:
    """`today 16:30`, `3 Nov 09:05`."""
    values = _values(local, now)
    near = _near_day(local, now)
    if near == "today":
        return pgettext("moment", "today %(time)s") % values
    if near == "yesterday":
        return pgettext("moment", "yesterday %(time)s") % values
    if near == "tomorrow":
        return pgettext("moment", "tomorrow %(time)s") % values
    return pgettext("moment", "%(date)s %(time)s") % values


def short_day(local: datetime, now: datetime) -> str:
    """For narrow columns: `16:30`, `yesterday`, `3 Nov`."""
    near = _near_day(local, now)
    if near == "today":
        return f"{local:%H:%M}"
    if near == "yesterday":
        return pgettext("moment", "yesterday")
    if near == "tomorrow":
        return pgettext("moment", "tomorrow")
    return date_words(local, now)


def deadline(local: datetime, now: datetime) -> str:
    """`by 16:30 today`, `by 09:00 on 3 Nov`."""
    values = _values(local, now)
    near = _near_day(local, now)
    if near == "today":
        return pgettext("deadline", "by %(time)s today") % values
    if near == "yesterday":
        return pgettext("deadline", "by %(time)s yesterday") % values
    if near == "tomorrow":
        return pgettext("deadline", "by %(time)s tomorrow") % values
    return pgettext("deadline", "by %(time)s on %(date)s") % values


def short_deadline(local: datetime, now: datetime) -> str:
    """For narrow columns: `by 16:30`, `by 16:30 tomorrow`, `by 3 Nov`."""
    values = _values(local, now)
    near = _near_day(local, now)
    if near == "today":
        return pgettext("deadline", "by %(time)s") % values
    return deadline(local, now) if near else pgettext("deadline", "by %(date)s") % values


def length_words(length: float) -> str:
    """A length of time in seconds: `45 s`, `2 min 10 s`, `3 h 5 min`."""
    minutes, seconds = divmod(max(int(length), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes >= 10 or (minutes and not seconds):
        return _("%(minutes)d min") % {"minutes": minutes}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds}
    return _("%(seconds)d s") % {"seconds": seconds}


def _values(local: datetime, now: datetime) -> dict[str, str]:
    return {"time": f"{local:%H:%M}", "date": date_words(local, now)}


def _near_day(local: datetime, now: datetime) -> str:
    """`today`, `yesterday`, `tomorrow` or empty, by calendar day of the zone."""
    days = (local.date() - now.date()).days
    return {0: "today", -1: "yesterday", 1: "tomorrow"}.get(days, "")
