"""Pages of terminals at the desk: list, new, page with history, state, sticker, record; and, for
leads, the versions that are expected.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants.models import Merchant, Store
from posdoctor.accounts.access import for_seats, for_staff, hidden_without
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission, require
from posdoctor.core import clock
from posdoctor.core.errors import DomainError, IllegalMoveError
from posdoctor.core.forms import masked_query
from posdoctor.core.htmx import render_page
from terminals import actions
from terminals.filters import TerminalFilter, page_of
from terminals.forms import (
    MinimumVersionForm,
    MoveForm,
    NewTerminalForm,
    ReasonForm,
    TerminalForm,
    store_label,
)
from terminals.lifecycle import TerminalState
from terminals.models import MinimumVersion, Terminal, TerminalEvent, TerminalModel

for_leads = hidden_without(Permission.VERSIONS_MANAGE)
GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])
HISTORY = 40
IN_PANEL = 20
# On the page of one model, the commonest first.
MOST_VERSIONS = 50

FEATURES: dict[str, str | Promise] = {
    "battery": pgettext_lazy("feature", "Battery"),
    "removable_battery": pgettext_lazy("feature", "Removable battery"),
    "printer": pgettext_lazy("feature", "Printer"),
    "wifi": pgettext_lazy("feature", "Wi-Fi"),
    "sim": pgettext_lazy("feature", "SIM card"),
    "ethernet": pgettext_lazy("feature", "Network socket"),
    "bluetooth": pgettext_lazy("feature", "Bluetooth"),
    "dial": pgettext_lazy("feature", "Telephone line"),
    "local_network": pgettext_lazy("feature", "Local network"),
    "dock": pgettext_lazy("feature", "Charging dock"),
    "touch_screen": pgettext_lazy("feature", "Touch screen"),
    "keypad": pgettext_lazy("feature", "Keypad"),
    "camera": pgettext_lazy("feature", "Camera"),
    "chip": pgettext_lazy("feature", "Chip reader"),
    "swipe": pgettext_lazy("feature", "Magnetic stripe"),
    "contactless": pgettext_lazy("feature", "Contactless"),
}
# Why a terminal was stopped, where it was not a fault of a flow.
STOPPED_FOR: dict[str, str | Promise] = {
    actions.BY_HAND: gettext_lazy("Stopped at the desk"),
    "battery_swollen": gettext_lazy("The battery is swollen"),
    "tamper_text": gettext_lazy("The screen shows a tamper text"),
    "case_opened": gettext_lazy("The case was opened"),
    "liquid_or_drop": gettext_lazy("Liquid or a fall"),
}
CHANGED: dict[str, str | Promise] = {
    **{name: field.label or name for name, field in TerminalForm.base_fields.items()},
}
LOOKS = {
    TerminalEvent.Kind.ADDED: "circle-plus",
    TerminalEvent.Kind.STOPPED: "octagon-alert",
    TerminalEvent.Kind.RELEASED: "circle-check",
    TerminalEvent.Kind.MOVED: "move-right",
    TerminalEvent.Kind.STICKER_REPLACED: "qr-code",
    TerminalEvent.Kind.EDITED: "pencil",
}


@dataclass(frozen=True)
class Entry:
    """One line of a terminal's history."""

    at: datetime
    icon: str
    title: str
    details: list[str]
    who: str = ""


@for_staff
@require_GET
def index(request: ActorRequest) -> HttpResponse:
    """Terminals by serial, fifty a page."""
    form = TerminalFilter(masked_query(request.GET), actor=request.actor)
    context = {"form": form, "page": page_of(request.actor, form)}
    return render_page(request, "terminals/list.html", "terminals/_rows.html", context)


@for_staff
@require_GET
def of_merchant(request: ActorRequest, merchant_ref: str) -> HttpResponse:
    """The panel of a merchant's page: its terminals, the first twenty."""
    merchants = Merchant.objects.visible_to(request.actor)
    merchant = get_object_or_404(merchants, ref=merchant_ref.upper())
    found = Terminal.objects.visible_to(request.actor).filter(store__merchant=merchant)
    rows = list(found.with_list_columns()[: IN_PANEL + 1])
    context = {"merchant": merchant, "terminals": rows[:IN_PANEL], "has_more": len(rows) > IN_PANEL}
    return render_page(
        request, "terminals/of_merchant.html", "terminals/_of_merchant.html", context
    )


