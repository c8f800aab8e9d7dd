"""Sets of merchants, stores and contacts, each bounded by who asks."""

from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import RawSQL

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role

if TYPE_CHECKING:
    from merchants.models import Contact, Merchant, Store

_MOST_WORDS = 6


def merchant_ids_of(actor: Actor) -> "models.QuerySet[Merchant, int]":
    """Ids of the merchants that a signed-in merchant belongs to; empty for everyone else.

    SECURITY: a subquery, not a join: joins multiply rows and invite a forgotten distinct().
    """
    from merchants.models import Merchant  # noqa: PLC0415 - models import this module

    if actor.role != Role.MERCHANT or actor.user_id is None:
        return Merchant.objects.none().values_list("pk", flat=True)
    mine = Merchant.objects.filter(memberships__user_id=actor.user_id)
    return mine.values_list("pk", flat=True)


_Row = TypeVar("_Row", bound=models.Model)


class MerchantRows(models.QuerySet[_Row]):
    """Rows of a provider that hang on a merchant: the base of every such set.

    `merchant_path` leads from the row to the merchant's id.
    """

    merchant_path: ClassVar[str] = "merchant_id"

    def visible_to(self, actor: Actor) -> Self:
        """Staff: own provider. Merchant: memberships. System: explicit. Everyone else: nothing."""
        if actor.is_staff:
            return self.filter(provider_id=actor.provider_id)
        if actor.role == Role.MERCHANT:
            return self.filter(**{f"{self.merchant_path}__in": merchant_ids_of(actor)})
        if actor.is_system:
            return self.filter(provider_id=actor.provider_id) if actor.provider_id else self
        return self.none()


class MerchantQuerySet(MerchantRows["Merchant"]):
    """Shops as contract partners."""

    merchant_path = "pk"

    def named_like(self, text: str) -> Self:
        """Merchants whose name holds all words and Chinese pairs of `text`, by the index."""
        match = RawSQL(
            "merchants_merchant.name_tokens @@ pd_query(%s)",
            (text,),
            output_field=models.BooleanField(),
        )
        return self.filter(match)

    def with_list_columns(self) -> Self:
        """With the numbers of stores, by name."""
        return self.annotate(store_count=models.Count("stores")).order_by("name", "pk")


class StoreQuerySet(MerchantRows["Store"]):
    """Places of business."""

    def matching(self, text: str) -> Self:
        """Stores where each word of `text` is in the name, address or area, or in the merchant's
        name, or begins its number.
        """
        found = self
        for word in text.split()[:_MOST_WORDS]:
            found = found.filter(
                Q(name__icontains=word)
                | Q(address__icontains=word)
                | Q(area__icontains=word)
                | Q(merchant__name__icontains=word)
                | Q(merchant__number__startswith=word)
            )
        return found


class ContactQuerySet(MerchantRows["Contact"]):
    """People of a merchant."""

    def for_store(self, store_id: int) -> Self:
        """Whom to call about this store, its own people before the merchant's."""
        return self.filter(
            Q(store_id=store_id) | Q(store__isnull=True, merchant__stores=store_id)
        ).order_by(F("store_id").asc(nulls_last=True), "-is_primary", "pk")
