"""Sets of people, seats, teams and tokens, each bounded by who asks."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role

if TYPE_CHECKING:
    from posdoctor.accounts.models import AccountEvent, ApiToken, Provider, Seat, Team


class ProviderQuerySet(models.QuerySet["Provider"]):
    """Tenants."""

    def visible_to(self, actor: Actor) -> Self:
        """The operator and the system see all; others their own."""
        if actor.role == Role.OPERATOR or (actor.is_system and actor.provider_id is None):
            return self
        return self.filter(pk=actor.provider_id) if actor.provider_id else self.none()

    def with_list_columns(self) -> Self:
        """With the number of usable seats, by name."""
        active = models.Q(seats__is_active=True, seats__user__is_active=True)
        return self.annotate(seat_count=models.Count("seats", filter=active)).order_by("name", "pk")


class SeatQuerySet(models.QuerySet["Seat"]):
    """Roles of people inside providers."""

    def visible_to(self, actor: Actor) -> Self:
        """Colleagues of the own provider."""
        if actor.is_staff or actor.role == Role.FIELD or actor.is_system:
            return self.filter(provider_id=actor.provider_id)
        return self.none()

    def active(self) -> Self:
        """Seats whose holder can sign in."""
        return self.filter(is_active=True, user__is_active=True, provider__is_active=True)

    def of_user(self, user_id: int) -> Self:
        """All of one person, the oldest first, with the person and the providers."""
        return self.filter(user_id=user_id).select_related("user", "provider").order_by("pk")

    def with_people(self) -> Self:
        """In the order of a list of names."""
        return self.select_related("user").order_by("user__name", "user_id")


class TeamQuerySet(models.QuerySet["Team"]):
    """Groups that share a queue."""

    def visible_to(self, actor: Actor) -> Self:
        """Teams of the own provider."""
        if actor.is_staff or actor.role == Role.FIELD or actor.is_system:
            return self.filter(provider_id=actor.provider_id)
        return self.none()

    def with_list_columns(self) -> Self:
        """With the number of people who can work in them."""
        active = models.Q(seats__is_active=True, seats__user__is_active=True)
        return self.annotate(member_count=models.Count("seats", filter=active)).order_by("name")


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Keys of programs."""

    def visible_to(self, actor: Actor) -> Self:
        """One's own, of the seat in use: nobody reads or ends a colleague's."""
        if actor.user_id is None or actor.provider_id is None:
            return self.none()
        return self.filter(provider_id=actor.provider_id, seat__user_id=actor.user_id)

    def usable(self, now: datetime) -> Self:
        """Not ended, of people who may still sign in for a provider that is served."""
        return self.filter(
            revoked_at__isnull=True,
            expires_at__gt=now,
            seat__is_active=True,
            seat__user__is_active=True,
            provider__is_active=True,
        )

    def kept_on_lists(self, now: datetime) -> Self:
        """Not revoked; expired ones stay until their owner has seen that."""
        return self.filter(revoked_at__isnull=True).annotate(
            has_expired=models.Q(expires_at__lte=now)
        )


class AccountEventQuerySet(models.QuerySet["AccountEvent"]):
    """What was done to people, teams and records."""

    def visible_to(self, actor: Actor) -> Self:
        """Leads of the own provider: the trail names colleagues."""
        if actor.role in {Role.SUPERVISOR, Role.ADMINISTRATOR} and actor.provider_id:
            return self.filter(provider_id=actor.provider_id)
        return self.none()
