"""What the tests of deliveries plan, and a clock that they move."""

from datetime import datetime, timedelta
from typing import Any

from posdoctor.accounts.models import Provider, User
from posdoctor.notifications import actions
from posdoctor.notifications.models import Delivery
from tests.builders import T0

FACTS = {
    "ref": "T-AAAAAA",
    "title": "刷卡提示“通讯超时”，两台都收不了款",
    "store": "老王川菜馆（建设路店）",
    "actor": "李婷",
}
CLOCK_FACTS = {
    **{name: FACTS[name] for name in ("ref", "title", "store")},
    "promise": "first_response",
    "level": 75,
    "due_at": "2026-11-20T08:30:00+00:00",
    "owner": "周敏",
}


def plan(provider: Provider, *people: User | None, **fields: Any) -> int:
    """Tells these people that a ticket is theirs."""
    values: dict[str, Any] = {
        "provider_id": provider.pk,
        "source": "event:1",
        "kind": "ticket.assigned",
        "recipients": [person.pk for person in people if person],
        "data": FACTS,
        "url": "/desk/t/T-AAAAAA/",
        "now": T0,
        **fields,
    }
    return actions.plan(**values)


def mail_to(provider: Provider, person: User | None, **fields: Any) -> Delivery:
    """A planned mail, as the sender finds it."""
    plan(provider, person, **{"channels": ["email"], **fields})
    return Delivery.objects.latest("pk")


class MovedClock:
    """`now` for senders: stands still until it is moved."""

    def __init__(self) -> None:
        self.at = T0

    def __call__(self) -> datetime:
        return self.at

    def move(self, **span: float) -> None:
        self.at += timedelta(**span)
