"""Deeds of the desk on merchants, stores and contacts. Each leaves the names of what changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db import IntegrityError, models, transaction
from django.db.models import Q

from merchants.models import Contact, Merchant, Store
from posdoctor.accounts.actions import record
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import AccountEvent
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import DomainError
from posdoctor.core.refs import create_with_ref

_Row = TypeVar("_Row", bound=models.Model)


class NumberTakenError(DomainError):
    """Another merchant of the provider has this merchant number."""

    code = "number_taken"


@transaction.atomic
def add_merchant(
    actor: Actor,
    *,
    now: datetime,
    values: Mapping[str, Any],
    store: Mapping[str, Any],
    contact: Mapping[str, Any],
) -> Merchant:
    """A merchant of the actor's provider with its first store and the person to call first.

    Each of the three holds columns of its row; the contact is for all stores. Records
    `merchant_added`, `store_added` and `contact_added`. Raises NotAllowedError, NumberTakenError.
    """
    require(actor, Permission.MERCHANT_EDIT)
    assert actor.provider_id is not None  # every role with the right has a provider
    provider_id = actor.provider_id
    try:
        merchant = create_with_ref(lambda: Merchant(provider_id=provider_id, **values))
    except IntegrityError as error:
        raise NumberTakenError from error
    record(actor, AccountEvent.Kind.MERCHANT_ADDED, provider_id=provider_id, at=now,
           merchant=merchant.ref)  # fmt: skip
    _add_store(actor, merchant, store, now)
    _add_contact(actor, merchant, {**contact, "is_primary": True}, now)
    return merchant


@transaction.atomic
def edit_merchant(
    actor: Actor, *, merchant_id: int, now: datetime, values: Mapping[str, Any]
) -> Merchant:
    """Writes name, number and fee class. Locks the merchant; records `merchant_edited`.

    Raises NotAllowedError, NumberTakenError; a hidden merchant is DoesNotExist.
    """
    merchant = _locked(Merchant.objects.visible_to(actor)).get(pk=merchant_id)
    require(actor, Permission.MERCHANT_EDIT)
    try:
        with transaction.atomic():
            changed = _write(merchant, values)
    except IntegrityError as error:
        raise NumberTakenError from error
    if changed:
        record(actor, AccountEvent.Kind.MERCHANT_EDITED, provider_id=merchant.provider_id, at=now,
               merchant=merchant.ref, fields=changed)  # fmt: skip
    return merchant


@transaction.atomic
def add_store(actor: Actor, *, merchant_id: int, now: datetime, values: Mapping[str, Any]) -> Store:
    """Adds a place where terminals stand; records `store_added`.

    Raises NotAllowedError; a hidden merchant is DoesNotExist.
    """
    merchant = Merchant.objects.visible_to(actor).get(pk=merchant_id)
    require(actor, Permission.MERCHANT_EDIT)
    return _add_store(actor, merchant, values, now)


@transaction.atomic
def edit_store(actor: Actor, *, store_id: int, now: datetime, values: Mapping[str, Any]) -> Store:
    """Writes address, area, city tier, time zone and opening hours; records `store_edited`.

    Locks the store. Raises NotAllowedError; a hidden store is DoesNotExist.
    """
    store = _locked(Store.objects.visible_to(actor)).get(pk=store_id)
    require(actor, Permission.MERCHANT_EDIT)
    changed = _write(store, values)
    if changed:
        record(actor, AccountEvent.Kind.STORE_EDITED, provider_id=store.provider_id, at=now,
               store=store.ref, fields=changed)  # fmt: skip
    return store


@transaction.atomic
def add_contact(
    actor: Actor, *, merchant_id: int, now: datetime, values: Mapping[str, Any]
) -> Contact:
    """Adds a person to call. `values["store"]` is a store of this merchant or None.

    Locks the merchant, so that one contact at a time becomes the first to call. Records
    `contact_added`. Raises NotAllowedError; a hidden merchant is DoesNotExist.
    """
    merchant = _locked(Merchant.objects.visible_to(actor)).get(pk=merchant_id)
    require(actor, Permission.MERCHANT_EDIT)
    return _add_contact(actor, merchant, values, now)


@transaction.atomic
def edit_contact(
    actor: Actor, *, contact_id: int, now: datetime, values: Mapping[str, Any]
) -> Contact:
    """Writes a person to call. Locks merchant and contact; records `contact_edited`."""
    contact = _contact(actor, contact_id)
    changed = _write(contact, values)
    _keep_one_primary(contact)
    if changed:
        record(actor, AccountEvent.Kind.CONTACT_EDITED, provider_id=contact.provider_id, at=now,
               contact=contact.ref, merchant=contact.merchant.ref, fields=changed)  # fmt: skip
    return contact


@transaction.atomic
def remove_contact(actor: Actor, *, contact_id: int, now: datetime) -> None:
    """Deletes a person's data; tickets keep the number they were filed with."""
    contact = _contact(actor, contact_id)
    record(actor, AccountEvent.Kind.CONTACT_REMOVED, provider_id=contact.provider_id, at=now,
           contact=contact.ref, merchant=contact.merchant.ref)  # fmt: skip
    contact.delete()


