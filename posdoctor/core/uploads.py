"""Makes what a stranger sends safe to keep: type by content, pictures encoded again, texts masked.

Pure: no Django, no storage. What leaves `clean_upload` is a picture or a text and nothing else.
"""

import hashlib
import io
import json
import re
import struct
import threading
import unicodedata
import zlib
from dataclasses import dataclass

import filetype
from PIL import ExifTags, Image

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
# SECURITY: 200 kB can hold a picture that takes 500 MB to decode. One at a time in a process,
# or a handful of requests would end them all.
_ONE_PICTURE = threading.Lock()
# What decoders of hostile files raise, Pillow's own errors being OSError and ValueError.
_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, AttributeError,
    ArithmeticError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRANGE = {"Cc", "Cn", "Co", "Cs"}
_USUAL = "\t\n\r\f\x1b"  # the last colours terminal logs
_MARKUP = re.compile(
    r"\A\s*<(?:!doctype|!--|\?xml|html|svg|head|body|script)|<(?:svg|script)\b", re.IGNORECASE
)


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
    # Line and paragraph separators are Z: spaces, like every other blank.
    base = "".join(" " if c.isspace() else c for c in base)
    base = "".join(c for c in base if unicodedata.category(c)[0] != "C").strip(" .")
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", base)
    return f"{scrub(stem)[: MAX_NAME - len(extension)].strip() or 'file'}{extension}"


def _image(name: str, data: bytes, wanted: str) -> CleanFile:
    if len(data) > MAX_IMAGE_BYTES:
        raise RejectedUpload("too_large")
    with _ONE_PICTURE:
        return _painted_anew(name, data, wanted)


def _painted_anew(name: str, data: bytes, wanted: str) -> CleanFile:
    try:
        picture = _decoded_picture(data, wanted)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RejectedUpload("too_many_pixels") from error
    except _BROKEN as error:
        raise RejectedUpload("broken") from error
    keep_png = wanted in {"PNG", "GIF"}
    # SECURITY: a picture painted anew carries pixels over and nothing else.
    clean = Image.new("RGBA" if keep_png and _is_see_through(picture) else "RGB", picture.size)
    clean.paste(picture if clean.mode == "RGBA" else _on_white(picture))
    out = io.BytesIO()
    if keep_png:
        clean.save(out, "PNG", optimize=True)
    else:
        clean.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    extension, mime = (".png", "image/png") if keep_png else (".jpg", "image/jpeg")
    return _file(safe_name(name, extension), out.getvalue(), mime, extension, clean.size)


def _decoded_picture(data: bytes, wanted: str) -> Image.Image:
    """The first frame, upright, at most MAX_SIDE wide and high."""
    picture: Image.Image = Image.open(io.BytesIO(data), formats=[wanted])
    if picture.width * picture.height > MAX_PIXELS:
        raise RejectedUpload("too_many_pixels")
    turn = _TURNS.get(_orientation(picture))
    # Shrunk before it is turned: a large JPEG is then never decoded in full size.
    picture.draft("RGB", (MAX_SIDE, MAX_SIDE))
    picture.load()
    if picture.mode not in {"RGB", "RGBA"}:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    return picture if turn is None else picture.transpose(turn)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation) or 1)
    except _BROKEN:
        return 1  # the data about the picture is broken, the picture need not be


def _is_see_through(picture: Image.Image) -> bool:
    return picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] != 255


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _text(name: str, data: bytes) -> CleanFile:
    if len(data) > MAX_TEXT_BYTES:
        raise RejectedUpload("too_large")
    text = _decoded(data)
    # SECURITY: a page or a drawing with scripts is a text as well, and not one of ours.
    if text is None or _looks_binary(text) or _MARKUP.search(text[:2048]):
        raise RejectedUpload("type")
    content = scrub(text)
    match = re.search(r"\.[A-Za-z0-9]{1,5}$", name)
    extension = match[0].lower() if match else ""
    if extension not in _TEXT_EXTENSIONS or (extension == ".json" and not _is_json(content)):
        # A program or a page under another name stays what it is not: plain text, downloaded.
        extension = ".txt"
    mime = _TEXT_EXTENSIONS[extension]
    return _file(safe_name(name, extension), content.encode("utf-8"), mime, extension)


def _decoded(data: bytes) -> str | None:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _looks_binary(text: str) -> bool:
    """Control characters, or what other encodings and programs become when read as GB18030."""
    sample = text[:65536]
    strange = sum(1 for c in sample if unicodedata.category(c) in _STRANGE and c not in _USUAL)
    return "\0" in text or strange * 50 > len(sample)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


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
