"""Pages of merchants at the desk: list, page; adding and editing merchant, store, contact."""

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants import actions, hours
from merchants.filters import MerchantFilter, page_of
from merchants.forms import DAY_LABELS, ContactForm, MerchantForm, NewMerchantForm, StoreForm
from merchants.models import Contact, Merchant, Store
from posdoctor.accounts.access import for_staff
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission, require
from posdoctor.core import clock
from posdoctor.core.forms import masked_query
from posdoctor.core.htmx import render_page

GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])


@for_staff
@require_GET
def index(request: ActorRequest) -> HttpResponse:
    """Merchants by name, fifty a page."""
    form = MerchantFilter(masked_query(request.GET))
    context = {"form": form, "page": page_of(request.actor, form)}
    return render_page(request, "merchants/list.html", "merchants/_rows.html", context)


@for_staff
@require_GET
def page(request: ActorRequest, ref: str) -> HttpResponse:
    """One merchant: facts, stores with opening hours, people, terminals, tickets."""
    merchant = _merchant(request, ref)
    stores = list(merchant.stores.order_by("name", "pk"))
    context = {
        "merchant": merchant,
        "stores": [(store, hours_in_words(store)) for store in stores],
        "contacts": merchant.contacts.select_related("store").order_by("-is_primary", "name", "pk"),
    }
    return render(request, "merchants/merchant.html", context)


@for_staff
@GET_OR_POST
def new(request: ActorRequest) -> HttpResponse:
    """A merchant with its first store and first contact, on one page."""
    require(request.actor, Permission.MERCHANT_EDIT)
    first = {f"store_{name}": value for name, value in _first_store(request).items()}
    form = NewMerchantForm(request.POST or None, initial={**first, "contact_language": "zh-hans"})
    if form.is_valid():
        try:
            added = actions.add_merchant(
                request.actor,
                now=clock.now(),
                values=form.merchant_values(),
                store=form.store_values(),
                contact=form.contact_values(),
            )
        except actions.NumberTakenError:
            form.add_error("number", _("Another merchant has this number. Check the slip."))
        else:
            return _saved(request, added, _("Merchant added"))
    return render(request, "merchants/new.html", {"form": form}, status=_status(form))


@for_staff
@GET_OR_POST
def edit(request: ActorRequest, ref: str) -> HttpResponse:
    """Name, number and fee class of one merchant."""
    merchant = _merchant(request, ref)
    require(request.actor, Permission.MERCHANT_EDIT)
    form = MerchantForm(request.POST or None, initial=MerchantForm.initial_of(merchant))
    if form.is_valid():
        try:
            actions.edit_merchant(
                request.actor,
                merchant_id=merchant.pk,
                now=clock.now(),
                values=form.cleaned_data,
            )
        except actions.NumberTakenError:
            form.add_error("number", _("Another merchant has this number. Check the slip."))
        else:
            return _saved(request, merchant, _("Merchant saved"))
    context = {"form": form, "merchant": merchant}
    return render(request, "merchants/edit.html", context, status=_status(form))


@for_staff
@GET_OR_POST
def store(request: ActorRequest, ref: str) -> HttpResponse:
    """Address, area and opening hours of one store."""
    stores = Store.objects.visible_to(request.actor).select_related("merchant")
    found = get_object_or_404(stores, ref=ref.upper())
    require(request.actor, Permission.MERCHANT_EDIT)
    form = StoreForm(request.POST or None, initial=StoreForm.initial_of(found))
    if form.is_valid():
        actions.edit_store(request.actor, store_id=found.pk, now=clock.now(), values=form.values())
        return _saved(request, found.merchant, _("Store saved"))
    context = {"form": form, "merchant": found.merchant, "store": found}
    return render(request, "merchants/store.html", context, status=_status(form))


@for_staff
@GET_OR_POST
def new_store(request: ActorRequest, ref: str) -> HttpResponse:
    """One more store of a merchant."""
    merchant = _merchant(request, ref)
    require(request.actor, Permission.MERCHANT_EDIT)
    form = StoreForm(request.POST or None, initial=_first_store(request))
    if form.is_valid():
        actions.add_store(
            request.actor, merchant_id=merchant.pk, now=clock.now(), values=form.values()
        )
        return _saved(request, merchant, _("Store added"))
    context = {"form": form, "merchant": merchant}
    return render(request, "merchants/store.html", context, status=_status(form))


