"""How forms look and speak: one renderer, one base form, the phone field. No business rules."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import TemplatesSetting
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from posdoctor.core.scrub import scrub

MOBILE_DIGITS = 11
LONGEST_PHONE = 13  # in use anywhere, with its country code: longer ones may be a card's


class Bound(forms.BoundField):
    """A field as the templates see it."""

    def __init__(self, form: forms.BaseForm, field: forms.Field, name: str) -> None:
        super().__init__(form, field, name)
        # A hint of blanks (allauth draws an empty template) would leave a dangling description.
        if not str(self.help_text).strip():
            self.help_text = ""

    @property
    def kind(self) -> str:
        """`check` for one box, `choose` for several, else the widget's input type."""
        widget = self.field.widget
        if isinstance(widget, forms.CheckboxInput):
            return "check"
        if self.use_fieldset:
            return "choose"
        return getattr(widget, "input_type", "") or type(widget).__name__.lower()

    @property
    def is_optional(self) -> bool:
        """Only optional fields are marked; a lone check box never is."""
        return not self.field.required and self.kind != "check"

    @property
    def anchor(self) -> str:
        """The id of the control that a link in the error summary should focus."""
        if self.use_fieldset and self.auto_id:
            return f"{self.auto_id}_0"
        return str(self.id_for_label or self.auto_id)


class Renderer(TemplatesSetting):
    """The project's form look; settings name it as FORM_RENDERER."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
    bound_field_class = Bound

    def render(self, template_name: str, context: Any, request: Any = None) -> str:
        """Field errors get our markup wherever Django would draw its list."""
        if template_name == "django/forms/errors/list/default.html":
            template_name = "components/errors.html"
        return super().render(template_name, context, request)


class PlainFormMixin:
    """Forms that say in words what is missing, instead of leaving it to the browser.

    `required_texts` holds per field what to do when it was left empty (text, lazy or not).
    """

    use_required_attribute = False
    required_texts: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        fields: dict[str, forms.Field] = self.fields  # type: ignore[attr-defined]
        for name, text in self.required_texts.items():
            fields[name].error_messages["required"] = text


class PlainForm(PlainFormMixin, forms.Form):
    """The base of every form without a model."""


class PlainModelForm(PlainFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    """The base of every form that takes its fields from a model."""


def without_card_number(typed: str, *, label: str = "") -> str:
    """What was typed; raises ValidationError where it is card data.

    For columns whose texts have a shape of their own, where a mask would be a wrong value:
    serials, addresses of mail. `label`: what the number is called, as a text would say it.
    """
    labelled = f"{label}{typed}"
    if scrub(labelled) != labelled:
        raise ValidationError(_("This is a card number. Card numbers are never kept."), code="card")
    return typed


def masked_query(query: QueryDict) -> QueryDict:
    """What stands behind the question mark, masked: a page repeats what was searched for."""
    masked = query.copy()
    for name, values in query.lists():
        masked.setlist(name, [scrub(str(value)) for value in values])
    return masked


class PhoneField(forms.CharField):
    """A Chinese mobile or fixed-line number, or a foreign one with its `+`.

    Accepts blanks, dashes, brackets, full-width digits and +86; `clean()` gives the digits
    alone: `13800005521`, `02887654321`, `4006001234`, `+442071234567`.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {
        "required": _("Enter a phone number"),
        "letters": _("Use digits only for the phone number"),
        "short": ngettext_lazy(
            "Enter an 11-digit mobile number, %(n)d digit is missing",
            "Enter an 11-digit mobile number, %(n)d digits are missing",
            "n",
        ),
        "long": ngettext_lazy(
            "Enter an 11-digit mobile number, there is %(n)d digit too many",
            "Enter an 11-digit mobile number, there are %(n)d digits too many",
            "n",
        ),
        "prefix": _("A mobile number starts with 13 to 19, check the first digits"),
        "area": _("Add the area code to the landline number, like 028 8765 4321"),
        "foreign": _("Check the number after the + sign"),
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 40)
        kwargs.setdefault(
            "widget",
            forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        )
        super().__init__(**kwargs)

    def clean(self, value: Any) -> str:
        """The number's digits; raises ValidationError with what to change."""
        typed = super().clean(value)
        return self._number(typed) if typed else ""

    def _number(self, typed: str) -> str:
        number = re.sub(r"[\s()\-–—.·]+", "", unicodedata.normalize("NFKC", typed))
        number = re.sub(r"^(?:\+|00)86(?=\d)", "", number)
        if re.fullmatch(r"86[1]\d{10}", number):
            number = number[2:]
        if not re.fullmatch(r"\+?\d+", number):
            raise self._error("letters")
        if number.startswith("+"):
            if not re.fullmatch(r"\+[1-9]\d{6,14}", number):
                raise self._error("foreign")
            if len(number) > LONGEST_PHONE:
                without_card_number(number[1:])
            return number
        if _is_fixed_line(number):
            return number
        return self._mobile(number)

    def _mobile(self, number: str) -> str:
        # Seven or eight digits that do not start like a mobile: a local number.
        if number[0] == "0" or (number[0] != "1" and len(number) in {7, 8}):
            raise self._error("area")
        if len(number) < MOBILE_DIGITS:
            raise self._error("short", MOBILE_DIGITS - len(number))
        if len(number) > MOBILE_DIGITS:
            raise self._error("long", len(number) - MOBILE_DIGITS)
        if not re.match(r"1[3-9]", number):
            raise self._error("prefix")
        return number

    def _error(self, code: str, n: int = 0) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params={"n": n})


def _is_fixed_line(number: str) -> bool:
    """Area code (3 digits for 010 and 02x, else 4) with 7 or 8 digits, or a 400/800 number."""
    area = r"(?:010|02\d)\d{8}|0[3-9]\d{2}\d{7,8}"
    return re.fullmatch(rf"{area}|[48]00\d{{7}}", number) is not None
