"""Shapes of notices and deliveries, and what comes in about them."""

from typing import Any

from django.template import Context
from django.template.loader import get_template
from django.utils.translation import gettext as _
from rest_framework import serializers

from posdoctor.accounts.api.shapes import PersonRef
from posdoctor.core.api.schema import PageQuery
from posdoctor.core.api.shapes import Input, Shape
from posdoctor.notifications.kinds import Kind
from posdoctor.notifications.models import Channel, DeliveryState
from posdoctor.notifications.models import Delivery as DeliveryRow
from posdoctor.notifications.querysets import NEEDS_A_PERSON, OPEN

MOST_KEYS = 200


class _Told(Shape):
    """What somebody is told."""

    key = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Kind.values)
    words = serializers.SerializerMethodField(help_text="What happened, in the caller's language")
    ticket = serializers.CharField(
        source="data.ref", default="", help_text="Reference of the ticket it is about"
    )
    title = serializers.CharField(
        source="data.title", default="", help_text="Of the ticket, as it was then"
    )
    store = serializers.CharField(source="data.store", default="", help_text="Name of the store")
    url = serializers.CharField(help_text="The page that it leads to")
    created_at = serializers.DateTimeField()

    def get_words(self, row: DeliveryRow) -> str:
        """One line of plain text: what escapes for HTML is off."""
        facts = row.facts
        wanted = {name: facts.get(name) for name in ("promise", "level", "actor")}
        words = get_template(row.words_template).template  # type: ignore[attr-defined] # Django's own engine
        return str(words.render(Context(wanted, autoescape=False))).strip()


class Notice(_Told):
    """One line of one's own list. A clock's level names its promise, percent and due time."""

    promise = serializers.CharField(source="data.promise", allow_null=True, default=None)
    level = serializers.IntegerField(
        source="data.level",
        allow_null=True,
        default=None,
        help_text="Percent of the time that is gone",
    )
    due_at = serializers.DateTimeField(source="facts.due_at", allow_null=True, default=None)
    read_at = serializers.DateTimeField(allow_null=True)


class NoticeQuery(PageQuery):
    """Which of one's own."""

    unread = serializers.BooleanField(required=False, allow_null=True, default=None)


class Unread(Shape):
    """How many of one's own notices are not read."""

    unread = serializers.IntegerField()


class ReadInput(Input):
    """Which notices are read: `keys`, or `all` of one's own."""

    keys = serializers.ListField(
        child=serializers.UUIDField(), required=False, min_length=1, max_length=MOST_KEYS
    )

    def get_fields(self) -> dict[str, Any]:
        """`all` is a word of Python."""
        return {**super().get_fields(), "all": serializers.BooleanField(required=False)}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """An empty request reads nothing away, and two answers are none."""
        if ("keys" in attrs) == bool(attrs.get("all")):
            raise serializers.ValidationError({"keys": _("Name the notices, or send all: true")})
        return attrs


class Delivery(_Told):
    """What is on its way to somebody, and what became of it."""

    channel = serializers.ChoiceField(choices=Channel.values)
    state = serializers.ChoiceField(choices=DeliveryState.values)
    recipient = PersonRef()
    attempts = serializers.IntegerField()
    last_error = serializers.CharField(help_text="Kind and code, empty where there was none")
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)


class DeliveryQuery(PageQuery):
    """Which of those that are stuck."""

    state = serializers.ChoiceField(choices=[*OPEN, *NEEDS_A_PERSON], required=False)


class StateCount(Shape):
    """How many deliveries are in a state."""

    state = serializers.ChoiceField(choices=DeliveryState.values)
    count = serializers.IntegerField()


class DeliveryTotals(Shape):
    """All deliveries since a moment, by state."""

    since = serializers.DateTimeField()
    results = StateCount(many=True)
