"""What comes in about tickets, and the filters of their list."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from rest_framework import serializers

from merchants.api.shapes import REF_LENGTH
from posdoctor.core.api.errors import invalid
from posdoctor.core.api.schema import PageQuery
from posdoctor.core.api.shapes import FormText, Input
from posdoctor.core.forms import PhoneField
from posdoctor.core.scrub import scrub
from posdoctor.core.uploads import MAX_IMAGE_BYTES, CleanFile, RejectedUpload, clean_upload
from tickets.actions import MAX_FILES
from tickets.filters import DUES, MISSED
from tickets.forms.composer import REJECTED
from tickets.forms.desk import LAST_YEAR, REASON_LENGTH, WORDS_LENGTH
from tickets.lifecycle import Certainty, FixedBy, Impact, Priority, Proof, TicketStatus, WaitFor

LANGUAGES = [code for code, _name in settings.LANGUAGES]
MAX_REQUEST_BYTES = MAX_FILES * MAX_IMAGE_BYTES + 2 * 1024 * 1024


class TicketQuery(PageQuery):
    """Which tickets."""

    status = serializers.ListField(
        child=serializers.ChoiceField(choices=TicketStatus.values),
        required=False,
        max_length=len(TicketStatus.values),
        help_text="May be given several times",
    )
    priority = serializers.ChoiceField(choices=Priority.values, required=False)
    assignee = serializers.CharField(
        required=False, max_length=REF_LENGTH, help_text="A person's reference, `me` or `none`"
    )
    team = serializers.CharField(required=False, max_length=REF_LENGTH)
    terminal = serializers.CharField(required=False, max_length=REF_LENGTH)
    merchant = serializers.CharField(required=False, max_length=REF_LENGTH)
    symptom = serializers.CharField(required=False, max_length=40)
    model = serializers.CharField(required=False, max_length=60)
    area = serializers.CharField(required=False, max_length=60)
    q = serializers.CharField(
        required=False,
        max_length=80,
        help_text="Reference, serial, terminal number, sticker, phone or merchant name",
    )
    due_before = serializers.DateTimeField(
        required=False,
        help_text="Unfinished ones whose next running clock is due before then, overdue ones too",
    )
    due = serializers.ChoiceField(
        choices=list(DUES),
        required=False,
        help_text=(
            "Unfinished ones by the next running clock: overdue, or still to come within this "
            "time; `today` ends at midnight of the provider"
        ),
    )
    breached = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Whether a promise was broken, finished tickets too",
    )
    missed = serializers.ChoiceField(
        choices=list(MISSED), required=False, help_text="This promise was broken"
    )
    sort = serializers.ChoiceField(choices=["newest", "oldest"], required=False, default="newest")


def _files() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.FileField(), max_length=MAX_FILES, required=False, default=list
    )


class ReportInput(Input):
    """The rest of a report. `terminals_down`: how many take no payments."""

    contact_phone = FormText(PhoneField, max_length=40)
    contact_name = serializers.CharField(max_length=60, allow_blank=True, default="")
    impact = serializers.ChoiceField(choices=Impact.values)
    terminals_down = serializers.IntegerField(min_value=1, max_value=99, default=1)
    note = serializers.CharField(max_length=WORDS_LENGTH, allow_blank=True, default="")
    attachments = _files()


class NewTicketInput(ReportInput):
    """A report of a terminal, with or without a symptom; nothing is checked beforehand."""

    terminal = serializers.CharField(max_length=REF_LENGTH)
    symptom = serializers.CharField(max_length=40, required=False)
    language = serializers.ChoiceField(
        choices=LANGUAGES, required=False, help_text="Of the merchant; without it the shop's own"
    )


class TicketInput(Input):
    """What can be changed without a verb of its own. A priority needs a reason."""

    assignee = serializers.CharField(max_length=REF_LENGTH, allow_null=True)
    team = serializers.CharField(max_length=REF_LENGTH, allow_null=True)
    priority = serializers.ChoiceField(choices=Priority.values)
    reason = serializers.CharField(max_length=REASON_LENGTH)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The time line says why a priority changed."""
        if "priority" in attrs and "reason" not in attrs:
            raise serializers.ValidationError({"reason": _("Say why the priority changes")})
        return attrs


