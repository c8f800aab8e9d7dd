"""Sets of tickets and their parts, each bounded by who asks."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from django.apps import apps as django_apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce, Least

from merchants.models import Contact, Merchant
from merchants.querysets import MerchantRows
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from terminals.models import Terminal
from tickets.lifecycle import CLOSE_AFTER_SILENCE, ENDED, WORKING, TicketStatus
from tickets.sla import clock as rules
from tickets.sla.models import Clock, ClockState, Promise
from tickets.sla.shown import FACE_COLUMNS, with_calendars

if TYPE_CHECKING:
    from tickets.models import Attachment, Message, Ticket, TicketEvent, TriedFix

# Ids looked up before the ticket query: an IN list of ids can use each index of the OR,
# a subquery inside an OR cannot.
_MATCH_LIMIT = 500

# Headings of the inbox, in their order. The first four go by the due time; `in_groups` counts
# their borders.
GROUPS = ("over", "hour", "today", "later", "paused", "none", "resolved", "ended")
_HOUR, _MOMENT = timedelta(hours=1), timedelta(microseconds=1)
# Values of `due` in an address: up to when, beside the end of the day.
_DUE_WITHIN = {"hour": _HOUR, "four_hours": timedelta(hours=4)}


@dataclass(frozen=True)
class Today:
    """The moment that lists are judged at, and when the reader's day ends."""

    now: datetime
    ends_at: datetime

    @classmethod
    def at(cls, now: datetime, zone: str) -> Self:
        """`zone` is the name of the zone that the reader's times are in."""
        here = ZoneInfo(zone)
        tomorrow = now.astimezone(here).date() + timedelta(days=1)
        return cls(now, datetime.combine(tomorrow, time(), here))


class TicketRow(NamedTuple):
    """What a list shows of a ticket. A page reads thirty: whole tickets with all that they
    belong to take ten times as long to make.

    `first_clock` and `restore_clock` are FACE_COLUMNS, all None where nothing is promised;
    `place` is set after `in_groups`, the sizes after `with_sizes`.
    """

    pk: int
    ref: str
    title: str
    status: str
    priority: str
    wait_for: str
    attention_at: datetime | None
    last_activity_at: datetime
    opened_at: datetime
    last_words: str
    assignee_id: int | None
    assignee_name: str | None
    store_name: str
    serial: str
    vendor: str
    vendor_zh: str
    model_name: str
    step_count: int
    attachment_count: int
    first_clock: tuple[Any, ...]
    restore_clock: tuple[Any, ...]
    place: int = 0
    group_size: int = 0
    list_size: int = 0

    @property
    def recent_words(self) -> str:
        """The last words, without the first line where that is the subject already."""
        return self.last_words.removeprefix(self.title).strip()

    @property
    def has_ended(self) -> bool:
        """Resolved, closed, cancelled or merged."""
        return self.status in ENDED

    @property
    def clocks(self) -> dict[rules.Promise, tuple[Any, ...]]:
        """The clocks that there are."""
        first, restore = rules.Promise.FIRST_RESPONSE, rules.Promise.RESTORE
        both = {first: self.first_clock, restore: self.restore_clock}
        return {promise: columns for promise, columns in both.items() if columns[0] is not None}


# In the order of TicketRow, up to its clocks.
_ROW_COLUMNS = (
    "pk", "ref", "title", "status", "priority", "wait_for", "attention_at", "last_activity_at",
    "opened_at", "last_words", "assignee_id", "assignee__name", "store__name", "terminal__serial",
    "terminal__model__vendor", "terminal__model__vendor_zh", "terminal__model__name",
    "step_count", "attachment_count",
)  # fmt: skip
_FIRST_CLOCK = tuple(f"first_clock__{name}" for name in FACE_COLUMNS)
_LIST_COLUMNS = ("place", "group_size", "list_size")
_RESTORE_CLOCK = tuple(f"restore_clock__{name}" for name in FACE_COLUMNS)


def _rank() -> models.Case:
    """Urgent first."""
    names = ["urgent", "high", "normal"]
    whens = [models.When(priority=name, then=place) for place, name in enumerate(names)]
    return models.Case(*whens, default=len(names))


def _clock(promise: Promise) -> models.FilteredRelation:
    """The clock of one promise: at most one row a ticket, by the key (ticket, promise)."""
    return models.FilteredRelation("clocks", condition=Q(clocks__promise=promise))


