"""The desk's search: an exact reference leads to its ticket, else tickets, terminals, merchants."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from merchants.models import Contact, Merchant
from merchants.querysets import MerchantQuerySet
from posdoctor.accounts.actor import Actor
from posdoctor.core.htmx import render_page
from posdoctor.core.scrub import scrub
from terminals.models import Terminal
from terminals.querysets import TerminalQuerySet
from tickets.models import Ticket
from tickets.views.desk import actor_of, rows_of, sight_of, staff_page

TICKET_ROWS = 20
OTHER_ROWS = 10
TYPED_LENGTH = 80
# Fewer digits are in every third number.
PHONE_DIGITS = 4
_REF = re.compile(r"[Tt][-–—\s]?([0-9A-Za-z]{6})")


@require_GET
@staff_page
def page(request: HttpRequest) -> HttpResponse:
    """`?q=` as typed; it is masked before it is shown, and nothing of it is kept."""
    actor, typed = actor_of(request), cleaned(request.GET.get("q", ""))
    found = ticket_named(actor, typed)
    if found:
        return redirect("tickets:ticket", ref=found)
    tickets = Ticket.objects.visible_to(actor).matching(typed, actor)
    sight = sight_of(request)
    newest = tickets.order_by("-opened_at", "-pk").rows(0, TICKET_ROWS) if typed else []
    context: dict[str, Any] = {
        "typed": typed,
        "rows": rows_of(newest, sight),
        "terminals": list(terminals_matching(actor, typed)[:OTHER_ROWS]) if typed else [],
        "merchants": list(merchants_matching(actor, typed)[:OTHER_ROWS]) if typed else [],
        **sight.context(),
    }
    context["has_hits"] = any(context[name] for name in ("rows", "terminals", "merchants"))
    response = render_page(request, "tickets/desk/search.html", "tickets/desk/_hits.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def cleaned(typed: str) -> str:
    """What was typed without card data, at a length that a search can bear."""
    return scrub(" ".join(typed.replace("\x00", "").split()))[:TYPED_LENGTH]


def ticket_named(actor: Actor, typed: str) -> str | None:
    """The reference of the ticket that was typed whole, if the actor may see it."""
    match = _REF.fullmatch(typed)
    if not match:
        return None
    rows = Ticket.objects.visible_to(actor).filter(ref=f"T-{match[1].upper()}")
    return rows.values_list("ref", flat=True).first()


def terminals_matching(actor: Actor, typed: str) -> TerminalQuerySet:
    """By reference, serial, terminal number, sticker; by phone or name of the merchant."""
    visible = Terminal.objects.visible_to(actor)
    ids = set(visible.matching(typed).values_list("pk", flat=True)[: OTHER_ROWS * 2])
    merchants = merchants_matching(actor, typed).order_by().values_list("pk", flat=True)
    owned = visible.filter(store__merchant_id__in=list(merchants[: OTHER_ROWS * 2]))
    ids |= set(owned.values_list("pk", flat=True)[: OTHER_ROWS * 2])
    return visible.filter(pk__in=ids).with_list_columns()


def merchants_matching(actor: Actor, typed: str) -> MerchantQuerySet:
    """By reference, number, name, or a contact's phone."""
    visible = Merchant.objects.visible_to(actor)
    ids = set(visible.named_like(typed).values_list("pk", flat=True)[: OTHER_ROWS * 2])
    ids |= set(visible.filter(ref=typed.upper()).values_list("pk", flat=True))
    digits = re.sub(r"[\s\-()+]", "", typed)
    if digits.isdecimal() and len(digits) >= PHONE_DIGITS:
        ids |= set(visible.filter(number=digits).values_list("pk", flat=True))
        contacts = Contact.objects.visible_to(actor).filter(phone__contains=digits)
        ids |= set(contacts.values_list("merchant_id", flat=True)[: OTHER_ROWS * 2])
    return visible.filter(pk__in=ids).with_list_columns()