@for_seats
@require_GET
def page(request: ActorRequest, ref: str) -> HttpResponse:
    """One terminal: state first, then facts, sticker, history and its tickets."""
    terminal = _terminal(request, ref)
    return render(request, "terminals/terminal.html", _facts(request, terminal))


@for_staff
@GET_OR_POST
def new(request: ActorRequest) -> HttpResponse:
    """The record of a new terminal; `?store=` begins it with the store of that reference."""
    require(request.actor, Permission.TERMINAL_EDIT)
    form = NewTerminalForm(
        request.POST or None, initial=_first_record(request), actor=request.actor
    )
    if form.is_valid():
        try:
            added = actions.add(
                request.actor, now=clock.now(), values=form.values(), numbers=form.numbers()
            )
        except DomainError as error:
            _explain(form, error)
        else:
            return _done(request, added, _("Terminal added"))
    return render(request, "terminals/new.html", {"form": form}, status=_status(form))


@for_staff
@GET_OR_POST
def edit(request: ActorRequest, ref: str) -> HttpResponse:
    """Corrects the record of one terminal."""
    terminal = _terminal(request, ref)
    require(request.actor, Permission.TERMINAL_EDIT)
    initial = TerminalForm.initial_of(terminal)
    form = TerminalForm(request.POST or None, initial=initial, actor=request.actor)
    if form.is_valid():
        try:
            actions.edit(
                request.actor,
                terminal_id=terminal.pk,
                now=clock.now(),
                values=form.values(),
                numbers=form.numbers(),
            )
        except DomainError as error:
            _explain(form, error)
        else:
            return _done(request, terminal, _("Record saved"))
    context = {"form": form, "terminal": terminal}
    return render(request, "terminals/edit.html", context, status=_status(form))


@for_seats
@GET_OR_POST
def stop(request: ActorRequest, ref: str) -> HttpResponse:
    """Asks for the reason, then takes the terminal out of use."""
    terminal = _terminal(request, ref)
    require(request.actor, Permission.TERMINAL_STOP)
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        try:
            actions.stop_by_hand(
                request.actor, terminal_id=terminal.pk, now=clock.now(), **form.cleaned_data
            )
        except IllegalMoveError:
            return _too_late(request, terminal)
        return _done(request, terminal, _("Out of use. A lead has to release it."))
    context = {"form": form, "terminal": terminal}
    return render(request, "terminals/stop.html", context, status=_status(form))


@for_staff
@GET_OR_POST
def release(request: ActorRequest, ref: str) -> HttpResponse:
    """Asks for the reason, then puts a stopped terminal back into use. Leads only."""
    terminal = _terminal(request, ref)
    require(request.actor, Permission.TERMINAL_RELEASE)
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        try:
            actions.release(
                request.actor, terminal_id=terminal.pk, now=clock.now(), **form.cleaned_data
            )
        except IllegalMoveError:
            return _too_late(request, terminal)
        except actions.SecondPersonError as error:
            _explain(form, error)
        else:
            return _done(request, terminal, _("Back in use"))
    context = {"form": form, "terminal": terminal, **_stop_of(terminal)}
    return render(request, "terminals/release.html", context, status=_status(form))


@for_staff
@GET_OR_POST
def move(request: ActorRequest, ref: str) -> HttpResponse:
    """Into repair, back to stock, back into use, retired: with the reason."""
    terminal = _terminal(request, ref)
    require(request.actor, Permission.TERMINAL_EDIT)
    states = actions.moves_by_hand(terminal)
    form = MoveForm(
        request.POST or None, initial={"state": request.GET.get("to", "")}, states=states
    )
    if request.method == "POST" and request.POST.get("state") not in ["", None, *states]:
        return _too_late(request, terminal)
    if form.is_valid():
        try:
            actions.move(
                request.actor, terminal_id=terminal.pk, now=clock.now(), **form.cleaned_data
            )
        except IllegalMoveError:
            return _too_late(request, terminal)
        except actions.SecondPersonError as error:
            _explain(form, error)
        else:
            return _done(request, terminal, _("State changed"))
    context = {"form": form, "terminal": terminal}
    return render(request, "terminals/move.html", context, status=_status(form))


