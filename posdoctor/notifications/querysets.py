"""Sets of deliveries: whose, in which state, due when."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models.functions import Cast

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role

if TYPE_CHECKING:
    from posdoctor.notifications.models import Delivery

# Written out once: the partial indexes and the sets that read them must say the same.
OPEN = ("pending", "sending")
NEEDS_A_PERSON = ("ambiguous", "dead")
# Longer than this in an open state, and somebody should look.
STUCK_AFTER = timedelta(minutes=5)
# What leads see counted by state.
TOTALS_OVER = timedelta(days=7)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """What people are told."""

    def visible_to(self, actor: Actor) -> Self:
        """Leads: the provider's. Others with a seat: their own. The operator: none."""
        if actor.is_system:
            return self if actor.provider_id is None else self.filter(provider_id=actor.provider_id)
        if actor.provider_id is None or actor.user_id is None:
            return self.none()
        own = self.filter(provider_id=actor.provider_id)
        if actor.role in {Role.SUPERVISOR, Role.ADMINISTRATOR}:
            return own
        return own.filter(recipient_id=actor.user_id)

    def notices_of(self, actor: Actor) -> Self:
        """The actor's own list inside the product, in the provider that they work for now."""
        if actor.provider_id is None or actor.user_id is None:
            return self.none()
        return self.filter(
            provider_id=actor.provider_id, recipient_id=actor.user_id, channel="in_app"
        )

    def unread(self) -> Self:
        """Not opened yet."""
        return self.filter(read_at__isnull=True)

    def newest_first(self) -> Self:
        """In the order of the list."""
        return self.order_by("-created_at", "-pk")

    def with_key_text(self) -> Self:
        """Annotates `key_text`: what pages of the API break ties by, since a cursor holds texts."""
        return self.annotate(key_text=Cast("key", models.TextField()))

    def due(self, now: datetime) -> Self:
        """To be taken by a sender: planned for now or earlier, or left by a sender that died."""
        return self.filter(state__in=OPEN, next_attempt_at__lte=now)

    def stuck(self, now: datetime) -> Self:
        """What needs a person: given up, unclear, or not sent for more than five minutes."""
        late = models.Q(state__in=OPEN, created_at__lt=now - STUCK_AFTER)
        return self.filter(late | models.Q(state__in=NEEDS_A_PERSON))

    def count_by_state(self) -> dict[str, int]:
        """How many are in each state; empty ones are left out."""
        rows = self.order_by().values("state").annotate(n=models.Count("pk"))
        return {row["state"]: row["n"] for row in rows}
