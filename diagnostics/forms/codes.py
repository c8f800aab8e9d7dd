"""What is looked up, and how a lead says what it means."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from diagnostics.codes import MAX_CODE, OWN, bundled, folded
from diagnostics.models import OWN_SCHEME, FlowVersion, OwnCode, UnknownCode, reader_language
from posdoctor.core.forms import PlainForm

QUERY_LENGTH = 120

# What a code may answer: the fault trees' checks, in the words of the desk.
_ANSWERS: tuple[tuple[str, Any], ...] = (
    ("code_registration", _("Not registered: like 03, 58, 97")),
    ("code_key", _("Key or MAC error: like 99, A0")),
    ("code_batch", _("Batch or sign in again: like 22, 77, 78, 94")),
    ("code_host", _("Host is out: like 90, 91, 92, 96, 98")),
    ("text_comm", _("Timeout, cannot connect")),
    ("text_key_missing", _("Master key missing")),
    ("text_batch_reversal", _("Settle first, reversal pending")),
    ("text_operator", _("Operator number or password")),
    ("issuer_code", _("The card’s bank declines: like 51, 55, 61")),
    ("batch_full_text", _("Batch full")),
    ("sim_missing_text", _("No SIM card")),
    ("tls_text", _("Certificate or TLS")),
    ("paper_out", _("Out of paper")),
    ("overheat_text", _("Overheated")),
    ("download_text", _("Download needed, not ready")),
)


class LookUpForm(PlainForm):
    """A code, or words of a screen."""

    required_texts: ClassVar[dict[str, Any]] = {"q": _("Type what the screen says")}

    q = forms.CharField(
        label=_("What does the screen say?"),
        help_text=_("A code or the words, such as 77, A0 or “timeout”. No card numbers."),
        max_length=QUERY_LENGTH,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
        ),
    )


class OwnCodeForm(PlainForm):
    """What a code means with this provider, in both languages."""

    required_texts: ClassVar[dict[str, Any]] = {
        "meaning_zh": _("Say in Chinese what it means"),
        "meaning_en": _("Say in English what it means"),
        "merchant_zh": _("Say in Chinese what the merchant does"),
        "merchant_en": _("Say in English what the merchant does"),
    }

    code = forms.CharField(label=_("Code on the screen"), max_length=MAX_CODE, required=False)
    words = forms.CharField(
        label=_("Words on the screen"),
        help_text=_("One text a line, just as it is shown"),
        max_length=400,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    scheme = forms.ChoiceField(label=_("Code table"))
    meaning_zh = forms.CharField(label=_("Meaning, in Chinese"), max_length=120)
    meaning_en = forms.CharField(label=_("Meaning, in English"), max_length=120)
    merchant_zh = forms.CharField(
        label=_("What the merchant does, in Chinese"),
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    merchant_en = forms.CharField(
        label=_("What the merchant does, in English"),
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    desk_zh = forms.CharField(
        label=_("What the desk does, in Chinese"),
        max_length=200,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    desk_en = forms.CharField(
        label=_("What the desk does, in English"),
        max_length=200,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    check_id = forms.ChoiceField(
        label=_("Counts in the diagnosis as"),
        help_text=_("Answers this question, so that nobody is asked again"),
        required=False,
        choices=[("", pgettext_lazy("evidence", "Nothing")), *_ANSWERS],
    )
    symptom = forms.ChoiceField(label=_("Self-check that deals with it"), required=False)
    stop_use = forms.BooleanField(label=_("The terminal must not be used"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = reader_language()
        schemes = {OWN: OWN_SCHEME, **bundled().schemes}
        self._choose("scheme", [(name, text.get(language)) for name, text in schemes.items()])
        flows = FlowVersion.objects.published().defer("document")
        titles = [(version.symptom, version.flow.symptom.get(language)) for version in flows]
        self._choose("symptom", [("", pgettext_lazy("self-check", "None")), *titles])

    def _choose(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    @classmethod
    def initial_of(cls, row: OwnCode) -> dict[str, Any]:
        """The stored definition as the form shows it."""
        return {name: getattr(row, name) for name in cls.base_fields}

    @classmethod
    def initial_from(cls, waiting: UnknownCode | None) -> dict[str, Any]:
        """A new definition, begun with what was looked up in vain."""
        if waiting is None:
            return {"scheme": OWN}
        # Another's table is only a guess: the own one is never wrong.
        return {"scheme": OWN, "code": waiting.code, "words": waiting.words}

    def clean_words(self) -> str:
        """Lines that hold something; at most eight, each of 2 to 60 characters."""
        lines = [" ".join(line.split()) for line in self.cleaned_data["words"].splitlines()]
        kept = [line for line in lines if line]
        if len(kept) > 8 or any(len(folded(line)) < 2 or len(line) > 60 for line in kept):
            raise ValidationError(_("Write up to 8 lines, each of 2 to 60 characters"))
        return "\n".join(kept)

    def clean_code(self) -> str:
        """A code holds a letter or digit."""
        code = " ".join(self.cleaned_data["code"].split())
        if code and not folded(code):
            raise ValidationError(_("Use letters and digits for the code"))
        return code

    def clean(self) -> dict[str, Any]:
        """A code or words: without either there is nothing to find it by."""
        values = super().clean() or self.cleaned_data
        if not self.errors and not values.get("code") and not values.get("words"):
            self.add_error("code", _("Enter the code, or the words below"))
        return values
