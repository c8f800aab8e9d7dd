"""Calendars, policies, clocks and what they raised: every future moment is a row here.

Tickets are named by string only: a clock changes in the transaction of its ticket, and
tickets.actions, which locks the ticket, calls tickets.sla.actions.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull
from django.utils.translation import pgettext_lazy

from posdoctor.accounts.models import Provider, in_reader_language
from posdoctor.core.fields import FreeCharField
from posdoctor.core.refs import new_ref
from tickets.lifecycle import Priority
from tickets.sla import clock as rules
from tickets.sla.querysets import PromiseRows


class Promise(models.TextChoices):
    """What is promised; one clock each."""

    FIRST_RESPONSE = rules.Promise.FIRST_RESPONSE.value, pgettext_lazy("promise", "First response")
    RESTORE = rules.Promise.RESTORE.value, pgettext_lazy("promise", "Restore")


class ClockState(models.TextChoices):
    """Only a running clock moves."""

    RUNNING = rules.State.RUNNING.value, pgettext_lazy("clock", "Running")
    PAUSED = rules.State.PAUSED.value, pgettext_lazy("clock", "Paused")
    MET = rules.State.MET.value, pgettext_lazy("clock", "Met")
    CANCELLED = rules.State.CANCELLED.value, pgettext_lazy("clock", "Cancelled")


def default_levels() -> list[int]:
    """At which whole percents of the budget somebody is told."""
    return [50, 75, 90, 100]


def calendar_ref() -> str:
    """A fresh `W-` reference."""
    return new_ref("W", 6)


def policy_ref() -> str:
    """A fresh `Y-` reference."""
    return new_ref("Y", 6)


class Calendar(models.Model):
    """Working hours in one time zone. Any edit raises `version` in its own transaction."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    ref = models.CharField(max_length=10, default=calendar_ref, unique=True)
    name = FreeCharField(max_length=80)
    name_en = FreeCharField(max_length=80, blank=True)
    time_zone = models.CharField(max_length=60, default="Asia/Shanghai")
    version = models.PositiveIntegerField(default=1)
    # The first date that the newest edit changed: plans due before it only take the number.
    changed_from = models.DateField(null=True, blank=True)

    objects = PromiseRows["Calendar"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "id"], name="tickets_calendar_tenant")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """The name in the reader's language, as far as there is one."""
        return in_reader_language(self.name, self.name_en)

    def count_running(self) -> int:
        """How many running clocks are counted by it."""
        return Clock.objects.filter(calendar=self, state=ClockState.RUNNING).count()


class CalendarHours(models.Model):
    """One opening of a weekday; several a day. An end past 1440 is the next day."""

    calendar = models.ForeignKey(Calendar, on_delete=models.CASCADE, related_name="hours")
    weekday = models.PositiveSmallIntegerField()  # 0 = Monday
    start_minute = models.PositiveSmallIntegerField()
    end_minute = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(weekday__lte=6)
                & Q(start_minute__lt=1440)
                & Q(end_minute__lte=2880)
                & Q(end_minute__gt=F("start_minute")),
                name="tickets_calendarhours_sane",
            )
        ]

    def __str__(self) -> str:
        return f"{self.weekday} {self.start_minute}-{self.end_minute}"


class CalendarDay(models.Model):
    """A date with hours of its own: closed, or open as `intervals` says."""

    class Kind(models.TextChoices):
        CLOSED = "closed", pgettext_lazy("calendar day", "Closed")
        MAKEUP = "makeup", pgettext_lazy("calendar day", "Make-up workday")
        SPECIAL = "special", pgettext_lazy("calendar day", "Special hours")

    calendar = models.ForeignKey(Calendar, on_delete=models.CASCADE, related_name="days")
    date = models.DateField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    intervals = models.JSONField(default=list)  # [[start minute, end minute], ...]
    name = FreeCharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["calendar", "date"], name="tickets_calendarday_once")
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.kind}"


