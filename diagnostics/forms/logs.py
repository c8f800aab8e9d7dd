"""What the desk sends to have a log read, and what refusals say."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from diagnostics.log_reader import MAX_BYTES
from posdoctor.accounts.actor import Actor
from posdoctor.core.forms import PlainForm
from terminals.models import Terminal

# A form's fields may have one megabyte in all (DATA_UPLOAD_MAX_MEMORY_SIZE).
TEXT_LENGTH = 300_000
FILE_TYPES = ".txt,.log,.csv,.json,.zip"

REFUSED = {
    "empty": _("There is no text in it"),
    "too_large": _("The log is larger than 10 MB. Cut out the hour that matters."),
    "binary": _("This is no text file. Send txt, log, csv, json, or a zip of these."),
    "broken_zip": _("The zip file cannot be read. Pack it again, in the usual way."),
    "encrypted_zip": _("The zip file has a password. Pack it without one."),
    "nested_zip": _("The zip file holds another archive. Unpack that first."),
    "too_many_files": _("The zip file holds more than 100 files. Send only the logs."),
    "too_large_inside": _("Unpacked, the zip file is larger than 10 MB. Send a part of it."),
    "binary_inside": _("The zip file holds something else than text. Send only the logs."),
}


class LogForm(PlainForm):
    """A log as text or as a file, and the terminal that it is of, if that is known."""

    terminal = forms.CharField(
        label=_("Terminal"),
        help_text=_("Reference, serial or terminal number. Without it no check can follow."),
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    text = forms.CharField(
        label=_("Paste the log, the slip or the diagnosis"),
        help_text=_("Or type what a photo shows. Card numbers are masked before anything is kept."),
        max_length=TEXT_LENGTH,
        required=False,
        strip=False,
        error_messages={"max_length": _("That is too long to paste. Save it as a file.")},
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "class": "mono"}),
    )
    file = forms.FileField(
        label=_("Or choose a file"),
        help_text=_("txt, log, csv, json, or a zip of these, up to 10 MB"),
        required=False,
        error_messages={"empty": REFUSED["empty"]},
        widget=forms.FileInput(attrs={"accept": FILE_TYPES}),
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        self._actor = actor
        super().__init__(*args, **kwargs)

    def clean_terminal(self) -> Terminal | None:
        """The one terminal that is meant."""
        typed = self.cleaned_data["terminal"].strip()
        if not typed:
            return None
        found = list(Terminal.objects.visible_to(self._actor).matching(typed)[:2])
        if not found:
            raise ValidationError(_("No terminal has this reference or number"))
        if len(found) > 1:
            raise ValidationError(_("More than one terminal fits. Enter the whole serial."))
        return found[0]

    def clean_file(self) -> Any:
        """SECURITY: the size is known before anything is read into memory."""
        upload = self.cleaned_data["file"]
        if upload and (upload.size or 0) > MAX_BYTES:
            raise ValidationError(REFUSED["too_large"])
        return upload

    def clean(self) -> dict[str, Any]:
        """One of the two."""
        values = super().clean() or {}
        has_text = bool((values.get("text") or "").strip())
        if has_text and values.get("file"):
            self.add_error("file", _("Paste a text or choose a file, not both"))
        elif not has_text and not values.get("file") and not {"text", "file"} & set(self.errors):
            self.add_error("text", _("Paste a log or choose a file"))
        return values

    def log(self) -> str | bytes:
        """What is to be read, of a valid form."""
        upload = self.cleaned_data["file"]
        content: str | bytes = upload.read() if upload else self.cleaned_data["text"]
        return content
