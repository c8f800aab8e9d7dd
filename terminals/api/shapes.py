"""Shapes of terminals and their models."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from merchants.api.shapes import REF_LENGTH, StoreRef
from posdoctor.core.api.schema import PageQuery
from posdoctor.core.api.shapes import Input, Shape
from terminals.actions import FIRST_STATES
from terminals.lifecycle import TerminalState
from terminals.models import Terminal as TerminalRow
from terminals.models import TerminalNumber

CONNECTIONS = TerminalRow.Connection.values
FIRST = [state.value for state in FIRST_STATES]
# Everything that `move/` can lead to; which of them fit depends on the present state.
BY_HAND = [state.value for state in TerminalState if state != TerminalState.STOPPED]
REASON_LENGTH = 500


class Model(Shape):
    """A make and model of the shared catalogue."""

    id = serializers.CharField(source="slug")
    name = serializers.CharField(source="label")
    form = serializers.CharField()
    connections = serializers.ListField(child=serializers.CharField())
    features = serializers.DictField(child=serializers.JSONField())


class ModelRef(Shape):
    """A model by id and name."""

    id = serializers.CharField(source="slug")
    name = serializers.CharField(source="label")


class Numbers(Shape):
    """The acquirer's terminal numbers; empty where there is none."""

    card = serializers.CharField()
    qr = serializers.CharField()


class TerminalRef(Shape):
    """A terminal by reference, serial and model."""

    ref = serializers.CharField()
    serial = serializers.CharField()
    model = ModelRef()
    counter = serializers.CharField()
    state = serializers.ChoiceField(choices=TerminalState.values)


class Terminal(Shape):
    """One machine."""

    ref = serializers.CharField()
    serial = serializers.CharField()
    model = ModelRef()
    state = serializers.ChoiceField(choices=TerminalState.values)
    stopped_at = serializers.DateTimeField(allow_null=True)
    stopped_for = serializers.CharField(help_text="Why it is out of use, empty where it is not")
    store = StoreRef(allow_null=True)
    counter = serializers.CharField()
    numbers = serializers.SerializerMethodField()
    connection = serializers.ChoiceField(choices=CONNECTIONS, allow_blank=True)
    sim_iccid = serializers.CharField()
    sim_operator = serializers.CharField()
    firmware = serializers.CharField()
    app_version = serializers.CharField()
    installed_on = serializers.DateField(allow_null=True)
    warranty_until = serializers.DateField(allow_null=True)
    sticker_code = serializers.CharField()
    created_at = serializers.DateTimeField()

    @extend_schema_field(Numbers)
    def get_numbers(self, terminal: TerminalRow) -> dict[str, str]:
        """By kind."""
        known = {number.kind: number.number for number in terminal.numbers.all()}
        return {kind: known.get(kind, "") for kind in TerminalNumber.Kind.values}


class MinimumVersion(Shape):
    """What the provider expects at least of its terminals of one model; "": any will do.

    `in_use`: terminals of the model in use; `behind`: of these; `unknown`: of these, where it
    cannot be said. Nobody is behind before `since`.
    """

    model = ModelRef()
    app_version = serializers.CharField()
    firmware = serializers.CharField()
    since = serializers.DateField()
    changed_at = serializers.DateTimeField()
    changed_by = serializers.CharField(source="changed_by_name")
    in_use = serializers.IntegerField()
    behind = serializers.IntegerField()
    unknown = serializers.IntegerField()


class MinimumVersionInput(Input):
    """The versions that are expected, one of them at least, and from which day on."""

    app_version = serializers.CharField(max_length=30, allow_blank=True, default="")
    firmware = serializers.CharField(max_length=60, allow_blank=True, default="")
    since = serializers.DateField()


class TerminalQuery(PageQuery):
    """Which terminals."""

    q = serializers.CharField(
        required=False,
        max_length=60,
        help_text="Serial (any part), terminal number, sticker code or reference",
    )
    model = serializers.CharField(required=False, max_length=60, help_text="Id of a model")
    state = serializers.ChoiceField(choices=TerminalState.values, required=False)
    area = serializers.CharField(required=False, max_length=60)
    version = serializers.ChoiceField(
        choices=["behind"],
        required=False,
        help_text="Below the minimum version, in use unless `state` says otherwise",
    )
    store = serializers.CharField(required=False, max_length=REF_LENGTH)
    merchant = serializers.CharField(required=False, max_length=REF_LENGTH)


class NumbersInput(Input):
    """The acquirer's terminal numbers: 8 letters or digits, empty for none."""

    card = serializers.CharField(max_length=20, allow_blank=True, required=False)
    qr = serializers.CharField(max_length=20, allow_blank=True, required=False)


class TerminalInput(Input):
    """A terminal's record. `store` null: in no store."""

    serial = serializers.CharField(max_length=60)
    model = serializers.CharField(max_length=60, help_text="Id of a model")
    store = serializers.RegexField(
        r"^[Ss]-[0-9A-Za-z]{6}$", max_length=REF_LENGTH, allow_null=True, default=None
    )
    counter = serializers.CharField(max_length=60, allow_blank=True, default="")
    numbers = NumbersInput(default=dict)
    connection = serializers.ChoiceField(choices=CONNECTIONS, allow_blank=True, default="")
    sim_iccid = serializers.CharField(max_length=40, allow_blank=True, default="")
    sim_operator = serializers.CharField(max_length=40, allow_blank=True, default="")
    firmware = serializers.CharField(max_length=60, allow_blank=True, default="")
    app_version = serializers.CharField(max_length=30, allow_blank=True, default="")
    installed_on = serializers.DateField(allow_null=True, default=None)
    warranty_until = serializers.DateField(allow_null=True, default=None)


class NewTerminalInput(TerminalInput):
    """A new terminal, and where its life begins."""

    state = serializers.ChoiceField(choices=FIRST)


class ReasonInput(Input):
    """Why; it stays in the terminal's history."""

    reason = serializers.CharField(max_length=REASON_LENGTH)


class MoveInput(Input):
    """Another state by hand, and why."""

    state = serializers.ChoiceField(choices=BY_HAND)
    note = serializers.CharField(max_length=REASON_LENGTH)


def plain(terminal: TerminalRow) -> Any:
    """The terminal as it goes out."""
    return Terminal(terminal).data
