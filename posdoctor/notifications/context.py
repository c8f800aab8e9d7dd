"""The number beside the bell."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language

from posdoctor.accounts.actor import NOBODY, Actor
from posdoctor.notifications.models import Delivery

MOST_SHOWN = 99


@dataclass(frozen=True)
class Unread:
    """How many notices the actor has not read, and how many of them are about this page."""

    total: int
    here: int

    @property
    def shown(self) -> str:
        """The number as the bell shows it; empty for none."""
        return f"{MOST_SHOWN}+" if self.total > MOST_SHOWN else str(self.total or "")

    @property
    def tag(self) -> str:
        """Changes when what the bell shows changes: number and language."""
        return f"{self.shown or 0}-{get_language()}"


def bell(request: HttpRequest) -> dict[str, Any]:
    """`unread`: one query, run only when a template prints it."""
    actor = getattr(request, "actor", NOBODY)
    return {"unread": SimpleLazyObject(lambda: unread_of(actor, request.path))}


def unread_of(actor: Actor, path: str = "") -> Unread:
    """Counts the actor's own notices in the provider that they work for now."""
    counts = (
        Delivery.objects.notices_of(actor)
        .unread()
        .aggregate(total=Count("pk"), here=Count("pk", filter=Q(url=path)))
    )
    return Unread(**counts)
