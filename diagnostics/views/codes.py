"""Looking up what a screen shows: for everybody, on a machine's page, and at the desk."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from diagnostics import access
from diagnostics.access import machine_page, show
from diagnostics.actions import codes as actions
from diagnostics.codes import Catalogue, CodeEntry, bundled
from diagnostics.forms.codes import LookUpForm, OwnCodeForm
from diagnostics.models import OwnCode, UnknownCode, reader_language
from diagnostics.views.walk import OTHER
from posdoctor.accounts.access import for_staff, hidden_without
from posdoctor.accounts.actor import Actor, reporter
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission
from posdoctor.core import clock, doors
from posdoctor.core.doors import Door
from posdoctor.core.errors import TooManyTriesError
from posdoctor.core.scrub import scrub
from terminals.models import Terminal

GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])
for_leads = hidden_without(Permission.CODES_DEFINE)
# What is looked up in vain is kept; an address, and all of them together, may fill only so much.
UNKNOWN_BY_ADDRESS = Door("code-unknown-address", 20, timedelta(hours=1))
UNKNOWN_BY_PROVIDER = Door("code-unknown-provider", 300, timedelta(hours=1))
QUEUE_LENGTH = 50


@dataclass(frozen=True)
class Shown:
    """One meaning of what was looked up, in the reader's language."""

    entry: CodeEntry
    code: str
    scheme: str
    meaning: str
    merchant: str
    desk: str
    note: str
    # Its sources call it so; else it is recall.
    is_sourced: bool


# --- Merchants -----------------------------------------------------------------------


@login_not_required
@GET_OR_POST
def look_up(request: HttpRequest) -> HttpResponse:
    """Without a machine: what ships with the product, and the only provider's own."""
    provider = access.only_provider()
    actor = reporter(provider_id=provider.pk) if provider else None
    here = reverse("diagnostics:codes")
    if request.method == "POST":
        return _asked(request, here, actor) or _page(request, {"provider": provider})
    context = _found(request, _catalogue(actor)) | {"provider": provider}
    return _page(request, context)