@for_staff
@GET_OR_POST
def new_contact(request: ActorRequest, ref: str) -> HttpResponse:
    """Adds a person to call."""
    merchant = _merchant(request, ref)
    require(request.actor, Permission.MERCHANT_EDIT)
    form = ContactForm(
        request.POST or None, initial={"language": "zh-hans"}, stores=list(merchant.stores.all())
    )
    if form.is_valid():
        actions.add_contact(
            request.actor, merchant_id=merchant.pk, now=clock.now(), values=form.cleaned_data
        )
        return _saved(request, merchant, _("Contact added"))
    context = {"form": form, "merchant": merchant}
    return render(request, "merchants/contact.html", context, status=_status(form))


@for_staff
@GET_OR_POST
def contact(request: ActorRequest, ref: str) -> HttpResponse:
    """Changes a person to call, or deletes their data. The number itself stays masked."""
    found = _contact(request, ref)
    require(request.actor, Permission.MERCHANT_EDIT)
    if request.POST.get("deed") == "remove":
        actions.remove_contact(request.actor, contact_id=found.pk, now=clock.now())
        return _saved(request, found.merchant, _("Contact removed"))
    form = ContactForm(
        request.POST or None,
        initial=ContactForm.initial_of(found),
        stores=list(found.merchant.stores.all()),
        known_phone=found.phone,
    )
    if form.is_valid():
        actions.edit_contact(
            request.actor, contact_id=found.pk, now=clock.now(), values=form.cleaned_data
        )
        return _saved(request, found.merchant, _("Contact saved"))
    context = {"form": form, "merchant": found.merchant, "contact": found}
    return render(request, "merchants/contact.html", context, status=_status(form))


@for_staff
@require_POST
def reveal(request: ActorRequest, ref: str) -> HttpResponse:
    """Shows the whole number once; who saw it is recorded."""
    found = _contact(request, ref)
    shown = actions.reveal_contact(request.actor, contact_id=found.pk, now=clock.now())
    context = {"contact": shown, "merchant": shown.merchant, "is_revealed": True}
    response = render_page(request, "merchants/phone.html", "merchants/_phone.html", context)
    response["Cache-Control"] = "no-store"
    return response


def hours_in_words(store: Store) -> list[tuple[str, str]]:
    """Days and times as people say them: `[("Monday to Friday", "09:00–21:00"), ...]`."""
    if not store.opening_hours:
        return []
    return [
        (_days(first, last), _times(words))
        for first, last, words in hours.grouped(store.opening_hours)
    ]


def _days(first: str, last: str) -> str:
    if (first, last) == ("mon", "sun"):
        return _("Every day")
    if first == last:
        return str(DAY_LABELS[first])
    return _("%(first)s to %(last)s") % {"first": DAY_LABELS[first], "last": DAY_LABELS[last]}


def _times(words: str) -> str:
    if not words:
        return pgettext("opening hours", "closed")
    spans = (_span(*span.split("-")) for span in words.split(", "))
    return pgettext("between time spans", ", ").join(spans)


def _span(start: str, end: str) -> str:
    """`17:00–02:00 next day` for an end past midnight."""
    late = hours.minutes(end) - 24 * 60
    if late <= 0:
        return f"{start}–{end}"
    values = {"start": start, "end": f"{late // 60:02}:{late % 60:02}"}
    return _("%(start)s–%(end)s next day") % values


def _first_store(request: ActorRequest) -> dict[str, str]:
    """What a new store's form begins with: the provider's own time zone."""
    zone = request.seat.provider.time_zone if request.seat else ""
    return {"time_zone": zone, "city_tier": Store.CityTier.CITY}


def _merchant(request: ActorRequest, ref: str) -> Merchant:
    return get_object_or_404(Merchant.objects.visible_to(request.actor), ref=ref.upper())


def _contact(request: ActorRequest, ref: str) -> Contact:
    contacts = Contact.objects.visible_to(request.actor).select_related("merchant", "store")
    return get_object_or_404(contacts, ref=ref.upper())


def _saved(request: ActorRequest, merchant: Merchant, text: str) -> HttpResponse:
    messages.success(request, text)
    return redirect("merchants:merchant", ref=merchant.ref)


def _status(form: Form) -> int:
    return 422 if form.is_bound and form.errors else 200
