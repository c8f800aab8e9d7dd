"""One ticket's life as rows: each deed writes what `tickets.actions` would have written.

Moves are checked against `tickets.lifecycle`, so that no history can hold a step that the
product would refuse. Times are whole seconds since 1970 UTC.
"""

from dataclasses import dataclass, field
from typing import Any

from posdoctor.accounts.actor import Actor, reporter, system
from tickets.estate.people import Machine, actor_cells
from tickets.estate.promises import Book, Clocks
from tickets.estate.rows import (
    FALSE,
    NULL,
    TRUE,
    Sheet,
    clean,
    document,
    moment,
    number,
    plain,
    stamp,
    words,
)
from tickets.events import EventKind
from tickets.lifecycle import ENDED, Move, TicketStatus, can
from tickets.models import Message, Ticket, TicketEvent

_S = TicketStatus
_SENT_AFTER = 3
SYSTEM = system()

TICKET_COLUMNS = (
    "id provider_id ref track_token merchant_id store_id terminal_id run_id symptom title source "
    "language status priority impact terminals_down is_security contact_name contact_phone "
    "assignee_id team_id wait_for remind_at attention_at opened_at first_reply_at "
    "last_activity_at last_words resolved_at closed_at reopened_count cause certainty fixed_by "
    "proof resolution_note previous_id merged_into_id"
)
EVENT_COLUMNS = (
    "provider_id ticket_id kind actor_user_id actor_name actor_role via data occurred_at "
    "dispatched_at"
)
MESSAGE_COLUMNS = "id provider_id ticket_id kind author_id author_name body created_at"


