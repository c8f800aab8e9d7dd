"""Addresses of merchants, stores and contacts. What is typed is read by the forms of the pages."""

import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from merchants import actions
from merchants.api import shapes
from merchants.filters import matching
from merchants.forms import ContactForm, MerchantForm, NewMerchantForm, StoreForm
from merchants.hours import DAYS, spans_text
from merchants.models import Contact, Merchant, Store
from merchants.querysets import MerchantQuerySet, StoreQuerySet
from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.api.errors import Refusals, invalid
from posdoctor.core.api.paging import Order, page_of
from posdoctor.core.api.schema import PageQuery, documented, page_shape
from posdoctor.core.api.shapes import NothingInput, read, refused

BY_NAME = Order(("name", "ref"))


class RecordsView(ApiView):
    """Sets that every view here begins with."""

    area = ApiToken.Area.RECORDS.value
    refusals: ClassVar[Refusals] = {
        "number_taken": ("number", _("Another merchant has this number. Check the slip.")),
    }

    def merchants(self) -> MerchantQuerySet:
        """Visible ones, with what is shown."""
        return Merchant.objects.visible_to(self.actor).with_list_columns()

    def stores(self) -> StoreQuerySet:
        """Visible ones, with what is shown."""
        return Store.objects.visible_to(self.actor).select_related("merchant")

    def merchant(self, ref: str) -> Merchant:
        """404 where it is hidden."""
        return self.row(self.merchants(), ref=ref.upper())

    def store(self, ref: str) -> Store:
        """404 where it is hidden."""
        return self.row(self.stores(), ref=ref.upper())

    def contact(self, ref: str) -> Contact:
        """404 where it is hidden."""
        contacts = Contact.objects.visible_to(self.actor).select_related("merchant", "store")
        return self.row(contacts, ref=ref.upper())


class Merchants(RecordsView):
    """`merchants/`"""

    @documented("merchants_list", query=shapes.MerchantQuery, gives=page_shape(shapes.Merchant))
    def get(self, request: Request) -> Response:
        """Merchants by name."""
        asked = read(shapes.MerchantQuery, request.query_params)
        rows = matching(self.merchants(), asked.get("q", ""), self.actor)
        if "area" in asked:
            there = Store.objects.visible_to(self.actor).filter(area=asked["area"])
            rows = rows.filter(pk__in=there.values("merchant_id"))
        shown = page_of(request, asked, rows, BY_NAME, lambda row: shapes.Merchant(row).data)
        return Response(shown)

    @documented("merchants_add", takes=shapes.NewMerchantInput, gives=shapes.Merchant, status=201)
    def post(self, request: Request) -> Response:
        """Add a merchant with its first store and the person to call first."""
        require(self.actor, Permission.MERCHANT_EDIT)
        given = read(shapes.NewMerchantInput, request.data)
        store, contact = _store_text(given.pop("store")), given.pop("contact")
        typed = given | _prefixed("store_", store) | _prefixed("contact_", contact)
        form = NewMerchantForm(typed)
        if not form.is_valid():
            raise refused(form, _nested_name)
        added = actions.add_merchant(
            self.actor,
            now=self.now,
            values=form.merchant_values(),
            store=form.store_values(),
            contact=form.contact_values(),
        )
        return Response(shapes.Merchant(self.merchant(added.ref)).data, status=201)


class OneMerchant(RecordsView):
    """`merchants/{ref}/`"""

    @documented("merchants_read", gives=shapes.Merchant)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """One merchant."""
        return Response(shapes.Merchant(self.merchant(ref)).data)

    @documented("merchants_change", takes=shapes.MerchantInput, gives=shapes.Merchant)
    def patch(self, request: Request, ref: str) -> Response:
        """Change a merchant's record."""
        merchant = self.merchant(ref)
        require(self.actor, Permission.MERCHANT_EDIT)
        given = read(shapes.MerchantInput, request.data, partial=True)
        form = MerchantForm(MerchantForm.initial_of(merchant) | given)
        if not form.is_valid():
            raise refused(form)
        actions.edit_merchant(
            self.actor, merchant_id=merchant.pk, now=self.now, values=form.cleaned_data
        )
        return Response(shapes.Merchant(self.merchant(ref)).data)


class Stores(RecordsView):
    """`stores/`"""

    @documented("stores_list", query=shapes.StoreQuery, gives=page_shape(shapes.Store))
    def get(self, request: Request) -> Response:
        """Stores by name."""
        asked = read(shapes.StoreQuery, request.query_params)
        rows = self.stores()
        if "q" in asked:
            typed = unicodedata.normalize("NFKC", asked["q"])
            rows = rows.matching(typed) | rows.filter(ref=typed.upper())
        columns = {"area": asked.get("area"), "merchant__ref": asked.get("merchant", "").upper()}
        rows = rows.filter(**{name: value for name, value in columns.items() if value})
        shown = page_of(request, asked, rows, BY_NAME, lambda row: shapes.Store(row).data)
        return Response(shown)

    @documented("stores_add", takes=shapes.NewStoreInput, gives=shapes.Store, status=201)
    def post(self, request: Request) -> Response:
        """Add a store of a merchant."""
        require(self.actor, Permission.MERCHANT_EDIT)
        given = read(shapes.NewStoreInput, request.data)
        merchants = Merchant.objects.visible_to(self.actor)
        merchant = merchants.filter(ref=given.pop("merchant").upper()).first()
        if merchant is None:
            raise invalid({"merchant": [_("There is no such merchant")]})
        form = StoreForm(_store_text(given))
        if not form.is_valid():
            raise refused(form, _store_name)
        store = actions.add_store(
            self.actor, merchant_id=merchant.pk, now=self.now, values=form.values()
        )
        return Response(shapes.Store(self.store(store.ref)).data, status=201)


