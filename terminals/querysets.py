"""Sets of terminals, bounded by who asks."""

from typing import TYPE_CHECKING, Self

from django.db.models import Q

from merchants.models import Contact
from merchants.querysets import MerchantRows
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from terminals.lifecycle import TerminalState

if TYPE_CHECKING:
    from terminals.models import Terminal


class TerminalQuerySet(MerchantRows["Terminal"]):
    """Machines."""

    merchant_path = "store__merchant_id"

    def visible_to(self, actor: Actor) -> Self:
        """As rows of a merchant. Field: terminals of the jobs given to them, through the
        relation that tickets declare. Reporter: by sticker only.
        """
        if actor.role == Role.FIELD and actor.user_id is not None:
            jobs = self.model._default_manager.filter(tickets__assignee_id=actor.user_id)  # noqa: SLF001 - Django's documented name
            return self.filter(provider_id=actor.provider_id, pk__in=jobs.values("pk"))
        return super().visible_to(actor)

    def by_sticker(self, code: str) -> Self:
        """The machine behind a sticker: what a passer-by may open. `code` is clean."""
        return self.filter(sticker_code=code, provider__is_active=True)

    def of_shop(self, *, tail: str, phone: str) -> Self:
        """Machines in use that end in `tail` at a shop whose contact has `phone`: both are known
        only to somebody who stands there. `phone` as digits.
        """
        people = Contact.objects.filter(phone=phone)
        anywhere = people.filter(store__isnull=True).values("merchant_id")
        return self.filter(
            Q(store_id__in=people.values("store_id")) | Q(store__merchant_id__in=anywhere),
            serial__endswith=tail,
            state__in=[TerminalState.ACTIVE, TerminalState.STOPPED],
            provider__is_active=True,
        )

    def lock(self, pk: int) -> "Terminal":
        """The row, locked until the transaction ends. Raises DoesNotExist."""
        return self.select_for_update(of=("self",)).get(pk=pk)

    def matching(self, text: str) -> Self:
        """By reference, serial (any part), terminal number or sticker code."""
        from terminals.models import TerminalNumber  # noqa: PLC0415 - models import this module

        typed = text.strip().upper()
        numbered = TerminalNumber.objects.filter(number=typed).values("terminal_id")
        return self.filter(
            Q(ref=typed) | Q(sticker_code=typed) | Q(serial__contains=typed) | Q(pk__in=numbered)
        )

    def with_list_columns(self) -> Self:
        """With model, store and merchant, by serial."""
        return self.select_related("model", "store__merchant").order_by("serial", "pk")