class Desk:
    """The tables that a story is written into: its own three, and those of its clocks."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.tickets = Sheet(Ticket, TICKET_COLUMNS)
        self.events = Sheet(TicketEvent, EVENT_COLUMNS)
        self.messages = Sheet(Message, MESSAGE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Ending:
    """What a resolution says."""

    cause: str
    certainty: str
    fixed_by: str
    proof: str
    note: str


@dataclass(eq=False)
class Story:
    """One ticket. `previous` and `run_id` are set before `report`, the rest by the deeds."""

    desk: Desk
    machine: Machine
    ref: str
    track_token: str
    symptom: str
    language: str
    # What the words are about: the symptom even where nothing was checked, and the real cause.
    topic: str
    cause: str
    run_id: int | None = None
    previous: "Story | None" = None
    id: int = field(init=False)
    clocks: Clocks = field(init=False)
    at: int = 0
    title: str = ""
    source: str = Ticket.Source.STICKER
    status: str = _S.NEW
    priority: str = ""
    impact: str = ""
    terminals_down: int = 1
    is_security: bool = False
    assignee: Actor | None = None
    team_id: int | None = None
    wait_for: str = ""
    remind_at: int | None = None
    attention_at: int | None = None
    opened_at: int = 0
    first_reply_at: int | None = None
    last_words: str = ""
    resolved_at: int | None = None
    closed_at: int | None = None
    reopened_count: int = 0
    ending: Ending | None = None
    merged_into: "Story | None" = None
    first_message: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.id = self.desk.tickets.new_id()
        self.clocks = Clocks(self.desk.book, self.machine.shop.crew.id, self.id)

    # --- Parts ---------------------------------------------------------------------------

    def _move(self, move: Move, status: TicketStatus, at: int) -> None:
        if not can(move, self.status):
            raise ValueError(f"{self.ref}: no {move} from {self.status}")
        self.status = status
        if status not in {_S.WAIT_MERCHANT, _S.WAIT_VENDOR}:
            self.wait_for, self.remind_at = "", None
        self.clocks.moved(move, status, at)

    def _record(self, kind: EventKind, actor: Actor, at: int, **data: Any) -> None:
        if at < self.at:
            raise ValueError(f"{self.ref}: {kind} goes back in time")
        self.at = at
        self.desk.events.add(
            str(self.machine.shop.crew.id), str(self.id), kind.value, *actor_cells(actor),
            actor.via, document(data) if data else "{}", stamp(at), stamp(at + _SENT_AFTER),
        )  # fmt: skip

    def _say(self, kind: str, author: Actor, name: str, body: str, at: int) -> int:
        message_id = self.desk.messages.new_id()
        self.desk.messages.add(
            str(message_id), str(self.machine.shop.crew.id), str(self.id), kind,
            number(author.user_id), words(name), words(body), stamp(at),
        )  # fmt: skip
        return message_id

    @property
    def merchant(self) -> Actor:
        """Who speaks for the shop: the person signed in, or the holder of the status link."""
        shop = self.machine.shop
        return shop.member or reporter(provider_id=shop.crew.id)

    # --- Deeds ---------------------------------------------------------------------------

    def report(self, actor: Actor, note: str, at: int, **data: Any) -> None:
        """Files it; the first words become its title."""
        self.opened_at = self.at = self.attention_at = at
        self.clocks.start(self.priority, at)
        self.title = note[:80]
        self.last_words = note[:200]
        self._record(EventKind.REPORTED, actor, at, **data)
        name = self.machine.shop.contact_name
        written = self._say(Message.Kind.MERCHANT, Actor(), name, note, at)
        self.first_message = (written, at)

    def assign(self, actor: Actor, to: Actor | None, team: tuple[int, str] | None, at: int) -> None:
        """Gives it to a person, a team or both; a person takes it up."""
        self.assignee, self.team_id = to, team[0] if team else None
        self._record(
            EventKind.ASSIGNED, actor, at,
            user=to.user_id if to else None, user_name=to.name if to else "",
            team=self.team_id, team_name=team[1] if team else "",
        )  # fmt: skip
        if to and self.status == _S.NEW:
            self._move(Move.OPEN, _S.OPEN, at)
            self._record(EventKind.OPENED, actor, at)

    def reply(self, actor: Actor, body: str, at: int) -> None:
        """Answers in public."""
        written = self._say(Message.Kind.REPLY, actor, actor.name, body, at)
        if self.status == _S.NEW:
            self._move(Move.OPEN, _S.OPEN, at)
            self._record(EventKind.OPENED, actor, at)
        if self.first_reply_at is None:
            self.first_reply_at = at
            self.clocks.replied(at, EventKind.REPLIED)
        self.attention_at = None
        self.last_words = body[:200]
        self._record(EventKind.REPLIED, actor, at, message=written)

    def note(self, actor: Actor, body: str, at: int) -> None:
        """Writes an internal note."""
        written = self._say(Message.Kind.NOTE, actor, actor.name, body, at)
        self._record(EventKind.NOTED, actor, at, message=written)

    def add_words(self, body: str, at: int) -> None:
        """The merchant writes: it reopens what was resolved and resumes what waited."""
        actor, name = self.merchant, self.machine.shop.contact_name
        written = self._say(Message.Kind.MERCHANT, actor, name, body, at)
        self._record(EventKind.MERCHANT_WROTE, actor, at, message=written)
        if self.status == _S.RESOLVED:
            self._reopen(actor, at)
        elif self.status == _S.WAIT_MERCHANT:
            self._move(Move.RESUME, _S.OPEN, at)
            self._record(EventKind.RESUMED, actor, at)
        self.attention_at = at
        self.last_words = body[:200]

    def _reopen(self, actor: Actor, at: int) -> None:
        assert self.ending is not None
        self._move(Move.REOPEN, _S.OPEN, at)
        data = {"cause": self.ending.cause, "fixed_by": self.ending.fixed_by}
        self._record(EventKind.REOPENED, actor, at, **data)
        self.resolved_at = self.ending = None
        self.reopened_count += 1

    def wait(self, actor: Actor, wait_for: str, at: int, remind_at: int | None = None) -> None:
        """Stops the work until the merchant or a supplier answers."""
        status = _S.WAIT_MERCHANT if wait_for == "merchant" else _S.WAIT_VENDOR
        self._move(Move.WAIT, status, at)
        self.wait_for, self.remind_at, self.attention_at = wait_for, remind_at, None
        remind = moment(remind_at).isoformat() if remind_at else None
        self._record(EventKind.WAITING, actor, at, wait_for=wait_for, remind_at=remind)

    def resume(self, actor: Actor, at: int) -> None:
        """The supplier answered."""
        self._move(Move.RESUME, _S.OPEN, at)
        self._record(EventKind.RESUMED, actor, at)

    def dispatch(self, actor: Actor, engineer: Actor, at: int) -> None:
        """Books a visit."""
        self._move(Move.DISPATCH, _S.DISPATCHED, at)
        self.assignee, self.attention_at = engineer, None
        data = {"user": engineer.user_id, "user_name": engineer.name}
        self._record(EventKind.DISPATCHED, actor, at, **data)

    def arrive(self, engineer: Actor, at: int) -> None:
        """The engineer stands in the shop."""
        self._move(Move.ARRIVE, _S.ON_SITE, at)
        self._record(EventKind.ARRIVED, engineer, at)

    def leave(self, engineer: Actor, reason: str, at: int) -> None:
        """The visit ended without a fix."""
        self._move(Move.LEAVE, _S.OPEN, at)
        self.attention_at = at
        self._record(EventKind.LEFT, engineer, at, reason=clean(reason))

    def set_priority(self, actor: Actor, priority: str, reason: str, at: int) -> None:
        """Changes the priority, with a reason."""
        data = {"before": self.priority, "after": priority, "reason": clean(reason)}
        self.priority = priority
        self.clocks.retarget(priority, at, EventKind.PRIORITY_CHANGED)
        self._record(EventKind.PRIORITY_CHANGED, actor, at, **data)

    def resolve(self, actor: Actor, ending: Ending, at: int) -> None:
        """Says what it was and how it was seen to work."""
        self._move(Move.RESOLVE, _S.RESOLVED, at)
        self.ending, self.resolved_at, self.attention_at = ending, at, None
        self._record(
            EventKind.RESOLVED, actor, at, cause=ending.cause, certainty=ending.certainty,
            fixed_by=ending.fixed_by, proof=ending.proof,
        )  # fmt: skip

    def confirm(self, at: int) -> None:
        """The merchant says that it works."""
        self._move(Move.CONFIRM, _S.CLOSED, at)
        self.closed_at = at
        self._record(EventKind.CONFIRMED, self.merchant, at)

    def close_silent(self, at: int) -> None:
        """Three days without a word."""
        self._move(Move.AUTOCLOSE, _S.CLOSED, at)
        self.closed_at = at
        self._record(EventKind.CLOSED, SYSTEM, at)

    def cancel(self, actor: Actor, reason: str, at: int) -> None:
        """No more work is needed."""
        self._move(Move.CANCEL, _S.CANCELLED, at)
        self.closed_at, self.attention_at = at, None
        self._record(EventKind.CANCELLED, actor, at, reason=clean(reason))

    def merge_into(self, target: "Story", actor: Actor, at: int) -> None:
        """Ends as a double of `target`."""
        if target.status in ENDED:
            raise ValueError(f"{target.ref} has ended")
        self._move(Move.MERGE, _S.MERGED, at)
        self.merged_into, self.closed_at, self.attention_at = target, at, None
        self._record(EventKind.MERGED, actor, at, into=target.ref)
        target.took_in(self, actor, at)

    def took_in(self, double: "Story", actor: Actor, at: int) -> None:
        """A double ended in this one."""
        self._record(EventKind.MERGED, actor, max(at, self.at), other=double.ref)
        self.attention_at = self.at

    def followed_up(self, fresh: "Story", at: int) -> None:
        """A linked new ticket was filed. Leaves the last activity as it is, like the product."""
        before = self.at
        self._record(EventKind.FOLLOWED_UP, self.merchant, at, ticket=fresh.ref)
        self.at = before

    # --- The row -------------------------------------------------------------------------

    def finish(self, until: int) -> None:
        """Writes the rows of the ticket and its clocks; nothing may happen to it afterwards.

        `until` is the newest moment of the data: what clocks reached before it was told.
        """
        self.clocks.finish(until)
        shop, end = self.machine.shop, self.ending
        resolution = (
            (end.cause, end.certainty, end.fixed_by, end.proof, words(end.note))
            if end
            else ("", "", "", "", "")
        )
        self.desk.tickets.add(
            str(self.id), str(shop.crew.id), self.ref, self.track_token, str(shop.merchant_id),
            str(shop.store_id), str(self.machine.id), number(self.run_id), self.symptom,
            words(self.title), plain(self.source), self.language, str(self.status), self.priority,
            self.impact, str(self.terminals_down), TRUE if self.is_security else FALSE,
            words(shop.contact_name), shop.contact_phone,
            number(self.assignee.user_id if self.assignee else None), number(self.team_id),
            self.wait_for, stamp(self.remind_at), stamp(self.attention_at), stamp(self.opened_at),
            stamp(self.first_reply_at), stamp(self.at), words(self.last_words),
            stamp(self.resolved_at), stamp(self.closed_at), str(self.reopened_count), *resolution,
            number(self.previous.id) if self.previous else NULL,
            number(self.merged_into.id) if self.merged_into else NULL,
        )  # fmt: skip
