"""What a merchant types before and beside a walk."""

import re
import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from posdoctor.core.forms import PhoneField, PlainForm

WORDS_LENGTH = 300


class WordsForm(PlainForm):
    """The own words beside the list of all symptoms."""

    words = forms.CharField(
        label=_("In your own words"),
        help_text=_("For example what the screen says. No card numbers or passwords."),
        max_length=WORDS_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class TailField(forms.CharField):
    """The last four characters of a serial, in any case and width."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        kwargs.setdefault("widget", forms.TextInput(attrs=attrs))
        super().__init__(max_length=20, **kwargs)

    def clean(self, value: Any) -> str:
        """Upper case, four characters; raises ValidationError with what to change."""
        typed = unicodedata.normalize("NFKC", super().clean(value)).upper()
        tail = re.sub(r"[\s-]+", "", typed)
        if not re.fullmatch(r"[0-9A-Z]{4}", tail):
            raise ValidationError(_("Enter the last four letters or digits of the serial"))
        return tail


class FindForm(PlainForm):
    """No sticker: the machine by the end of its serial and the shop's phone."""

    required_texts = {"tail": _("Enter the last four letters or digits of the serial")}

    tail = TailField(
        label=_("Last four of the serial"),
        help_text=_("On the back or bottom of the machine, after SN"),
    )
    phone = PhoneField(
        label=_("The shop’s phone"),
        help_text=_("The number that our support knows"),
    )
