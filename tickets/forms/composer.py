"""The two things that can be written into a ticket: words for the merchant, and a note."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from posdoctor.accounts.policies import Permission
from posdoctor.core.forms import PlainForm
from posdoctor.core.scrub import scrub
from posdoctor.core.uploads import CleanFile, RejectedUpload, clean_upload
from tickets.forms.files import FilesField

WORDS_LENGTH = 4000
MAX_FILES = 5
REJECTED = {
    "empty": _("%(name)s is empty"),
    "too_large": _("%(name)s is too large: pictures up to 10 MB, texts up to 2 MB"),
    "type": _("%(name)s is neither a picture nor a text file"),
    "broken": _("%(name)s cannot be opened as a picture"),
    "too_many_pixels": _("%(name)s has too many pixels"),
}


class MessageForm(PlainForm):
    """Words and files; one of the two is enough."""

    tab: ClassVar[str]
    permission: ClassVar[Permission]
    text = forms.CharField(
        max_length=WORDS_LENGTH,
        required=False,
        error_messages={
            "max_length": _("Use at most %(limit_value)d characters, now %(show_value)d")
        },
    )
    attachments = FilesField(required=False)

    def clean_attachments(self) -> list[CleanFile]:
        """Every file made safe; one that cannot be kept is named, and the words stay."""
        sent = self.cleaned_data["attachments"]
        if len(sent) > MAX_FILES:
            raise ValidationError(_("Send at most five files at once"))
        clean, wrong = [], []
        for upload in sent:
            try:
                clean.append(clean_upload(upload.name or "", upload.read()))
            except RejectedUpload as error:
                name = {"name": scrub(upload.name or "")}
                wrong.append(ValidationError(REJECTED[error.reason], params=name))
        if wrong:
            raise ValidationError(wrong)
        return clean

    def explain(self, code: str) -> None:
        """A rule of the action as words at the field it is about."""
        if code == "too_many_files":
            self.add_error("attachments", _("Send at most five files at once"))
        else:
            self.add_error("text", _("Write something or add a file"))

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the action."""
        return {"body": self.cleaned_data["text"], "files": self.cleaned_data["attachments"]}


class ReplyForm(MessageForm):
    """To the merchant, optionally waiting for the answer."""

    tab = "reply"
    permission = Permission.TICKET_REPLY
    then = forms.ChoiceField(choices=[("keep", ""), ("wait", "")], required=False)

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "then": self.cleaned_data["then"] or "keep"}


class NoteForm(MessageForm):
    """For colleagues only."""

    tab = "note"
    permission = Permission.TICKET_NOTE
