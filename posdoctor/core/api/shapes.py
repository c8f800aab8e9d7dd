"""Bases of the API's shapes: strict input, times and texts that the database takes."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError as FormError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from posdoctor.core.api.errors import Refusal, invalid

# Sent beside the fields by a browser's form, and in any address.
_BESIDE = frozenset({"csrfmiddlewaretoken", "lang"})


class Shape(serializers.Serializer[Any]):
    """What goes out: every field is listed, none is computed from the business."""


class Input(serializers.Serializer[Any]):
    """What comes in. An unknown name is an error: a typing mistake must not pass for a default."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values; raises ValidationError per field."""
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in set(data) - set(self.fields) - _BESIDE)
            if unknown:
                text = _("There is no such field here")
                raise serializers.ValidationError({name[:80]: [text] for name in unknown})
        return super().to_internal_value(data)


class NothingInput(Input):
    """The address says it all."""


class FormText(serializers.CharField):
    """A text that a field of our forms reads, so that pages and API take the same."""

    def __init__(self, field: Callable[[], forms.Field], **kwargs: Any) -> None:
        self.form_field = field
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """The form field's value; its words where it refuses."""
        text = super().to_internal_value(data)
        try:
            return self.form_field().clean(text)
        except FormError as error:
            raise serializers.ValidationError(error.messages) from error


def read(shape: type[Input], data: Any, *, partial: bool = False, **context: Any) -> dict[str, Any]:
    """The validated input; raises ValidationError, which becomes a 422."""
    serializer = shape(data=data, partial=partial, context=context)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def refused(form: forms.BaseForm, names: Callable[[str], str] = str) -> Refusal:
    """A form's errors as a 422; `names` maps the form's field names to the API's."""
    fields: dict[str, list[str]] = {}
    for name, texts in form.errors.items():
        fields.setdefault(names(name), []).extend(str(text) for text in texts)
    return invalid(fields)
