"""Shapes of the supervisors' numbers."""

from rest_framework import serializers

from posdoctor.core.api.shapes import Shape
from tickets.sla.models import Promise


class OpenCounts(Shape):
    """Unfinished tickets, as the filters of `tickets/` count them; one may be in several."""

    open = serializers.IntegerField()
    breached = serializers.IntegerField(help_text="A promise is overdue now")
    due_within_hour = serializers.IntegerField(source="hour")
    due_within_four_hours = serializers.IntegerField(source="four_hours")
    waiting = serializers.IntegerField(help_text="For the merchant, a maker or the acquirer")


class Loaded(OpenCounts):
    """What a person or a team has."""

    ref = serializers.CharField(source="key")
    name = serializers.CharField()
    open = serializers.IntegerField(source="tally.open")
    breached = serializers.IntegerField(source="tally.breached")
    due_within_hour = serializers.IntegerField(source="tally.hour")
    due_within_four_hours = serializers.IntegerField(source="tally.four_hours")
    waiting = serializers.IntegerField(source="tally.waiting")


class KeptShare(Shape):
    """Promises decided in seven days: fulfilled, or their due time missed."""

    kept = serializers.IntegerField()
    decided = serializers.IntegerField(help_text="The n of the share")
    percent = serializers.FloatField(
        allow_null=True, help_text="Kept of decided; null where nothing was decided"
    )
    average_seconds = serializers.FloatField(
        allow_null=True, help_text="Working time until it was fulfilled, late ones too"
    )


class PromiseShares(Shape):
    """One promise: the last seven days, today included, beside the seven before."""

    promise = serializers.ChoiceField(choices=Promise.values)
    last_7_days = KeptShare(source="now")
    previous_7_days = KeptShare(source="before")


class DayFlow(Shape):
    """Tickets that came and that were fixed on a day of the provider's time zone."""

    date = serializers.DateField(source="day")
    created = serializers.IntegerField()
    fixed = serializers.IntegerField()


class SymptomCount(Shape):
    """How often a symptom was reported in seven days."""

    symptom = serializers.CharField(source="value")
    title = serializers.CharField(source="label", help_text="In the caller's language")
    count = serializers.IntegerField()


class Ops(OpenCounts):
    """The numbers of now, two weeks behind them, and who has what."""

    at = serializers.DateTimeField(help_text="The moment that all is counted at")
    unassigned = OpenCounts(help_text="Of the unfinished, those that nobody owns")
    oldest_breached = serializers.CharField(
        allow_null=True, help_text="Reference of the ticket that is overdue for longest"
    )
    target_percent = serializers.IntegerField(help_text="The share of kept promises to reach")
    promises = PromiseShares(many=True)
    people = Loaded(many=True, help_text="Who works on tickets; who needs help first")
    teams = Loaded(many=True)
    days = DayFlow(many=True, help_text="The last 14, oldest first")
    symptoms = SymptomCount(many=True, help_text="The most frequent ones")
