"""Model fields for what people type."""

from typing import TYPE_CHECKING, Any

from django.db import models

from posdoctor.core.scrub import scrub


class _Scrubbed:
    """Masks card data on every way into the database: save, update, bulk, filter.

    SECURITY: the field is the gate, because an action can be forgotten and a column cannot.
    """

    attname: str
    max_length: int | None

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's signature
        value = super().pre_save(model_instance, add)  # type: ignore[misc]
        if isinstance(value, str):
            value = self._masked(value)
            setattr(model_instance, self.attname, value)
        return value

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)  # type: ignore[misc]
        return self._masked(value) if isinstance(value, str) else value

    def _masked(self, value: str) -> str:
        """A mask can be longer than what it hides: the end goes, not the whole text."""
        clean = scrub(value)
        return value if clean == value else clean[: self.max_length]


# Generic for the type checker only: at run time Django's fields take no type arguments.
if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
    _CharField = models.CharField[str, str]
    _JSONField = models.JSONField[Any, Any]
else:
    _TextField, _CharField = models.TextField, models.CharField
    _JSONField = models.JSONField


class FreeTextField(_Scrubbed, _TextField):
    """A text of any length that a person wrote."""


class FreeCharField(_Scrubbed, _CharField):
    """A short text that a person wrote: a name, a title, a file name."""


class FreeJSONField(_JSONField):
    """Plain values (dicts, lists, texts, numbers) among which are texts that a person wrote."""

    def get_prep_value(self, value: Any) -> Any:
        """Masks on every way into the database; a number that is a card's becomes a text."""
        return super().get_prep_value(masked_within(value))


def masked_within(value: Any) -> Any:
    """Plain values with every card number in texts, keys and numbers masked, as it is stored."""
    if isinstance(value, dict):
        return {masked_within(key): masked_within(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked_within(inner) for inner in value]
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, int | float):
        clean = scrub(str(value))
        return value if clean == str(value) else clean
    return value
