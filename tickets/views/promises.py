"""Settings of what is promised, and of the hours in which it counts. For leads."""

from datetime import date

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from posdoctor.accounts.access import hidden_without
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission
from posdoctor.core import clock
from tickets.actions import promises as actions
from tickets.forms.promises import CalendarForm, DaysForm, PolicyForm, day_text, week_of
from tickets.sla.defaults import default_policy
from tickets.sla.models import Calendar
from tickets.views.ticket_page import hours_words

GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])
for_leads = hidden_without(Permission.PROMISES_MANAGE)


@for_leads
@GET_OR_POST
def policy(request: ActorRequest) -> HttpResponse:
    """How much time is promised, by promise and priority."""
    assert request.actor.provider_id is not None  # leads have one
    found = default_policy(request.actor.provider_id)
    calendars = list(Calendar.objects.visible_to(request.actor).order_by("name"))
    initial = PolicyForm.initial_of(found)
    form = PolicyForm(request.POST or None, initial=initial, calendars=calendars)
    if form.is_valid():
        actions.set_policy(
            request.actor,
            targets=form.targets(),
            levels=form.cleaned_data["levels"],
            pauses_for_vendor=form.cleaned_data["pauses_for_vendor"],
            now=clock.now(),
        )
        messages.success(request, _("Promises saved for tickets that are filed from now on"))
        return redirect("tickets:policy")
    return render(request, "tickets/settings/policy.html", {"form": form}, status=_status(form))


@for_leads
@require_GET
def calendars(request: ActorRequest) -> HttpResponse:
    """The working hours of the provider."""
    rows = Calendar.objects.visible_to(request.actor).order_by("name").prefetch_related("hours")
    context = {"calendars": [(row, hours_words(week_of(row))) for row in rows]}
    return render(request, "tickets/settings/calendars.html", context)


@for_leads
@GET_OR_POST
def new_calendar(request: ActorRequest) -> HttpResponse:
    """One more set of working hours."""
    zone = request.seat.provider.time_zone if request.seat else "Asia/Shanghai"
    form = CalendarForm(request.POST or None, initial={"time_zone": zone})
    if form.is_valid():
        added = actions.add_calendar(request.actor, values=form.values(), now=clock.now())
        messages.success(request, _("Working hours added"))
        return redirect("tickets:calendar", ref=added.ref)
    return render(request, "tickets/settings/calendar.html", {"form": form}, status=_status(form))


@for_leads
@GET_OR_POST
def calendar(request: ActorRequest, ref: str) -> HttpResponse:
    """Name, time zone and week of one calendar; its days with hours of their own."""
    found = _calendar(request, ref)
    form = CalendarForm(request.POST or None, initial=CalendarForm.initial_of(found))
    if form.is_valid():
        actions.change_calendar(
            request.actor, calendar_ref=found.ref, values=form.values(), now=clock.now()
        )
        messages.success(request, _saved_words(found))
        return redirect("tickets:calendar", ref=found.ref)
    return _calendar_page(request, found, form, DaysForm())


@for_leads
@require_POST
def add_days(request: ActorRequest, ref: str) -> HttpResponse:
    """Gives a day or a span of days its own hours."""
    found = _calendar(request, ref)
    form = DaysForm(request.POST)
    if form.is_valid():
        try:
            actions.set_days(
                request.actor, calendar_ref=found.ref, now=clock.now(), **form.values()
            )
        except actions.PastDayError:
            form.add_error("first", _("Choose today or a later day: what was counted stays"))
        except actions.TooManyDaysError:
            form.add_error("last", _("Choose an end after the start, at most two months later"))
        else:
            messages.success(request, _saved_words(found))
            return redirect("tickets:calendar", ref=found.ref)
    week = CalendarForm(initial=CalendarForm.initial_of(found))
    return _calendar_page(request, found, week, form)


@for_leads
@require_POST
def drop_day(request: ActorRequest, ref: str, day: str) -> HttpResponse:
    """Lets a day follow its weekday again."""
    found = _calendar(request, ref)
    try:
        wanted = date.fromisoformat(day)
    except ValueError as error:
        raise Http404 from error
    try:
        actions.drop_day(request.actor, calendar_ref=found.ref, day=wanted, now=clock.now())
    except actions.PastDayError:
        messages.error(request, _("This day is over: what was counted stays"))
    else:
        messages.success(request, _saved_words(found))
    return redirect("tickets:calendar", ref=found.ref)


def _calendar(request: ActorRequest, ref: str) -> Calendar:
    return get_object_or_404(Calendar.objects.visible_to(request.actor), ref=ref.upper())


def _calendar_page(
    request: ActorRequest, found: Calendar, form: CalendarForm, days_form: DaysForm
) -> HttpResponse:
    context = {
        "calendar": found,
        "form": form,
        "days_form": days_form,
        "days": [(day, day_text(day)) for day in found.days.order_by("date")],
    }
    status = 422 if _status(form) == 422 or _status(days_form) == 422 else 200
    return render(request, "tickets/settings/calendar.html", context, status=status)


def _saved_words(calendar: Calendar) -> str:
    running = calendar.count_running()
    return ngettext(
        "Saved. %(n)d running clock follows within seconds.",
        "Saved. %(n)d running clocks follow within seconds.",
        running,
    ) % {"n": running}


def _status(form: CalendarForm | DaysForm | PolicyForm) -> int:
    return 422 if form.is_bound and form.errors else 200
