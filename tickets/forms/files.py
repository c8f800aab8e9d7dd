"""Several files in one field, and what was wrong with each of them, in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from posdoctor.core import doors
from posdoctor.core.errors import TooManyTriesError
from posdoctor.core.scrub import scrub
from posdoctor.core.uploads import MAX_IMAGE_BYTES, CleanFile, RejectedUpload, clean_upload

# Named types, not image/*: an iPhone then hands over JPEG instead of its own HEIC.
PICTURES = "image/jpeg,image/png,image/webp"
_NAME_LENGTH = 40
REJECTED = {
    "empty": _("%(name)s is empty, choose it again"),
    "too_large": _("%(name)s is larger than 10 MB, take a smaller photo"),
    "type": _("%(name)s is not a photo"),
    "broken": _("%(name)s can’t be opened, take it again"),
    "too_many_pixels": _("%(name)s has too many pixels, take a smaller photo"),
}


class FilesInput(forms.FileInput):
    """A plain file control that takes several pictures."""

    allow_multiple_selected = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:  # noqa: ARG002 - Django's signature
        """All files of the field, not only the last."""
        return files.getlist(name) if hasattr(files, "getlist") else files.get(name)


class FilesField(forms.FileField):
    """Never fails by itself: each file is cleaned and judged alone (`sort_files`)."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("widget", FilesInput(attrs={"accept": PICTURES}))
        super().__init__(**kwargs)

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[bytes]]":  # noqa: ARG002 - Django's signature
        """The uploads as they came."""
        if not data:
            return []
        return list(data) if isinstance(data, list | tuple) else [data]


def sort_files(
    files: "Sequence[UploadedFile[bytes]]", *, room: int, who: str, now: datetime
) -> tuple[list[CleanFile], list[str]]:
    """(what can be kept, what to tell about the rest), each file judged alone.

    `room`: how many may still be kept. `who`: the caller's address, whose uploads are counted.
    """
    good: list[CleanFile] = []
    problems: list[str] = []
    for file in files[: max(room, 0)]:
        try:
            doors.knock(doors.UPLOADS_BY_ADDRESS, who, now=now)
            good.append(_cleaned(file))
        except RejectedUpload as error:
            problems.append(str(REJECTED[error.reason] % {"name": _short_name(file)}))
        except TooManyTriesError:
            problems.append(str(_("Too many photos in one hour. Send the rest later.")))
            break
    left_out = len(files) - max(room, 0)
    if left_out > 0:
        text = ngettext(
            "Up to 5 photos fit. %(n)d was left out.",
            "Up to 5 photos fit. %(n)d were left out.",
            left_out,
        )
        problems.append(text % {"n": left_out})
    return good, problems


def _cleaned(file: "UploadedFile[bytes]") -> CleanFile:
    # SECURITY: the size is known before anything is read into memory.
    if (file.size or 0) > MAX_IMAGE_BYTES:
        raise RejectedUpload("too_large")
    return clean_upload(file.name or "", file.read())


def _short_name(file: "UploadedFile[bytes]") -> str:
    """The sender's name for it, masked: it is shown, and kept with the message."""
    name = "".join(character for character in file.name or "" if character.isprintable())
    return scrub(name)[:_NAME_LENGTH]
