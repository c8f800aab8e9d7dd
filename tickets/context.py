"""Counts beside the desk's navigation."""

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from posdoctor.accounts.actor import NOBODY, Actor
from tickets.models import Ticket


def nav(request: HttpRequest) -> dict[str, Any]:
    """`nav_counts`: one query, run only when a template prints it."""
    actor = getattr(request, "actor", NOBODY)
    return {"nav_counts": SimpleLazyObject(lambda: nav_counts(actor))}


def nav_counts(actor: Actor) -> dict[str, int]:
    """Numbers of unfinished tickets: mine, unassigned, waiting, all."""
    waiting = Q(status__in=["wait_merchant", "wait_vendor"])
    return (
        Ticket.objects.visible_to(actor)
        .working()
        .aggregate(
            mine=Count("pk", filter=Q(assignee_id=actor.user_id)),
            unassigned=Count("pk", filter=Q(assignee__isnull=True)),
            waiting=Count("pk", filter=waiting),
            all=Count("pk"),
        )
    )