class Policy(models.Model):
    """What a provider promises, by promise and priority."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    ref = models.CharField(max_length=10, default=policy_ref, unique=True)
    name = FreeCharField(max_length=80)
    version = models.PositiveIntegerField(default=1)
    is_default = models.BooleanField(default=False)
    # Whether waiting for a maker, a network operator or the acquirer stops the clock too.
    pauses_for_vendor = models.BooleanField(default=False)

    objects = PromiseRows["Policy"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider"], condition=Q(is_default=True), name="tickets_policy_default"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Target(models.Model):
    """One promise for one priority: how much working time, by which calendar."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="targets")
    promise = models.CharField(max_length=14, choices=Promise.choices)
    priority = models.CharField(max_length=8, choices=Priority.choices)
    calendar = models.ForeignKey(Calendar, on_delete=models.PROTECT, related_name="+")
    budget_seconds = models.PositiveIntegerField()
    levels = ArrayField(models.PositiveSmallIntegerField(), default=default_levels)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "promise", "priority"], name="tickets_target_once"
            ),
            models.CheckConstraint(
                condition=Q(budget_seconds__gt=0), name="tickets_target_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.promise} {self.priority} {self.budget_seconds} s"


class Clock(models.Model):
    """The state of one promise for one ticket; the rules are in tickets.sla.clock.

    Each level that fires writes an entry into every index of the row: there are few, and no
    foreign key has one of its own where another begins with its column or nobody asks by it.
    """

    provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ticket = models.ForeignKey(
        "tickets.Ticket", on_delete=models.CASCADE, related_name="clocks", db_index=False
    )
    promise = models.CharField(max_length=14, choices=Promise.choices)
    state = models.CharField(max_length=9, choices=ClockState.choices)
    epoch = models.PositiveIntegerField(default=1)
    generation = models.PositiveIntegerField(default=1)
    calendar = models.ForeignKey(
        Calendar, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    calendar_version = models.PositiveIntegerField()
    budget_seconds = models.FloatField()
    levels = ArrayField(models.PositiveSmallIntegerField())
    consumed_seconds = models.FloatField(default=0)
    started_at = models.DateTimeField()
    resumed_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    step = models.PositiveSmallIntegerField(default=0)
    fire_at = ArrayField(models.DateTimeField(), default=list)
    next_fire_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField(null=True)
    met_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ticket", "promise"], name="tickets_clock_once"),
            models.CheckConstraint(
                condition=Q(state="running") | Q(next_fire_at__isnull=True),
                name="tickets_clock_only_running_fires",
            ),
            models.CheckConstraint(
                condition=Q(state="met", met_at__isnull=False)
                | (~Q(state="met") & Q(met_at__isnull=True)),
                name="tickets_clock_met_at",
            ),
        ]
        indexes = [
            # Read by the tick every five seconds: only what will still fire.
            models.Index(
                fields=["next_fire_at"],
                condition=Q(next_fire_at__isnull=False),
                name="tickets_clock_due",
            ),
            # Read by the shares of kept promises: when each was decided.
            models.Index(
                "provider",
                Coalesce("breached_at", "met_at"),
                condition=Q(IsNull(Coalesce("breached_at", "met_at"), False)),  # noqa: FBT003 - Django's signature
                name="tickets_clock_decided",
            ),
            # Read by the worker that plans anew after a calendar was edited.
            models.Index(
                fields=["calendar", "calendar_version"],
                condition=Q(state="running"),
                name="tickets_clock_stale",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.promise} {self.state}"

    def read(self) -> rules.Clock:
        """The row as the rules see it."""
        return rules.Clock(
            state=rules.State(self.state),
            budget_seconds=self.budget_seconds,
            levels=tuple(self.levels),
            epoch=self.epoch,
            generation=self.generation,
            consumed_seconds=self.consumed_seconds,
            resumed_at=self.resumed_at,
            stopped_at=self.stopped_at,
            due_at=self.due_at,
            step=self.step,
            fire_at=tuple(self.fire_at),
            next_fire_at=self.next_fire_at,
            breached_at=self.breached_at,
            met_at=self.met_at,
        )

    def take(self, state: rules.Clock) -> None:
        """Copies what the rules worked out into the row; does not save."""
        for name in COLUMNS:
            setattr(self, name, getattr(state, name))
        self.state = state.state.value
        self.levels, self.fire_at = list(state.levels), list(state.fire_at)


# What the rules may change of a row.
COLUMNS = tuple(rules.Clock.__dataclass_fields__)


class Segment(models.Model):
    """What a clock did from one moment to another: append-only ledger and audit."""

    class Kind(models.TextChoices):
        RUN = "run", pgettext_lazy("segment", "Ran")
        PAUSE = "pause", pgettext_lazy("segment", "Paused")
        CLEARED = "cleared", pgettext_lazy("segment", "Breach cleared")
        PLANNED = "planned", pgettext_lazy("segment", "Planned anew")

    clock = models.ForeignKey(
        Clock, on_delete=models.CASCADE, related_name="segments", db_index=False
    )
    epoch = models.PositiveIntegerField()
    kind = models.CharField(max_length=7, choices=Kind.choices)
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    reason = models.CharField(max_length=40)  # the event that ended it
    calendar_version = models.PositiveIntegerField()
    working_seconds = models.FloatField(default=0)

    class Meta:
        indexes = [models.Index(fields=["clock", "id"], name="tickets_segment_ledger")]

    def __str__(self) -> str:
        return f"{self.kind} {self.working_seconds} s"


class Alert(models.Model):
    """A level of a clock that was reached; the unique key is what makes it one."""

    class State(models.TextChoices):
        PENDING = "pending", pgettext_lazy("alert", "Pending")
        EXPANDED = "expanded", pgettext_lazy("alert", "Told")
        SUPPRESSED = "suppressed", pgettext_lazy("alert", "A later one was told")
        CANCELLED = "cancelled", pgettext_lazy("alert", "Done before it was told")

    clock = models.ForeignKey(
        Clock, on_delete=models.CASCADE, related_name="alerts", db_index=False
    )
    epoch = models.PositiveIntegerField()
    step = models.PositiveSmallIntegerField()
    percent = models.PositiveSmallIntegerField()
    due_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=State.choices)
    raised_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Exactly once, whoever ticks: a second writer of the same level finds this.
            models.UniqueConstraint(fields=["clock", "epoch", "step"], name="tickets_alert_once")
        ]
        indexes = [
            # Read by the planner of deliveries.
            models.Index(fields=["id"], condition=Q(state="pending"), name="tickets_alert_pending")
        ]

    def __str__(self) -> str:
        return f"{self.percent} % {self.state}"

    @property
    def source(self) -> str:
        """The name of this alert for its deliveries."""
        return f"alert:{self.pk}"
