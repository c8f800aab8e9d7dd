"""Makes what a stranger sends safe to keep: type by content, pictures encoded again, texts masked.

Pure: no Django, no storage. What leaves `clean_upload` is a picture or a text and nothing else.
"""

import hashlib
import io
import re
import unicodedata
import warnings
from dataclasses import dataclass

import filetype
from PIL import Image, ImageOps, UnidentifiedImageError

from posdoctor.core.scrub import scrub

MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_TEXT_BYTES = 2 * 1024 * 1024
MAX_PIXELS = 50_000_000  # a 48-megapixel phone; more is a bomb
MAX_SIDE = 2560
JPEG_QUALITY = 85
MAX_NAME = 100

_IMAGES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}
_TEXT_EXTENSIONS = {
    ".txt": "text/plain",
    ".log": "text/plain",
    ".csv": "text/csv",
    ".json": "application/json",
}


class RejectedUpload(Exception):  # noqa: N818 - it is a refusal, not a fault
    """The file cannot be kept. `reason`: empty, too_large, type, broken, too_many_pixels."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class CleanFile:
    """A file that may be stored: `content` is ours, `name` is safe to show and to send."""

    name: str
    content: bytes
    content_type: str
    extension: str
    sha256: str
    width: int | None = None
    height: int | None = None


def clean_upload(name: str, data: bytes) -> CleanFile:
    """The cleaned file, or RejectedUpload.

    Pictures (JPEG, PNG, WebP, first frame of a GIF) are decoded, turned upright, shrunk to
    2560 px and encoded again, which drops EXIF, GPS, profiles, comments and anything appended.
    Texts (UTF-8 or GB18030) are masked and kept as UTF-8. Everything else is refused.
    """
    if not data:
        raise RejectedUpload("empty")
    kind = filetype.guess_mime(data[:8192])
    if kind in _IMAGES:
        return _image(name, data, _IMAGES[kind])
    if kind is not None:
        raise RejectedUpload("type")
    return _text(name, data)


def safe_name(name: str, extension: str) -> str:
    """The sender's name without path, control and direction characters, masked, with the
    extension that the content has."""
    base = re.split(r"[\\/]", name)[-1]
    base = "".join(c for c in base if unicodedata.category(c)[0] != "C").strip(" .")
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", base)
    return f"{scrub(stem)[: MAX_NAME - len(extension)].strip() or 'file'}{extension}"


def _image(name: str, data: bytes, wanted: str) -> CleanFile:
    if len(data) > MAX_IMAGE_BYTES:
        raise RejectedUpload("too_large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(data), formats=[wanted])
            if opened.width * opened.height > MAX_PIXELS:
                raise RejectedUpload("too_many_pixels")
            picture = ImageOps.exif_transpose(opened)
            picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RejectedUpload("too_many_pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise RejectedUpload("broken") from error
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    has_alpha = picture.mode in {"RGBA", "LA"} or "transparency" in picture.info
    keep_png = wanted in {"PNG", "GIF"}
    clean = Image.new("RGBA" if has_alpha and keep_png else "RGB", picture.size, "white")
    clean.paste(picture.convert(clean.mode))
    out = io.BytesIO()
    if keep_png:
        clean.save(out, "PNG", optimize=True)
    else:
        clean.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    extension, mime = (".png", "image/png") if keep_png else (".jpg", "image/jpeg")
    return _file(safe_name(name, extension), out.getvalue(), mime, extension, clean.size)


def _text(name: str, data: bytes) -> CleanFile:
    if len(data) > MAX_TEXT_BYTES:
        raise RejectedUpload("too_large")
    text = _decoded(data)
    if text is None or _looks_binary(text):
        raise RejectedUpload("type")
    match = re.search(r"\.[A-Za-z0-9]{1,5}$", name)
    extension = match[0].lower() if match else ""
    if extension not in _TEXT_EXTENSIONS:
        # A page or a script under another name stays what it is not: plain text, downloaded.
        extension = ".txt"
    content = scrub(text).encode("utf-8")
    return _file(safe_name(name, extension), content, _TEXT_EXTENSIONS[extension], extension)


def _decoded(data: bytes) -> str | None:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _looks_binary(text: str) -> bool:
    strange = sum(1 for c in text if ord(c) < 32 and c not in "\t\n\r\f\x1b")
    return "\0" in text or strange * 50 > len(text)


def _file(
    name: str, content: bytes, mime: str, extension: str, size: tuple[int, int] | None = None
) -> CleanFile:
    return CleanFile(
        name=name,
        content=content,
        content_type=mime,
        extension=extension,
        sha256=hashlib.sha256(content).hexdigest(),
        width=size[0] if size else None,
        height=size[1] if size else None,
    )
