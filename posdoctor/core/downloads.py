"""Gives out a stored file so that no browser runs it or keeps it for others."""

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpResponse
from django.utils.http import content_disposition_header

# What a page may show as a picture; everything else is a download.
INLINE = frozenset({"image/jpeg", "image/png", "image/webp"})


def serve(stored: FieldFile, *, name: str, content_type: str) -> HttpResponse:
    """The file under its own name. Raises Http404 where the disk has lost it."""
    try:
        with stored.open("rb") as opened:
            content = opened.read()
    except FileNotFoundError as error:
        raise Http404 from error
    response = HttpResponse(content, content_type=content_type)
    disposition = content_disposition_header(content_type not in INLINE, name)
    response["Content-Disposition"] = disposition or "attachment"
    # SECURITY: what a stranger sent never becomes a page of ours.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, max-age=3600"
    return response