@machine_page
@GET_OR_POST
def of_machine(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """The same from a machine's page, which knows the provider and what can be checked."""
    actor = reporter(provider_id=terminal.provider_id)
    here = reverse("diagnostics:code", args=[terminal.sticker_code])
    if request.method == "POST":
        answer = _asked(request, here, actor, model_id=terminal.model_id)
        if answer:
            return answer
        context = {"form": LookUpForm(request.POST)}
        return show(request, terminal, "diagnostics/codes/of_machine.html", context, status=422)
    offered = {v.symptom: v.flow.title.get(reader_language()) for v in access.offered(terminal)}
    context = _found(request, _catalogue(actor), offered)
    return show(request, terminal, "diagnostics/codes/of_machine.html", context)


def _page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The public page; 422 where nothing was typed."""
    is_refused = request.method == "POST"
    context = {"form": LookUpForm(request.POST)} | context if is_refused else context
    return render(
        request, "diagnostics/codes/page.html", context, status=422 if is_refused else 200
    )


def _asked(
    request: HttpRequest, here: str, actor: Actor | None, *, model_id: int | None = None
) -> HttpResponse | None:
    """What was typed, as an address to go to; None where it says nothing.

    SECURITY: the text comes by POST and is masked before it stands in an address, which ends
    up in logs.
    """
    form = LookUpForm(request.POST)
    if not form.is_valid():
        return None
    text = scrub(form.cleaned_data["q"])
    if actor and not _catalogue(actor).search(text):
        with contextlib.suppress(TooManyTriesError):
            now = clock.now()
            doors.knock(UNKNOWN_BY_ADDRESS, doors.address_of(request), now=now)
            doors.knock(UNKNOWN_BY_PROVIDER, str(actor.provider_id), now=now)
            actions.note_unknown(actor, text=text, model_id=model_id, now=now)
    return HttpResponseRedirect(f"{here}?{urlencode({'q': text})}", status=HTTPStatus.SEE_OTHER)


def _catalogue(actor: Actor | None) -> Catalogue:
    return OwnCode.objects.visible_to(actor).catalogue() if actor else bundled()


def _found(
    request: HttpRequest, catalogue: Catalogue, offered: dict[str, str] | None = None
) -> dict[str, Any]:
    """The form as it was filled in, and the meanings; without a question just the form."""
    if "q" not in request.GET:
        return {"form": LookUpForm()}
    form = LookUpForm(request.GET)
    if not form.is_valid():
        return {"form": LookUpForm(initial={"q": scrub(request.GET["q"])[:120]})}
    text = scrub(form.cleaned_data["q"])
    entries = catalogue.search(text)
    # SECURITY: a provider's own words stand first; they hide no danger that the product knows.
    leading = [next((e for e in entries if e.is_own is own), None) for own in (True, False)]
    must_stop = any(entry.stop_use for entry in leading if entry)
    symptoms = [entry.symptom for entry in entries if entry.symptom in (offered or {})]
    return {
        "form": LookUpForm(initial={"q": text}),
        "asked": text,
        "found": shown(entries),
        "has_collision": _collide(entries),
        "must_stop": must_stop,
        # The self-check that deals with it, where this machine has it.
        "check": symptoms[0] if symptoms and not must_stop else "",
        "check_title": (offered or {})[symptoms[0]] if symptoms else "",
        "other": OTHER,
    }


def shown(entries: Sequence[CodeEntry]) -> list[Shown]:
    """In the reader's language."""
    language = reader_language()
    return [
        Shown(
            entry=entry,
            code=entry.on_screen,
            scheme=entry.scheme_name.get(language),
            meaning=entry.meaning.get(language),
            merchant=entry.merchant.get(language),
            desk=entry.desk.get(language),
            note=entry.note.get(language) if entry.note else "",
            is_sourced=entry.is_sourced or entry.is_own,
        )
        for entry in entries
    ]


def _collide(entries: Sequence[CodeEntry]) -> bool:
    codes = [entry.on_screen for entry in entries if entry.on_screen]
    return len(codes) > len(set(codes))


# --- The desk ------------------------------------------------------------------------


@for_staff
@require_GET
def desk(request: ActorRequest) -> HttpResponse:
    """The look-up with what the desk does; what waits to be defined; the own definitions."""
    catalogue = OwnCode.objects.visible_to(request.actor).catalogue()
    waiting = UnknownCode.objects.visible_to(request.actor).waiting()
    context = _found(request, catalogue) | {
        "waiting": list(waiting[:QUEUE_LENGTH]),
        "waiting_count": waiting.count(),
        "own": list(OwnCode.objects.visible_to(request.actor).order_by("code", "words", "pk")),
    }
    return render(request, "diagnostics/codes/desk.html", context)


@for_leads
@GET_OR_POST
def define(request: ActorRequest) -> HttpResponse:
    """A new definition, empty or for what was looked up in vain (`?for=`)."""
    wanted = slugify(request.GET.get("for", "")).upper()
    rows = UnknownCode.objects.visible_to(request.actor)
    waiting = get_object_or_404(rows, ref=wanted) if wanted else None
    form = OwnCodeForm(request.POST or None, initial=OwnCodeForm.initial_from(waiting))
    if form.is_valid():
        try:
            actions.define(
                request.actor, values=form.cleaned_data, unknown_ref=wanted, now=clock.now()
            )
        except actions.KnownCodeError:
            form.add_error("code", _("There is a definition of this already"))
        except actions.TooManyCodesError:
            form.add_error(None, _("There are too many definitions. Remove some first."))
        else:
            messages.success(request, _("Defined for all your merchants"))
            return redirect("diagnostics:desk_codes")
    context = {"form": form, "waiting": waiting}
    return render(request, "diagnostics/codes/define.html", context, status=_status(form))


@for_leads
@GET_OR_POST
def change(request: ActorRequest, ref: str) -> HttpResponse:
    """One definition."""
    row = get_object_or_404(OwnCode.objects.visible_to(request.actor), ref=ref.upper())
    form = OwnCodeForm(request.POST or None, initial=OwnCodeForm.initial_of(row))
    if form.is_valid():
        try:
            actions.redefine(request.actor, ref=row.ref, values=form.cleaned_data, now=clock.now())
        except actions.KnownCodeError:
            form.add_error("code", _("There is a definition of this already"))
        else:
            messages.success(request, _("Definition saved"))
            return redirect("diagnostics:desk_codes")
    context = {"form": form, "row": row}
    return render(request, "diagnostics/codes/define.html", context, status=_status(form))


@for_leads
@require_POST
def drop(request: ActorRequest, ref: str) -> HttpResponse:
    """Takes a definition back."""
    get_object_or_404(OwnCode.objects.visible_to(request.actor), ref=ref.upper())
    actions.drop(request.actor, ref=ref.upper())
    messages.success(request, _("Definition removed"))
    return redirect("diagnostics:desk_codes")


@for_leads
@require_POST
def dismiss(request: ActorRequest, ref: str) -> HttpResponse:
    """Nothing to define here."""
    get_object_or_404(UnknownCode.objects.visible_to(request.actor), ref=ref.upper())
    actions.dismiss(request.actor, ref=ref.upper())
    messages.success(request, _("Dismissed"))
    return redirect("diagnostics:desk_codes")


def _status(form: OwnCodeForm) -> int:
    return 422 if form.is_bound and form.errors else 200
