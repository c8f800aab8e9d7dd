"""Addresses of promises: a ticket's clocks, previews, the policy and working hours."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.request import Request
from rest_framework.response import Response

from merchants.hours import DAYS, spans_text
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.api.errors import Refusals, invalid
from posdoctor.core.api.schema import documented
from posdoctor.core.api.shapes import read, refused
from tickets.actions import promises as actions
from tickets.api import promise_shapes as shapes
from tickets.api.base import TicketsView
from tickets.explanations import Explained, explanations
from tickets.forms.promises import CalendarForm, as_minutes
from tickets.sla.badge import Reader
from tickets.sla.business_time import CalendarHorizonError
from tickets.sla.clock import Clock as ClockRules
from tickets.sla.clock import State
from tickets.sla.defaults import default_policy
from tickets.sla.models import Calendar, Policy, default_levels
from tickets.sla.preview import preview


class PromisesView(ApiView):
    """Rows of the provider's promises; for leads, as the pages are."""

    area = ApiToken.Area.TICKETS.value
    refusals: ClassVar[Refusals] = {
        "past_day": ("first", gettext_lazy("Choose today or a later day: what was counted stays")),
        "too_many_days": (
            "last",
            gettext_lazy("Choose an end after the start, at most two months later"),
        ),
    }

    def lead(self) -> None:
        """404 for roles without the right, as the pages."""
        self.hide_without(Permission.PROMISES_MANAGE)

    def calendar(self, ref: str) -> Calendar:
        """404 where it is hidden."""
        rows = Calendar.objects.visible_to(self.actor).prefetch_related("hours", "days")
        return self.row(rows, ref=ref.upper())

    def policy(self) -> Policy:
        """The one in force; made where there is none yet."""
        if self.actor.provider_id is None:
            raise Http404
        return default_policy(self.actor.provider_id)


class Clocks(TicketsView):
    """`tickets/{ref}/clocks/`"""

    @documented("tickets_clocks", gives=shapes.Clocks)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Both promises of a ticket, how they stand, and why they are due then."""
        ticket = self.ticket(ref)
        zone = ZoneInfo(ticket.provider.time_zone)
        reader = Reader(self.now, zone, ticket.wait_for)
        rows = [_clock(one, self.actor) for one in explanations(self.actor, ticket, reader)]
        return Response(shapes.Clocks({"results": rows}).data)


class ThePolicy(PromisesView):
    """`sla/policy/`"""

    @documented("policy_read", gives=shapes.Policy)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """What is promised for tickets that are filed from now on."""
        self.lead()
        return Response(_policy(self.policy()))

    @documented("policy_change", takes=shapes.PolicyInput, gives=shapes.Policy)
    def patch(self, request: Request) -> Response:
        """Change promises; running clocks keep their word."""
        self.lead()
        policy = self.policy()
        given = read(shapes.PolicyInput, request.data, partial=True)
        known = _policy(policy)
        rows = given.get("targets", known["targets"])
        refs = set(Calendar.objects.visible_to(self.actor).values_list("ref", flat=True))
        for row in rows:
            if row["calendar"].upper() not in refs:
                raise invalid({"targets": [_("There are no working hours with this reference")]})
        actions.set_policy(
            self.actor,
            targets={
                (row["promise"], row["priority"]): actions.Wanted(
                    row["budget_seconds"], row["calendar"].upper()
                )
                for row in rows
            },
            levels=sorted({*given.get("levels", known["levels"]), 100}),
            pauses_for_vendor=given.get("pauses_for_vendor", policy.pauses_for_vendor),
            now=self.now,
        )
        return Response(_policy(self.policy()))


class Calendars(PromisesView):
    """`sla/calendars/`"""

    @documented("calendars_list", gives=shapes.Calendars)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Working hours by name."""
        self.lead()
        rows = Calendar.objects.visible_to(self.actor).prefetch_related("hours", "days")
        return Response({"results": shapes.Calendar(rows.order_by("name", "ref"), many=True).data})

    @documented("calendars_add", takes=shapes.CalendarInput, gives=shapes.Calendar, status=201)
    def post(self, request: Request) -> Response:
        """Add working hours."""
        self.lead()
        form = CalendarForm(_typed(read(shapes.CalendarInput, request.data)))
        if not form.is_valid():
            raise refused(form, _name)
        added = actions.add_calendar(self.actor, values=form.values(), now=self.now)
        return Response(shapes.Calendar(self.calendar(added.ref)).data, status=201)


class OneCalendar(PromisesView):
    """`sla/calendars/{ref}/`"""

    @documented("calendars_read", gives=shapes.Calendar)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """One set of working hours with its special days."""
        self.lead()
        return Response(shapes.Calendar(self.calendar(ref)).data)

    @documented("calendars_change", takes=shapes.CalendarInput, gives=shapes.Calendar)
    def patch(self, request: Request, ref: str) -> Response:
        """Change working hours; running clocks follow within seconds."""
        self.lead()
        calendar = self.calendar(ref)
        given = read(shapes.CalendarInput, request.data, partial=True)
        form = CalendarForm(CalendarForm.initial_of(calendar) | _typed(given))
        if not form.is_valid():
            raise refused(form, _name)
        actions.change_calendar(
            self.actor, calendar_ref=calendar.ref, values=form.values(), now=self.now
        )
        return Response(shapes.Calendar(self.calendar(ref)).data)


