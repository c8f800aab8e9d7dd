"""The inbox's view, filters, order and place, read from and written to the address."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import Seat, Team
from posdoctor.core.refs import ALPHABET
from posdoctor.core.scrub import scrub
from tickets.lifecycle import Priority, TicketStatus
from tickets.models import Ticket
from tickets.querysets import TicketQuerySet, Today

PAGE_ROWS = 30
# Nobody pages to here by hand; it bounds what an address can make the database skip.
LAST_START = 10_000
# A queue that one person walks with "next"; beyond it the ticket page shows no place.
WALK_LIMIT = 500
COUNT_LIMIT = 1000
_WORDS_LENGTH = 80
_LETTERS = set(ALPHABET)

VIEWS: Mapping[str, str | Promise] = {
    "mine": _("My queue"),
    "unassigned": _("Unassigned"),
    "waiting": _("Waiting on others"),
    "attention": _("Needs attention"),
    "all": _("All tickets"),
    "resolved": _("Finished"),
}
SORTS: Mapping[str, str | Promise] = {
    "queue": pgettext_lazy("sort", "Next due first"),
    "newest": pgettext_lazy("sort", "Newest first"),
    "oldest": pgettext_lazy("sort", "Oldest first"),
    "activity": pgettext_lazy("sort", "Last activity"),
}
GROUP_TITLES: Mapping[str, str | Promise] = {
    "over": pgettext_lazy("group", "Overdue"),
    "hour": pgettext_lazy("group", "Due within 1 hour"),
    "today": pgettext_lazy("group", "Due today"),
    "later": pgettext_lazy("group", "Due later"),
    "paused": pgettext_lazy("group", "Clock paused"),
    "none": pgettext_lazy("group", "No target"),
    "resolved": pgettext_lazy("group", "Fixed, to confirm"),
    "ended": pgettext_lazy("group", "Ended"),
}
DUES: Mapping[str, str | Promise] = {
    "breached": pgettext_lazy("due", "Overdue"),
    "hour": pgettext_lazy("due", "Due within 1 hour"),
    "four_hours": pgettext_lazy("due", "Due within 4 hours"),
    "today": pgettext_lazy("due", "Due today"),
}
MISSED: Mapping[str, str | Promise] = {
    "first_response": pgettext_lazy("missed", "First response late"),
    "restore": pgettext_lazy("missed", "Restored late"),
}
# Of `owner` and `team`: tickets that have none.
NOBODY = "none"
_ORDERS: Mapping[str, tuple[str, ...]] = {
    "newest": ("-opened_at", "-pk"),
    "oldest": ("opened_at", "pk"),
    "activity": ("-last_activity_at", "-pk"),
}
# Values of `status` beside the statuses themselves: every status, finished ones too.
ANY_STATUS = "any"


@dataclass(frozen=True)
class QueueFilter:
    """One list of tickets. Unknown values in an address are dropped, never an error."""

    view: str = "mine"
    symptom: str = ""
    model: str = ""
    area: str = ""
    priority: str = ""
    status: str = ""
    due: str = ""
    missed: str = ""
    owner: str = ""
    team: str = ""
    words: str = ""
    sort: str = ""
    start: int = 0

    @classmethod
    def of_inbox(cls, view: str, query: Mapping[str, str]) -> Self:
        """From the inbox's own address, whose search text is `q`."""
        return cls._read(view, query, words=query.get("q", ""))

    @classmethod
    def of_ticket(cls, query: Mapping[str, str]) -> Self | None:
        """From a ticket's address: `q` names the view it was opened from. None: from none."""
        view = query.get("q", "")
        return cls._read(view, query, words=query.get("words", "")) if view in VIEWS else None

    @classmethod
    def _read(cls, view: str, query: Mapping[str, str], *, words: str) -> Self:
        known = {"priority": set(Priority.values), "sort": set(SORTS)}
        known |= {"status": {*TicketStatus.values, ANY_STATUS}, "due": set(DUES)}
        known["missed"] = set(MISSED)
        picked = {name: query.get(name, "") for name in known}
        return cls(
            view=view,
            symptom=_plain(query.get("symptom", ""), 40),
            model=_plain(query.get("model", ""), 60),
            area=_plain(query.get("area", ""), 60),
            owner=_ref(query.get("owner", ""), "U"),
            team=_ref(query.get("team", ""), "G"),
            words=_plain(words, _WORDS_LENGTH),
            start=_whole(query.get("start", "")),
            **{name: value for name, value in picked.items() if value in known[name]},
        )

    @property
    def order(self) -> str:
        """The order in force: groups while work is listed, newest first where it has ended."""
        if self.sort and not (self.sort == "queue" and self.holds_ended):
            return self.sort
        return "newest" if self.holds_ended else "queue"

    @property
    def holds_ended(self) -> bool:
        """May hold closed tickets: without a bound, hence never counted as a whole."""
        return self.status not in {"", *_BOUNDED} or (self.view == "resolved" and not self.status)

    @property
    def is_narrowed(self) -> bool:
        """A filter is on."""
        return any(getattr(self, name) for name in _NARROWING)

    def matching(self, actor: Actor, today: Today) -> TicketQuerySet:
        """The tickets of this list that the actor may see, in no order."""
        rows = self._of_view(Ticket.objects.visible_to(actor), actor)
        exact = {
            "symptom": self.symptom,
            "terminal__model__slug": self.model,
            "store__area": self.area,
            "priority": self.priority,
            "status": "" if self.status == ANY_STATUS else self.status,
            "assignee__ref": "" if self.owner == NOBODY else self.owner,
            "team__ref": "" if self.team == NOBODY else self.team,
        }
        rows = rows.filter(**{name: value for name, value in exact.items() if value})
        if self.owner == NOBODY:
            rows = rows.unassigned()
        if self.team == NOBODY:
            rows = rows.filter(team__isnull=True)
        if self.due:
            rows = rows.due(self.due, today)
        if self.missed:
            rows = rows.missed(self.missed, today.now)
        return rows.matching(self.words, actor) if self.words else rows

    def ordered(self, actor: Actor, today: Today) -> TicketQuerySet:
        """The same in the order of the list, with `place`."""
        rows = self.matching(actor, today).in_groups(today)
        return rows.group_order() if self.order == "queue" else rows.order_by(*_ORDERS[self.order])

    def named(self, actor: Actor) -> tuple[Self, dict[str, str]]:
        """Without an owner or team that the actor's provider does not have; the others' names."""
        names = {}
        if self.owner and self.owner != NOBODY:
            seats = Seat.objects.visible_to(actor).filter(user__ref=self.owner)
            names["owner"] = seats.values_list("user__name", flat=True).first() or ""
        if self.team and self.team != NOBODY:
            team = Team.objects.visible_to(actor).filter(ref=self.team).first()
            names["team"] = str(team.label) if team else ""
        unknown = {name: "" for name, words in names.items() if not words}
        return replace(self, **unknown) if unknown else self, names  # type: ignore[arg-type]

    def _of_view(self, rows: TicketQuerySet, actor: Actor) -> TicketQuerySet:
        if self.view == "resolved":
            return rows.finished()
        if not self.status:  # a status that is asked for may be one of the finished ones
            rows = rows.working()
        if self.view == "mine":
            return rows.of_user(actor.user_id)
        if self.view == "unassigned":
            return rows.unassigned()
        if self.view == "waiting":
            return rows.waiting()
        return rows.needing_attention() if self.view == "attention" else rows

    def change(self, **values: str | int) -> Self:
        """The same list with other values, from its beginning."""
        return replace(self, **{"start": 0, **values})  # type: ignore[arg-type]

    def inbox_query(self) -> str:
        """`?symptom=…` for the inbox; empty where nothing is set."""
        return self._query({"q": self.words, "start": self.start or ""})

    def ticket_query(self) -> str:
        """`?q=mine&symptom=…` for tickets opened from this list."""
        return self._query({"q": self.view, "words": self.words})

    def _query(self, extra: Mapping[str, str | int]) -> str:
        values = {name: getattr(self, name) for name in (*_NARROWING, "sort") if name != "words"}
        kept = {name: value for name, value in {**extra, **values}.items() if value}
        return f"?{urlencode(kept)}" if kept else ""


_NARROWING = (
    "symptom", "model", "area", "priority", "status", "due", "missed", "owner", "team", "words",
)  # fmt: skip
# Statuses that a ticket leaves again soon: sets of them stay small enough to count.
_BOUNDED = frozenset(
    {"new", "open", "wait_merchant", "wait_vendor", "dispatched", "on_site", "resolved"}
)


def _plain(text: str, length: int) -> str:
    """Typed text as one line that the database takes.

    SECURITY: it may hold a card number, which is masked before anything shows it,
    and before it is cut: the rest of a card would look like no card.
    """
    return scrub(" ".join(text.replace("\x00", "").split()))[:length]


def _ref(text: str, letter: str) -> str:
    """A reference of this kind, or `none`; empty for anything else."""
    if text == NOBODY:
        return text
    is_ref = text.startswith(f"{letter}-") and 0 < len(text[2:]) <= 8 and set(text[2:]) <= _LETTERS
    return text if is_ref else ""


def _whole(text: str) -> int:
    """A row number; 0 for anything else."""
    return min(int(text), LAST_START) if text.isdecimal() and len(text) < 9 else 0
