"""What every page's frame needs: theme, languages, provider, what the actor may do."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import get_language

from posdoctor.accounts.actor import NOBODY, Actor
from posdoctor.accounts.models import User
from posdoctor.accounts.policies import Permission, may
from posdoctor.core.forms import masked_query


class May:
    """`may.ticket_resolve` in a template: hides buttons; the action decides."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def __getitem__(self, name: str) -> bool:
        try:
            return may(self._actor, Permission(name))
        except ValueError as error:
            raise KeyError(name) from error


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context of the frame. Costs no query for a visitor without a session."""
    user = getattr(request, "user", None)
    actor = getattr(request, "actor", NOBODY)
    seat = getattr(request, "seat", None) if isinstance(user, User) else None
    other = "en" if (get_language() or "").startswith("zh") else "zh-hans"
    # SECURITY: the address holds what was typed into a search; a page never repeats a card.
    query = masked_query(request.GET)
    query["lang"] = other
    return {
        "actor": actor,
        "may": May(actor),
        "seat": seat,
        "user_ref": user.ref if isinstance(user, User) else "",
        "provider": seat.provider if seat else None,
        "theme": user.theme if isinstance(user, User) else "",
        "has_shortcuts": user.has_shortcuts if isinstance(user, User) else False,
        "other_language": other,
        "other_language_label": "EN" if other == "en" else "中文",
        # A page that answers a POST (a form with errors) is asked again with GET.
        "other_language_url": f"?{query.urlencode()}",
    }
