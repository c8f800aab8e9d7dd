"""Sets of calendars and policies, bounded by who asks."""

from typing import Self, TypeVar

from django.db import models

from posdoctor.accounts.actor import Actor

_Row = TypeVar("_Row", bound=models.Model)


class PromiseRows(models.QuerySet[_Row]):
    """Rows of one provider that its staff may read."""

    def visible_to(self, actor: Actor) -> Self:
        """Of the own provider, for its staff."""
        if actor.is_staff or actor.is_system:
            return self.filter(provider_id=actor.provider_id)
        return self.none()