class OneStore(RecordsView):
    """`stores/{ref}/`"""

    @documented("stores_read", gives=shapes.Store)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """One store with its opening hours."""
        return Response(shapes.Store(self.store(ref)).data)

    @documented("stores_change", takes=shapes.StoreInput, gives=shapes.Store)
    def patch(self, request: Request, ref: str) -> Response:
        """Change a store's record. `opening_hours` replaces the whole week."""
        store = self.store(ref)
        require(self.actor, Permission.MERCHANT_EDIT)
        given = read(shapes.StoreInput, request.data, partial=True)
        form = StoreForm(StoreForm.initial_of(store) | _store_text(given))
        if not form.is_valid():
            raise refused(form, _store_name)
        actions.edit_store(self.actor, store_id=store.pk, now=self.now, values=form.values())
        return Response(shapes.Store(self.store(ref)).data)


class Contacts(RecordsView):
    """`merchants/{ref}/contacts/`"""

    @documented("contacts_list", query=PageQuery, gives=page_shape(shapes.Contact))
    def get(self, request: Request, ref: str) -> Response:
        """People of a merchant, by name; phones are masked."""
        asked = read(PageQuery, request.query_params)
        merchant = self.merchant(ref)
        rows = Contact.objects.visible_to(self.actor).filter(merchant=merchant)
        rows = rows.select_related("store")
        shown = page_of(request, asked, rows, BY_NAME, lambda row: shapes.Contact(row).data)
        return Response(shown)

    @documented("contacts_add", takes=shapes.ContactInput, gives=shapes.Contact, status=201)
    def post(self, request: Request, ref: str) -> Response:
        """Add a person to call."""
        merchant = self.merchant(ref)
        require(self.actor, Permission.MERCHANT_EDIT)
        given = read(shapes.ContactInput, request.data)
        form = ContactForm(_contact_text(given), stores=list(merchant.stores.all()))
        if not form.is_valid():
            raise refused(form)
        contact = actions.add_contact(
            self.actor, merchant_id=merchant.pk, now=self.now, values=form.cleaned_data
        )
        return Response(shapes.Contact(self.contact(contact.ref)).data, status=201)


class OneContact(RecordsView):
    """`contacts/{ref}/`"""

    @documented("contacts_read", gives=shapes.Contact)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """One person; the phone is masked."""
        return Response(shapes.Contact(self.contact(ref)).data)

    @documented("contacts_change", takes=shapes.ContactInput, gives=shapes.Contact)
    def patch(self, request: Request, ref: str) -> Response:
        """Change a person's data."""
        contact = self.contact(ref)
        require(self.actor, Permission.MERCHANT_EDIT)
        given = read(shapes.ContactInput, request.data, partial=True)
        form = ContactForm(
            ContactForm.initial_of(contact) | _contact_text(given),
            stores=list(contact.merchant.stores.all()),
            known_phone=contact.phone,
        )
        if not form.is_valid():
            raise refused(form)
        actions.edit_contact(
            self.actor, contact_id=contact.pk, now=self.now, values=form.cleaned_data
        )
        return Response(shapes.Contact(self.contact(ref)).data)

    @documented("contacts_remove", status=204)
    def delete(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Delete a person's data; tickets keep the number they were filed with."""
        contact = self.contact(ref)
        actions.remove_contact(self.actor, contact_id=contact.pk, now=self.now)
        return Response(status=204)


class RevealContact(RecordsView):
    """`contacts/{ref}/reveal/`"""

    is_kept = False  # SECURITY: the whole number is stored nowhere else

    @documented("contacts_reveal", takes=NothingInput, gives=shapes.Phone)
    def post(self, request: Request, ref: str) -> Response:
        """The whole number of a person; who saw it is recorded."""
        contact = self.contact(ref)
        read(NothingInput, request.data)
        shown = actions.reveal_contact(self.actor, contact_id=contact.pk, now=self.now)
        return Response(shapes.Phone({"phone": shown.phone}).data)


def _store_text(given: Mapping[str, Any]) -> dict[str, Any]:
    """Opening hours as the form's seven texts; the rest as it is."""
    typed = dict(given)
    week = typed.pop("opening_hours", None)
    if week is not None:
        typed |= {f"hours_{day}": spans_text(week.get(day, [])) for day in DAYS}
    return typed


def _contact_text(given: Mapping[str, Any]) -> dict[str, Any]:
    """No store is the form's empty choice."""
    typed = dict(given)
    if "store" in typed:
        typed["store"] = (typed["store"] or "").upper()
    return typed


def _prefixed(prefix: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in given.items()}


def _store_name(name: str) -> str:
    """The form's field as the API names it."""
    return f"opening_hours.{name[6:]}" if name.startswith("hours_") else name


def _nested_name(name: str) -> str:
    for part in ("store", "contact"):
        if name.startswith(f"{part}_"):
            return f"{part}.{_store_name(name.removeprefix(f'{part}_'))}"
    return name