@for_staff
@GET_OR_POST
def replace_sticker(request: ActorRequest, ref: str) -> HttpResponse:
    """First says what happens to the old sticker, then draws a new code."""
    terminal = _terminal(request, ref)
    require(request.actor, Permission.TERMINAL_EDIT)
    if request.method == "POST":
        actions.replace_sticker(request.actor, terminal_id=terminal.pk, now=clock.now())
        return _done(request, terminal, _("New sticker code. The old one no longer works."))
    return render(request, "terminals/sticker.html", {"terminal": terminal})


@for_leads
@require_GET
def versions(request: ActorRequest) -> HttpResponse:
    """Per model what is expected, how many are behind and how many nobody knows of."""
    now = clock.now()
    ours = Terminal.objects.visible_to(request.actor)
    minimums = list(MinimumVersion.objects.visible_to(request.actor).with_list_columns())
    standings = ours.standings(minimums, now=now)
    expected = {minimum.model_id: minimum for minimum in minimums}
    owned = ours.exclude(state=TerminalState.RETIRED).values("model_id")
    models = TerminalModel.objects.filter(Q(pk__in=owned) | Q(pk__in=expected))
    rows = [
        (model, standings.get(model.pk), _shown(expected.get(model.pk), now)) for model in models
    ]
    return render(request, "terminals/versions.html", {"rows": rows})


@for_leads
@GET_OR_POST
def version(request: ActorRequest, slug: str) -> HttpResponse:
    """What is expected of one model, and which versions there are."""
    model = get_object_or_404(TerminalModel, slug=slug)
    now = clock.now()
    minimum = _minimum(request, model)
    initial = MinimumVersionForm.initial_of(minimum) if minimum else {"since": _today(request, now)}
    form = MinimumVersionForm(request.POST or None, initial=initial)
    if form.is_valid():
        actions.set_minimum_version(
            request.actor, model_slug=model.slug, now=now, **form.cleaned_data
        )
        messages.success(request, _("Minimum version saved"))
        return redirect("terminals:versions")
    found = Terminal.objects.visible_to(request.actor).filter(model=model).in_use().by_version()
    known = sorted(found, key=lambda one: -one.terminals)[:MOST_VERSIONS]
    begun = minimum if minimum and minimum.has_begun(now) else None
    shown = [(one, begun and begun.says_of(one.app_version, one.firmware)) for one in known]
    context = {"model": model, "form": form, "minimum": minimum, "begun": begun, "known": shown}
    return render(request, "terminals/version.html", context, status=_status(form))


@for_leads
@require_POST
def drop_version(request: ActorRequest, slug: str) -> HttpResponse:
    """Any version of the model will do again."""
    model = get_object_or_404(TerminalModel, slug=slug)
    actions.drop_minimum_version(request.actor, model_slug=model.slug)
    messages.success(request, _("Minimum version removed"))
    return redirect("terminals:versions")


def _minimum(request: ActorRequest, model: TerminalModel) -> MinimumVersion | None:
    rows = MinimumVersion.objects.visible_to(request.actor).with_list_columns()
    return rows.filter(model=model).first()


def _shown(minimum: MinimumVersion | None, now: datetime) -> dict[str, Any]:
    """The minimum, if any, and whether it counts already."""
    return {"minimum": minimum, "has_begun": minimum is not None and minimum.has_begun(now)}


def _today(request: ActorRequest, now: datetime) -> date:
    """The day where the provider is."""
    zone = request.seat.provider.time_zone if request.seat else "UTC"
    return now.astimezone(ZoneInfo(zone)).date()


def _first_record(request: ActorRequest) -> dict[str, str]:
    """What the form of a new terminal begins with."""
    stores = Store.objects.visible_to(request.actor).select_related("merchant")
    store = stores.filter(ref=request.GET.get("store", "").upper()).first()
    state = TerminalState.ACTIVE if store else TerminalState.IN_STOCK
    return {"store": store_label(store) if store else "", "state": state}


def _facts(request: ActorRequest, terminal: Terminal) -> dict[str, Any]:
    """Everything on a terminal's page."""
    path = reverse("diagnostics:sticker", args=[terminal.sticker_code])
    return {
        "terminal": terminal,
        "numbers": terminal.numbers.order_by("kind"),
        "features": _features(terminal.model),
        "connections": [
            Terminal.Connection(name).label
            for name in terminal.model.connections
            if name in Terminal.Connection
        ],
        "moves": actions.moves_by_hand(terminal),
        **_expected_of(request, terminal),
        **_stop_of(terminal),
        "sticker_address": f"{settings.PUBLIC_URL}{path}",
        "history": _history(request, terminal),
    }


