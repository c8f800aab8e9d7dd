"""Sets of terminals, bounded by who asks."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Self

from django.db.models import Count, Q, QuerySet

from merchants.models import Contact
from merchants.querysets import MerchantRows
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from terminals.lifecycle import IN_USE
from terminals.versions import is_behind

if TYPE_CHECKING:
    from terminals.models import MinimumVersion, Terminal


class Version(NamedTuple):
    """So many terminals of a model have these versions."""

    model_id: int
    app_version: str
    firmware: str
    terminals: int


class Standing(NamedTuple):
    """Of the terminals of one model that are in use: all, those behind, those nobody knows of."""

    in_use: int = 0
    behind: int = 0
    unknown: int = 0


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
            state__in=IN_USE,
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

    def in_use(self) -> Self:
        """Those that stand in a store, stopped ones too."""
        return self.filter(state__in=IN_USE)

    def by_version(self) -> list[Version]:
        """What there is of each version, counted by the database."""
        rows = self.values_list("model_id", "app_version", "firmware").order_by(
            "model_id", "app_version", "firmware"
        )
        return [Version(*row) for row in rows.annotate(terminals=Count("pk"))]

    def standings(
        self, minimums: "Iterable[MinimumVersion]", *, now: datetime
    ) -> dict[int, Standing]:
        """By model id, how many in use are behind `minimums`, all of one provider."""
        asked = {minimum.model_id: minimum for minimum in minimums if minimum.has_begun(now)}
        found: dict[int, Standing] = {}
        for model_id, app_version, firmware, number in self.in_use().by_version():
            says = asked[model_id].says_of(app_version, firmware) if model_id in asked else False
            before = found.get(model_id, Standing())
            found[model_id] = Standing(
                before.in_use + number,
                before.behind + (number if says else 0),
                before.unknown + (number if says is None else 0),
            )
        return found

    def behind(self, minimums: "Iterable[MinimumVersion]", *, now: datetime) -> Self:
        """Those of which one of `minimums`, all of one provider, says that they are behind."""
        asked = {minimum.model_id: minimum for minimum in minimums if minimum.has_begun(now)}
        # Comparing is no work for the database, and there are far fewer versions than terminals.
        versions = self.filter(model_id__in=asked).by_version()
        found = Q(pk__in=[])
        for model_id, least in asked.items():
            own = [version for version in versions if version.model_id == model_id]
            apps = {one.app_version for one in own if is_behind(one.app_version, least.app_version)}
            firmware = {one.firmware for one in own if is_behind(one.firmware, least.firmware)}
            is_old = Q(app_version__in=sorted(apps)) | Q(firmware__in=sorted(firmware))
            found |= Q(model_id=model_id) & is_old
        return self.filter(found)


class MinimumVersionQuerySet(QuerySet["MinimumVersion"]):
    """What providers expect."""

    def visible_to(self, actor: Actor) -> Self:
        """Whoever works for the provider; the system. Everyone else: nothing."""
        if actor.is_system and actor.provider_id is None:
            return self
        is_ours = actor.is_staff or actor.is_system or actor.role == Role.FIELD
        if not is_ours or actor.provider_id is None:
            return self.none()
        return self.filter(provider_id=actor.provider_id)

    def of(self, terminal: "Terminal") -> Self:
        """What is expected of this machine, with its provider: one row or none."""
        mine = self.filter(provider_id=terminal.provider_id, model_id=terminal.model_id)
        return mine.select_related("provider")

    def with_list_columns(self) -> Self:
        """With model and provider, by model."""
        return self.select_related("model", "provider").order_by(
            "model__vendor", "model__name", "pk"
        )