@transaction.atomic
def reveal_contact(actor: Actor, *, contact_id: int, now: datetime) -> Contact:
    """Hands out the whole number and records who saw it: `contact_revealed`."""
    contact = Contact.objects.visible_to(actor).select_related("merchant").get(pk=contact_id)
    require(actor, Permission.CONTACT_REVEAL)
    record(actor, AccountEvent.Kind.CONTACT_REVEALED, provider_id=contact.provider_id, at=now,
           contact=contact.ref, merchant=contact.merchant.ref)  # fmt: skip
    return contact


def _add_store(actor: Actor, merchant: Merchant, values: Mapping[str, Any], now: datetime) -> Store:
    store = create_with_ref(
        lambda: Store(provider_id=merchant.provider_id, merchant=merchant, **values)
    )
    record(actor, AccountEvent.Kind.STORE_ADDED, provider_id=merchant.provider_id, at=now,
           store=store.ref, merchant=merchant.ref)  # fmt: skip
    return store


def _add_contact(
    actor: Actor, merchant: Merchant, values: Mapping[str, Any], now: datetime
) -> Contact:
    contact = create_with_ref(
        lambda: Contact(provider_id=merchant.provider_id, merchant=merchant, **values)
    )
    _keep_one_primary(contact)
    record(actor, AccountEvent.Kind.CONTACT_ADDED, provider_id=merchant.provider_id, at=now,
           contact=contact.ref, merchant=merchant.ref)  # fmt: skip
    return contact


def _contact(actor: Actor, contact_id: int) -> Contact:
    """The contact, with its merchant locked first: every deed here locks in this order."""
    found = Contact.objects.visible_to(actor).get(pk=contact_id)
    require(actor, Permission.MERCHANT_EDIT)
    _locked(Merchant.objects.visible_to(actor)).get(pk=found.merchant_id)
    return Contact.objects.visible_to(actor).select_related("merchant").get(pk=contact_id)


def _locked(rows: "models.QuerySet[_Row]") -> "models.QuerySet[_Row]":
    """NO KEY: a new ticket's foreign key must not wait for an edit."""
    return rows.select_for_update(of=("self",), no_key=True)


def _write(row: models.Model, values: Mapping[str, Any]) -> list[str]:
    """Saves what differs; the names of the changed fields, sorted."""
    changed = sorted(name for name, value in values.items() if getattr(row, name) != value)
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)
    return changed


def _keep_one_primary(contact: Contact) -> None:
    """The first to call is one person per store, and one for the merchant as a whole."""
    if contact.is_primary:
        same_place = Q(merchant_id=contact.merchant_id) & Q(store_id=contact.store_id)
        others = Contact.objects.filter(same_place, is_primary=True).exclude(pk=contact.pk)
        others.update(is_primary=False)