class Days(PromisesView):
    """`sla/calendars/{ref}/days/`"""

    @documented("calendar_days_add", takes=shapes.DaysInput, gives=shapes.Calendar, status=201)
    def post(self, request: Request, ref: str) -> Response:
        """Give a day or a span of days its own hours."""
        self.lead()
        calendar = self.calendar(ref)
        given = read(shapes.DaysInput, request.data)
        try:
            intervals = as_minutes(given["hours"])
        except ValueError as error:
            text = _("Write the hours like 09:00-21:00, several with a comma between")
            raise invalid({"hours": [text]}) from error
        if any(not 0 <= start < min(end, 1440) or end > 2880 for start, end in intervals):
            text = _("Each time span must end after it starts, and none may overlap")
            raise invalid({"hours": [text]})
        actions.set_days(
            self.actor,
            calendar_ref=calendar.ref,
            first=given["first"],
            last=given.get("last") or given["first"],
            intervals=intervals,
            name=given["name"],
            now=self.now,
        )
        return Response(shapes.Calendar(self.calendar(ref)).data, status=201)


class OneDay(PromisesView):
    """`sla/calendars/{ref}/days/{date}/`"""

    @documented("calendar_days_remove", status=204)
    def delete(self, request: Request, ref: str, day: str) -> Response:  # noqa: ARG002
        """Let a day follow its weekday again."""
        self.lead()
        calendar = self.calendar(ref)
        try:
            wanted = date.fromisoformat(day)
        except ValueError as error:
            raise Http404 from error
        actions.drop_day(self.actor, calendar_ref=calendar.ref, day=wanted, now=self.now)
        return Response(status=204)


class Preview(PromisesView):
    """`sla/preview/`"""

    @documented("sla_preview", takes=shapes.PreviewInput, gives=shapes.Preview)
    def post(self, request: Request) -> Response:
        """When a promise would be due, and why; stores nothing."""
        require(self.actor, Permission.TICKET_WAIT)
        given = read(shapes.PreviewInput, request.data)
        calendar, seconds, levels = self._asked(given)
        zone = ZoneInfo(calendar.time_zone)
        try:
            clock, steps = preview(
                budget_seconds=seconds,
                levels=levels,
                calendar=calendar,
                start=given["start"],
                pauses=[(pause["from_at"], pause["to_at"]) for pause in given["pauses"]],
                reader=Reader(now=given["start"], zone=zone),
            )
        except (CalendarHorizonError, OverflowError, ValueError) as error:  # years 1 to 3 too
            text = _("These working hours are not known that far")
            raise invalid({"start": [text]}) from error
        is_open_ended = (
            clock.state == State.PAUSED
            and clock.due_at is not None
            and clock.stopped_at is not None
            and clock.stopped_at < clock.due_at
        )
        body = {
            "due_at": None if is_open_ended else clock.due_at,
            "levels": [] if is_open_ended else level_rows(clock),
            "explanation": steps,
        }
        return Response(shapes.Preview(body).data)

    def _asked(self, given: Mapping[str, Any]) -> tuple[Calendar, float, list[int]]:
        if "calendar" in given:
            rows = Calendar.objects.visible_to(self.actor)
            calendar = rows.filter(ref=given["calendar"].upper()).first()
            if calendar is None:
                text = _("There are no working hours with this reference")
                raise invalid({"calendar": [text]})
            if "minutes" not in given:
                raise invalid({"minutes": [_("Say how many minutes are promised")]})
            return calendar, given["minutes"] * 60, default_levels()
        wanted = {"promise": given.get("clock"), "priority": given.get("priority")}
        target = self.policy().targets.filter(**wanted).select_related("calendar").first()
        if target is None:
            raise invalid({"clock": [_("Nothing is promised here: name a clock and a priority")]})
        return target.calendar, given.get("minutes", 0) * 60 or target.budget_seconds, target.levels


def level_rows(clock: ClockRules) -> list[dict[str, int | datetime]]:
    """The moments of the levels; none where nothing is planned."""
    pairs = zip(clock.levels, clock.fire_at, strict=False)
    return [{"percent": percent, "at": at} for percent, at in pairs]


def _clock(one: Explained, actor: Actor) -> dict[str, Any]:
    """Merchants see when, not the desk's work in between."""
    clock = one.clock
    plain = (
        "promise", "state", "budget_seconds", "consumed_seconds", "started_at", "due_at",
        "met_at", "breached_at",
    )  # fmt: skip
    is_seat = actor.provider_id is not None
    return {
        **{name: getattr(clock, name) for name in plain},
        "badge": one.badge.state.value,
        "words": one.badge.full_words or one.badge.words,
        "levels": level_rows(clock.read()) if is_seat else [],
        "explanation": one.steps if is_seat else [],
    }


def _policy(policy: Policy) -> dict[str, Any]:
    targets = list(policy.targets.select_related("calendar").order_by("promise", "priority"))
    levels = targets[0].levels if targets else default_levels()
    shown: dict[str, Any] = shapes.Policy(
        {
            "ref": policy.ref,
            "name": policy.name,
            "version": policy.version,
            "pauses_for_vendor": policy.pauses_for_vendor,
            "levels": levels,
            "targets": targets,
        }
    ).data
    return shown


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The week as the form's seven texts."""
    typed = dict(given)
    week = typed.pop("hours", None)
    if week is not None:
        typed |= {f"hours_{day}": spans_text(week.get(day, [])) for day in DAYS}
    return typed


def _name(name: str) -> str:
    """The form's field as the API names it."""
    return f"hours.{name[6:]}" if name.startswith("hours_") else name