def _expected_of(request: ActorRequest, terminal: Terminal) -> dict[str, Any]:
    """What is expected of its versions, and which of them are behind."""
    minimum = MinimumVersion.objects.visible_to(request.actor).of(terminal).first()
    behind = minimum.parts_behind(terminal, now=clock.now()) if minimum else []
    return {"minimum": minimum, "parts_behind": behind}


def _features(model: TerminalModel) -> list[tuple[str | Promise, bool | None, bool]]:
    """(name, has it or None for unknown, a source states it) of each known feature."""
    return [
        (label, model.features.get(name), bool(model.verified.get(name)))
        for name, label in FEATURES.items()
        if name in model.features
    ]


def _history(request: ActorRequest, terminal: Terminal) -> list[Entry]:
    """What was done to the terminal and the self-checks walked on it, newest first."""
    events = terminal.events.order_by("-occurred_at", "-pk")[:HISTORY]
    runs = terminal.runs.visible_to(request.actor).select_related("flow_version")
    entries = [_event_entry(event) for event in events]
    entries += [
        Entry(
            run.started_at,
            "stethoscope",
            run.symptom_title,
            [str(run.get_state_display()), run.ref],
        )
        for run in runs.order_by("-started_at")[:HISTORY]
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:HISTORY]


def _event_entry(event: TerminalEvent) -> Entry:
    details = []
    if event.kind == TerminalEvent.Kind.ADDED:
        details.append(str(TerminalState(event.data["state"]).label))
    if event.kind == TerminalEvent.Kind.STOPPED:
        details.append(_cause_words(event.data.get("cause", "")))
    if "after" in event.data:
        before, after = (TerminalState(event.data[name]).label for name in ("before", "after"))
        details.append(f"{before} → {after}")
    for name, (old, new) in event.data.get("changes", {}).items():
        details.append(f"{CHANGED.get(name, name)}: {old or '–'} → {new or '–'}")
    details.append(event.note)
    title = TerminalEvent.Kind(event.kind).label
    icon = LOOKS[TerminalEvent.Kind(event.kind)]
    return Entry(event.occurred_at, icon, str(title), [d for d in details if d], event.actor_name)


def _stop_of(terminal: Terminal) -> dict[str, str | int | None]:
    """Why a stopped terminal is out of use: `stopped_for` in short, `stop_note` as it was put;
    and by whom.
    """
    stops = terminal.events.filter(kind=TerminalEvent.Kind.STOPPED).order_by("-occurred_at", "-pk")
    last = stops.first() if terminal.state == TerminalState.STOPPED else None
    return {
        "stopped_for": _cause_words(terminal.stopped_for),
        "stop_note": last.note if last else "",
        "stopped_by_id": last.actor_user_id if last else None,
    }


def _cause_words(cause: str) -> str:
    """A cause is `by_hand`, a safety answer `<step>.<answer>`, or a fault, which only the flow
    can name: its words are in the event's note.
    """
    answer = cause.rpartition(".")[2]
    return str(STOPPED_FOR.get(answer, _("Stopped after a self-check")))


def _terminal(request: ActorRequest, ref: str) -> Terminal:
    terminals = Terminal.objects.visible_to(request.actor).select_related(
        "model", "store__merchant"
    )
    return get_object_or_404(terminals, ref=ref.upper())


def _done(request: ActorRequest, terminal: Terminal, text: str) -> HttpResponse:
    messages.success(request, text)
    return redirect("terminals:terminal", ref=terminal.ref)


def _too_late(request: ActorRequest, terminal: Terminal) -> HttpResponse:
    """409 with the page as it is now, so that the screen heals itself."""
    fresh = _terminal(request, terminal.ref)
    messages.error(request, _("The terminal is in another state now. Nothing was changed."))
    return render(request, "terminals/terminal.html", _facts(request, fresh), status=409)


def _explain(form: Form, error: DomainError) -> None:
    """Puts a refusal beside the field that it is about; unknown ones are raised again."""
    texts = {
        "serial_taken": ("serial", _("Another terminal has this serial. Check the label.")),
        "store_needed": ("store", _("A terminal in use needs a store. Enter its name.")),
        "second_person": (None, _("You took it out of use. Another lead has to release it.")),
    }
    if error.code not in texts:
        raise error
    form.add_error(*texts[error.code])


def _status(form: Form) -> int:
    return 422 if form.is_bound and form.errors else 200