def _due_while_running(name: str) -> models.Case:
    return models.Case(
        models.When(**{f"{name}__state": ClockState.RUNNING, "then": models.F(f"{name}__due_at")})
    )


def _stopped_late(name: str) -> Q:
    return Q(
        **{
            f"{name}__state": ClockState.PAUSED,
            f"{name}__stopped_at__gt": models.F(f"{name}__due_at"),
        }
    )


def _is_paused() -> Q:
    return Q(first_clock__state=ClockState.PAUSED) | Q(restore_clock__state=ClockState.PAUSED)


def _place(name: str) -> models.Value:
    return models.Value(GROUPS.index(name))


def _broken_clocks(now: datetime) -> models.QuerySet[Clock]:
    """Of the ticket outside: broken, or overdue and the tick has not noted it yet."""
    broken = Q(breached_at__isnull=False) | Q(state=ClockState.RUNNING, due_at__lt=now)
    return Clock.objects.filter(broken, ticket_id=models.OuterRef("pk"))


@lru_cache
def _count_of(model: str, column: str, of: str) -> Coalesce:
    """How many rows of `model` (its label) point at this one; worked out per row shown."""
    manager = django_apps.get_model(model)._default_manager  # noqa: SLF001 - Django's documented name
    rows = (
        manager.filter(**{column: models.OuterRef(of)})
        .order_by()
        .values(column)
        .annotate(n=models.Count("pk"))
        .values("n")
    )
    return Coalesce(models.Subquery(rows), 0)


