"""Shapes of promises: clocks of a ticket, the policy, working hours, previews."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from merchants.api.shapes import REF_LENGTH, Week, WeekInput, spans_field
from posdoctor.core.api.shapes import Input, Shape
from tickets.forms.promises import LONGEST_SECONDS, as_texts, week_of
from tickets.lifecycle import Priority
from tickets.sla.badge import BadgeState
from tickets.sla.explain import StepKind
from tickets.sla.models import Calendar as CalendarRow
from tickets.sla.models import CalendarDay as CalendarDayRow
from tickets.sla.models import ClockState, Promise

MOST_PAUSES = 50
MOST_LEVELS = 10


class Level(Shape):
    """A share of the time at which somebody is told."""

    percent = serializers.IntegerField()
    at = serializers.DateTimeField()


class Step(Shape):
    """One line of why a clock is due then; `to_at` is null for a moment."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in StepKind])
    words = serializers.CharField()
    from_at = serializers.DateTimeField()
    to_at = serializers.DateTimeField(allow_null=True)
    working_seconds = serializers.FloatField()


class Clock(Shape):
    """One promise of a ticket and how it stands."""

    promise = serializers.ChoiceField(choices=Promise.values)
    state = serializers.ChoiceField(choices=ClockState.values)
    badge = serializers.ChoiceField(choices=[state.value for state in BadgeState])
    words = serializers.CharField(help_text="The badge in the caller's language")
    budget_seconds = serializers.FloatField(help_text="Working time")
    consumed_seconds = serializers.FloatField(help_text="Working time, up to the last stop")
    started_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True)
    met_at = serializers.DateTimeField(allow_null=True)
    breached_at = serializers.DateTimeField(allow_null=True)
    levels = Level(many=True)
    explanation = Step(many=True)


class Clocks(Shape):
    """The clocks of a ticket; none where nothing is promised."""

    results = Clock(many=True)


class Target(Shape):
    """Working time within which a promise is kept, for one priority."""

    promise = serializers.ChoiceField(choices=Promise.values)
    priority = serializers.ChoiceField(choices=Priority.values)
    budget_seconds = serializers.IntegerField()
    calendar = serializers.CharField(source="calendar.ref")


class Policy(Shape):
    """What the provider promises for tickets that are filed from now on."""

    ref = serializers.CharField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    pauses_for_vendor = serializers.BooleanField()
    levels = serializers.ListField(child=serializers.IntegerField())
    targets = Target(many=True)


class TargetInput(Input):
    """One promise; combinations that are left out are not promised."""

    promise = serializers.ChoiceField(choices=Promise.values)
    priority = serializers.ChoiceField(choices=Priority.values)
    budget_seconds = serializers.IntegerField(min_value=1, max_value=LONGEST_SECONDS)
    calendar = serializers.CharField(max_length=REF_LENGTH)


class PolicyInput(Input):
    """What changes; `targets` replaces all."""

    pauses_for_vendor = serializers.BooleanField(required=False)
    levels = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=100),
        required=False,
        max_length=MOST_LEVELS,
        help_text="Percents of the time; 100 is always told",
    )
    targets = serializers.ListField(child=TargetInput(), required=False, max_length=8)


class CalendarDay(Shape):
    """A date with hours of its own; closed where they are empty."""

    date = serializers.DateField()
    kind = serializers.ChoiceField(choices=CalendarDayRow.Kind.values)
    name = serializers.CharField()
    hours = serializers.SerializerMethodField()

    @extend_schema_field(
        serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    )
    def get_hours(self, day: CalendarDayRow) -> list[list[str]]:
        """Spans like `["10:00", "16:00"]`."""
        return [as_texts(start, end) for start, end in day.intervals]


class Calendar(Shape):
    """Working hours. `version` rises with every change."""

    ref = serializers.CharField()
    name = serializers.CharField()
    name_en = serializers.CharField()
    time_zone = serializers.CharField()
    version = serializers.IntegerField()
    hours = serializers.SerializerMethodField()
    days = CalendarDay(many=True, source="days.all")

    @extend_schema_field(Week)
    def get_hours(self, calendar: CalendarRow) -> dict[str, list[list[str]]]:
        """Every day of the week, closed ones empty."""
        return week_of(calendar)


class Calendars(Shape):
    """All working hours of the provider."""

    results = Calendar(many=True)


class CalendarInput(Input):
    """A calendar; `hours` is the whole week."""

    name = serializers.CharField(max_length=80)
    name_en = serializers.CharField(max_length=80, allow_blank=True, default="")
    time_zone = serializers.CharField(max_length=60)
    hours = WeekInput()


class DaysInput(Input):
    """Hours of a day or a span of days; without `hours` closed."""

    first = serializers.DateField()
    last = serializers.DateField(required=False)
    hours = spans_field(required=False, default=list, max_length=6)
    name = serializers.CharField(max_length=80, allow_blank=True, default="")


class PauseInput(Input):
    """A time that does not count; without an end it goes on for ever."""

    from_at = serializers.DateTimeField()
    to_at = serializers.DateTimeField(allow_null=True, default=None)


class PreviewInput(Input):
    """By a calendar and minutes, or by the policy's promise for a priority."""

    start = serializers.DateTimeField()
    calendar = serializers.CharField(required=False, max_length=REF_LENGTH)
    minutes = serializers.FloatField(required=False, min_value=0.01, max_value=LONGEST_SECONDS / 60)
    clock = serializers.ChoiceField(choices=Promise.values, required=False)
    priority = serializers.ChoiceField(choices=Priority.values, required=False)
    pauses = serializers.ListField(
        child=PauseInput(), required=False, default=list, max_length=MOST_PAUSES
    )


class Preview(Shape):
    """When a promise would be due, and why; null where it never is."""

    due_at = serializers.DateTimeField(allow_null=True)
    levels = Level(many=True)
    explanation = Step(many=True)