class WordsInput(Input):
    """Words, files or both."""

    body = serializers.CharField(max_length=WORDS_LENGTH, allow_blank=True, default="")
    attachments = _files()


class ReplyInput(WordsInput):
    """To the merchant; `then` = `wait` waits for the answer."""

    then = serializers.ChoiceField(choices=["keep", "wait"], default="keep")


class AssignInput(Input):
    """References; null takes it away, what is left out stays."""

    user = serializers.CharField(max_length=REF_LENGTH, allow_null=True, required=False)
    team = serializers.CharField(max_length=REF_LENGTH, allow_null=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """An empty request takes no ticket away from its owner."""
        if not attrs:
            raise serializers.ValidationError({"user": _("Choose an owner or a team")})
        return attrs


class WaitInput(Input):
    """For whom, and when the desk is reminded."""

    remind_at = serializers.DateTimeField(allow_null=True, default=None)

    def get_fields(self) -> dict[str, Any]:
        """`for` is a word of Python, hence no attribute."""
        return {"for": serializers.ChoiceField(choices=WaitFor.values), **super().get_fields()}

    def validate_remind_at(self, at: Any) -> Any:
        """In the future, in a year that the database and Python both know."""
        if at and at <= self.context["now"]:
            raise serializers.ValidationError(_("Choose a time in the future"))
        if at and at.year > LAST_YEAR:
            raise serializers.ValidationError(_("Choose an earlier year"))
        return at


class DispatchInput(Input):
    """Which field engineer goes."""

    engineer = serializers.CharField(max_length=REF_LENGTH)


class TicketReasonInput(Input):
    """Why."""

    reason = serializers.CharField(max_length=REASON_LENGTH)


class ResolveInput(Input):
    """What it was, how sure, who fixed it, how that was seen. `cause`: of the symptom, or other."""

    cause = serializers.CharField(max_length=60)
    certainty = serializers.ChoiceField(choices=Certainty.values)
    fixed_by = serializers.ChoiceField(choices=FixedBy.values)
    proof = serializers.ChoiceField(choices=Proof.values)
    note = serializers.CharField(max_length=WORDS_LENGTH, allow_blank=True, default="")


class TriedFixInput(Input):
    """A fix of the flow and whether it worked; null takes one's own entry back."""

    step = serializers.CharField(max_length=60)
    worked = serializers.BooleanField(allow_null=True)


class ReopenInput(Input):
    """Why work goes on."""

    note = serializers.CharField(max_length=WORDS_LENGTH, allow_blank=True, default="")


class MergeInput(Input):
    """Reference of the ticket that stays."""

    into = serializers.CharField(max_length=REF_LENGTH)


class PriorityInput(Input):
    """Another priority, and why."""

    priority = serializers.ChoiceField(choices=Priority.values)
    reason = serializers.CharField(max_length=REASON_LENGTH)


def clean_files(uploads: "Sequence[UploadedFile[bytes]]") -> list[CleanFile]:
    """Every file made safe; a 422 names those that cannot be kept."""
    clean, wrong = [], []
    for upload in uploads:
        try:
            # SECURITY: the size is known before anything is read into memory.
            if (upload.size or 0) > MAX_IMAGE_BYTES:
                raise RejectedUpload("too_large")  # noqa: TRY301 - judged like the others
            clean.append(clean_upload(upload.name or "", upload.read()))
        except RejectedUpload as error:
            wrong.append(REJECTED[error.reason] % {"name": scrub(upload.name or "")})
    if wrong:
        raise invalid({"attachments": wrong})
    return clean