class TicketQuerySet(MerchantRows["Ticket"]):
    """Reports and the work on them."""

    def visible_to(self, actor: Actor) -> Self:
        """As rows of a merchant. Field: own jobs. Reporter: the one ticket it proved."""
        if actor.role == Role.FIELD and actor.user_id is not None:
            return self.filter(provider_id=actor.provider_id, assignee_id=actor.user_id)
        if actor.role == Role.REPORTER and actor.ticket_id is not None:
            return self.filter(pk=actor.ticket_id, provider_id=actor.provider_id)
        return super().visible_to(actor)

    def by_track_token(self, token: str) -> Self:
        """The ticket behind a status link; the view still asks for proof."""
        return self.filter(track_token=token, provider__is_active=True)

    def lock(self, pk: int) -> "Ticket":
        """The row, locked until the transaction ends. Raises DoesNotExist."""
        return self.select_for_update(of=("self",)).get(pk=pk)

    def working(self) -> Self:
        """Not resolved, closed, cancelled or merged."""
        return self.filter(status__in=WORKING)

    def of_user(self, user_id: int | None) -> Self:
        """Owned by this person."""
        return self.filter(assignee_id=user_id)

    def unassigned(self) -> Self:
        """Nobody owns them, whatever the team."""
        return self.filter(assignee__isnull=True)

    def waiting(self) -> Self:
        """Their work is stopped until somebody else answers."""
        return self.filter(status__in=[TicketStatus.WAIT_MERCHANT, TicketStatus.WAIT_VENDOR])

    def finished(self) -> Self:
        """Resolved, closed, cancelled or merged."""
        return self.filter(status__in=ENDED)

    def needing_attention(self) -> Self:
        """Somebody at the desk has to look: the merchant wrote, a reminder came."""
        return self.filter(attention_at__isnull=False)

    def opened_since(self, moment: datetime) -> Self:
        """Reported at or after `moment`."""
        return self.filter(opened_at__gte=moment)

    def silent_since_resolved(self, now: datetime) -> Self:
        """Resolved, and the merchant said nothing for 72 hours: to be closed."""
        return self.filter(status=TicketStatus.RESOLVED, resolved_at__lte=now - CLOSE_AFTER_SILENCE)

    def reminder_due(self, now: datetime) -> Self:
        """Waiting tickets whose reminder has come."""
        return self.filter(remind_at__lte=now)

    def matching(self, text: str, actor: Actor) -> Self:
        """By reference, serial, terminal number, sticker, phone or merchant name.

        `text` is as typed. Call on a set that is already bounded by `visible_to(actor)`.
        """
        typed = text.strip()
        if not typed:
            return self.none()
        terminals = Terminal.objects.visible_to(actor).matching(typed)
        merchants = Merchant.objects.visible_to(actor).named_like(typed)
        found = (
            Q(ref=typed.upper())
            | Q(terminal_id__in=list(terminals.values_list("pk", flat=True)[:_MATCH_LIMIT]))
            | Q(merchant_id__in=list(merchants.values_list("pk", flat=True)[:_MATCH_LIMIT]))
        )
        digits = "".join(character for character in typed if character.isdigit())
        if len(digits) >= 4 and len(digits) >= len(typed.replace(" ", "").replace("-", "")) - 1:
            contacts = Contact.objects.visible_to(actor).filter(phone__contains=digits)
            found |= Q(contact_phone__contains=digits) | Q(
                merchant_id__in=list(contacts.values_list("merchant_id", flat=True)[:_MATCH_LIMIT])
            )
        return self.filter(found)

    def with_list_columns(self) -> Self:
        """With everything that a row of a list shows: no query per row."""
        return (
            self.select_related("store", "terminal__model", "assignee").with_clocks().with_counts()
        )

    def with_counts(self) -> Self:
        """Annotates how many files hang on a ticket and how many steps its walk had."""
        # Subqueries, not joins: a join would group the whole set before LIMIT takes fifty rows.
        return self.annotate(
            attachment_count=_count_of("tickets.Attachment", "ticket_id", "pk"),
            step_count=_count_of("diagnostics.DiagnosisStep", "run_id", "run_id"),
        )

    def rows(self, start: int, stop: int) -> list[TicketRow]:
        """This part of an ordered set, as a list shows it: one query."""
        own = [name for name in _LIST_COLUMNS if name in self.query.annotations]
        found = self.with_next_due().with_counts()
        columns = (*_ROW_COLUMNS, *_FIRST_CLOCK, *_RESTORE_CLOCK, *own)
        first, restore = len(_ROW_COLUMNS), len(_ROW_COLUMNS) + len(FACE_COLUMNS)
        rest, absent = restore + len(FACE_COLUMNS), (0,) * (len(_LIST_COLUMNS) - len(own))
        return [
            TicketRow._make(
                (*row[:first], row[first:restore], row[restore:rest], *row[rest:], *absent)
            )
            for row in found.values_list(*columns)[start:stop]
        ]

    def with_clocks(self) -> Self:
        """With the clocks and their calendars, as their faces need them."""
        return self.prefetch_related(models.Prefetch("clocks", queryset=with_calendars()))

    def with_next_due(self) -> Self:
        """Annotates `next_due_at`: when the next running clock is due; null where none is."""
        if "next_due_at" in self.query.annotations:
            return self
        # Two joins to one row each: a subquery would run once for every place that names it.
        return self.annotate(
            first_clock=_clock(Promise.FIRST_RESPONSE), restore_clock=_clock(Promise.RESTORE)
        ).annotate(
            # LEAST of PostgreSQL leaves nulls out.
            next_due_at=Least(
                _due_while_running("first_clock"), _due_while_running("restore_clock")
            )
        )

    def due(self, within: str, today: Today) -> Self:
        """By the next running clock: `breached`, or still to come within `hour`, `four_hours`,
        `today`. A clock that was stopped after its due time is `breached` too: waiting for the
        merchant must not hide it.
        """
        rows = self.with_next_due()
        if within == "breached":
            late = Q(next_due_at__lt=today.now)
            return rows.filter(late | _stopped_late("first_clock") | _stopped_late("restore_clock"))
        if within == "today":
            return rows.filter(next_due_at__gte=today.now, next_due_at__lt=today.ends_at)
        until = today.now + _DUE_WITHIN[within]
        return rows.filter(next_due_at__gte=today.now, next_due_at__lte=until)

    def due_before(self, moment: datetime) -> Self:
        """Unfinished, and the next running clock is due before then; overdue ones too."""
        return self.working().with_next_due().filter(next_due_at__lt=moment)

    def missed(self, promise: str, now: datetime) -> Self:
        """This promise was broken, or is broken and the tick has not noted it yet."""
        return self.filter(models.Exists(_broken_clocks(now).filter(promise=promise)))

    def with_promises_broken(self, now: datetime) -> Self:
        """Any promise was broken, as `missed` says it."""
        return self.filter(models.Exists(_broken_clocks(now)))

    def with_promises_kept(self, now: datetime) -> Self:
        """The others: nothing was broken so far, or nothing was promised."""
        return self.exclude(models.Exists(_broken_clocks(now)))

    def with_page_columns(self) -> Self:
        """With what a page about one ticket shows. The flow's document stays in the database:
        `FlowVersion.flow` reads it once a process. Another ticket that this one follows or went
        into is rare, and read where it is named.
        """
        return self.select_related(
            "provider", "merchant", "store", "terminal__model", "assignee", "team",
            "run__flow_version",
        ).defer("run__flow_version__document")  # fmt: skip

    def with_summary_columns(self) -> Self:
        """With what one line about an earlier ticket shows, and nothing else."""
        return self.select_related("terminal__model", "run__flow_version").only(
            "ref", "title", "opened_at", "status", "cause",
            "terminal__serial", "terminal__model__vendor", "terminal__model__vendor_zh",
            "terminal__model__name", "run__flow_version__digest",
        )  # fmt: skip

    def in_groups(self, today: Today) -> Self:
        """Annotates `place`: the number in GROUPS of the heading that a ticket stands under."""
        soon = today.now + _HOUR + _MOMENT
        borders = [today.now, soon, max(soon, today.ends_at)]
        # The due time is worked out once in it, not once for each heading.
        by_time = models.Func(
            models.F("next_due_at"),
            models.Value(borders, output_field=ArrayField(models.DateTimeField())),
            function="width_bucket",
            output_field=models.IntegerField(),
        )
        return self.with_next_due().annotate(
            place=models.Case(
                models.When(status=TicketStatus.RESOLVED, then=_place("resolved")),
                models.When(~Q(status__in=WORKING), then=_place("ended")),
                models.When(next_due_at__isnull=False, then=by_time),
                models.When(_is_paused(), then=_place("paused")),
                default=_place("none"),
                output_field=models.IntegerField(),
            )
        )

    def with_sizes(self) -> Self:
        """Annotates how many stand under the same heading (`group_size`) and in the whole list
        (`list_size`), whatever part of it is read then. Call after `in_groups`.
        """
        return self.annotate(
            group_size=models.Window(models.Count("pk"), partition_by=[models.F("place")]),
            list_size=models.Window(models.Count("pk")),
        )

    def group_order(self) -> Self:
        """Group by group, each by due time, priority and age. Call after `in_groups`."""
        due = models.F("next_due_at").asc(nulls_last=True)
        return self.order_by("place", due, _rank(), "opened_at", "pk")


