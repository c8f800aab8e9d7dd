"""What a merchant types: a report, more words, the proof for a status link."""

import re
import unicodedata
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from posdoctor.core.forms import PhoneField, PlainForm
from posdoctor.core.scrub import scrub
from tickets.forms.files import FilesField
from tickets.lifecycle import Impact
from tickets.models import ReportDraft

NOTE_LENGTH = 1000
WORDS_LENGTH = 2000
_PHONE_COLUMN = 20


class ReportForm(PlainForm):
    """A report. The impact is chosen by the button that sends the form."""

    required_texts: ClassVar = {"impact": _("Tap one: can you still take payments?")}

    contact_phone = PhoneField(
        label=_("Your phone number"), help_text=_("Support and engineers call you on it")
    )
    terminals_down = forms.TypedChoiceField(
        label=_("How many machines are down?"), coerce=int, required=False, empty_value="1"
    )
    note = forms.CharField(
        label=_("In one line, what is wrong?"),
        help_text=_("For example what the screen says. No card numbers or passwords."),
        max_length=NOTE_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    photos = FilesField(
        label=_("Photos"),
        help_text=_(
            "Up to 5. The message on the screen helps most. Leave out cards, PINs and customers."
        ),
    )
    contact_name = forms.CharField(
        label=_("What shall we call you?"),
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    impact = forms.ChoiceField(choices=Impact.choices, widget=forms.HiddenInput)

    def __init__(self, *args: Any, machines: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if machines > 1:
            counts = [(n, str(n)) for n in range(1, machines + 1)]
            self.fields["terminals_down"].choices = counts  # type: ignore[attr-defined]
        else:
            del self.fields["terminals_down"]

    def kept(self) -> dict[str, Any]:
        """Columns of the draft: what is good as cleaned, the rest as typed as far as it fits."""
        typed = {name: str(self.data.get(name, "")) for name in ("contact_phone", "contact_name")}
        impact = self.cleaned_data.get("impact", "")
        return {
            "contact_phone": self.cleaned_data.get("contact_phone")
            or scrub(_printable(typed["contact_phone"]))[:_PHONE_COLUMN],
            "contact_name": self.cleaned_data.get("contact_name")
            or scrub(_printable(typed["contact_name"]))[:60],
            "note": self.cleaned_data.get("note", ""),
            "terminals_down": int(self.cleaned_data.get("terminals_down") or 1),
            **({"impact": impact} if impact else {}),
        }

    @classmethod
    def of_draft(cls, draft: ReportDraft, *, machines: int) -> "ReportForm":
        """The form as if the draft had just been sent: valid means it can be filed."""
        return cls(drafted(draft), machines=machines)


def drafted(draft: ReportDraft) -> dict[str, Any]:
    """The draft's columns as a form shows them."""
    return {
        "contact_phone": draft.contact_phone,
        "contact_name": draft.contact_name,
        "note": draft.note,
        "terminals_down": draft.terminals_down,
        "impact": draft.impact,
    }


class WordsForm(PlainForm):
    """A line or photos for a filed report."""

    body = forms.CharField(
        label=_("Add a line"),
        max_length=WORDS_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    photos = FilesField(
        label=_("Photos"), help_text=_("Up to 5. Leave out cards, PINs and customers.")
    )

    def clean(self) -> dict[str, Any]:
        """Something must be said."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        has_files = bool(self.files.getlist("photos")) if self.files else False
        if not self.errors and not (cleaned.get("body") or "").strip() and not has_files:
            self.add_error("body", _("Write a line or choose a photo"))
        return cleaned


class UnlockForm(PlainForm):
    """The proof for a status link on a foreign device."""

    required_texts: ClassVar = {"digits": _("Enter the last four digits of the phone number")}

    digits = forms.CharField(
        label=_("Last four digits of the phone number in the report"),
        max_length=20,
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "off", "type": "text"}
        ),
    )

    def clean_digits(self) -> str:
        """Four plain digits, whatever their width."""
        typed = unicodedata.normalize("NFKC", self.cleaned_data["digits"])
        digits = re.sub(r"[\s-]+", "", typed)
        if not re.fullmatch(r"[0-9]{4}", digits):
            raise ValidationError(self.required_texts["digits"])
        return digits


def _printable(text: str) -> str:
    """Without control characters, which the database or a page would choke on."""
    return "".join(character for character in text if character.isprintable()).strip()