class MessageQuerySet(models.QuerySet["Message"]):
    """The conversation."""

    def visible_to(self, actor: Actor) -> Self:
        """Notes are for staff and field engineers only.

        SECURITY: everything that shows messages to a merchant goes through here.
        """
        from tickets.models import Ticket  # noqa: PLC0415 - models import this module

        mine = self.filter(ticket_id__in=Ticket.objects.visible_to(actor).values("pk"))
        if actor.is_staff or actor.role == Role.FIELD or actor.is_system:
            return mine
        return mine.exclude(kind="note")


class TicketEventQuerySet(models.QuerySet["TicketEvent"]):
    """The time line. Staff only: a merchant's stages are worked out from the ticket."""

    def visible_to(self, actor: Actor) -> Self:
        from tickets.models import Ticket  # noqa: PLC0415 - models import this module

        if not (actor.is_staff or actor.role == Role.FIELD or actor.is_system):
            return self.none()
        return self.filter(ticket_id__in=Ticket.objects.visible_to(actor).values("pk"))


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    """Photos and files."""

    def visible_to(self, actor: Actor) -> Self:
        """Like the message they hang on; those of a draft only to the browser that owns it."""
        from tickets.models import Ticket  # noqa: PLC0415 - models import this module

        own = self.filter(ticket_id__in=Ticket.objects.visible_to(actor).values("pk"))
        if not (actor.is_staff or actor.role == Role.FIELD or actor.is_system):
            own = own.exclude(message__kind="note")
        if actor.role == Role.REPORTER and actor.run_id is not None:
            return own | self.filter(
                draft__run_id=actor.run_id, provider_id=actor.provider_id, ticket__isnull=True
            )
        return own


class TriedFixQuerySet(models.QuerySet["TriedFix"]):
    """What staff tried."""

    def visible_to(self, actor: Actor) -> Self:
        """Staff and the engineer who has the job; a merchant's page shows no attempts."""
        from tickets.models import Ticket  # noqa: PLC0415 - models import this module

        if not (actor.is_staff or actor.role == Role.FIELD or actor.is_system):
            return self.none()
        return self.filter(ticket_id__in=Ticket.objects.visible_to(actor).values("pk"))
