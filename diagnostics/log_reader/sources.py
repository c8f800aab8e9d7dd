"""From what was sent to pieces of text: plain files and zip archives, everything else refused.

Nothing here looks at what a log says. Sizes are bounded before anything is unpacked or decoded.
"""

import codecs
import io
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator

import filetype

MAX_BYTES = 10 * 1024 * 1024
MAX_FILES = 100
PIECE = 1 << 16

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PACKED_NAMES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".jar", ".apk")
_STRANGE = {"Cc", "Cn", "Co", "Cs"}
_USUAL = "\t\n\r\f\v\b\x07\x1b"  # colours and bells of terminals
_SAMPLE = 1 << 14
# A noisy serial line spoils a byte here and there; a program is spoilt everywhere.
_BROKEN_SHARE = 0.02


class RejectedLog(Exception):  # noqa: N818 - it is a refusal, not a fault
    """What was sent is no log. `reason`: empty, too_large, binary, broken_zip, encrypted_zip,
    nested_zip, too_many_files, too_large_inside, binary_inside.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REASONS = (
    "empty", "too_large", "binary", "broken_zip", "encrypted_zip", "nested_zip",
    "too_many_files", "too_large_inside", "binary_inside",
)  # fmt: skip


def pieces_of_text(text: str) -> Iterator[str]:
    """A pasted text in pieces. Raises RejectedLog: empty, too_large (10 MB as UTF-8)."""
    if not text.strip():
        raise RejectedLog("empty")
    # SECURITY: four bytes a character at most, so that a short text is not encoded to be measured.
    if len(text) > MAX_BYTES // 4 and len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise RejectedLog("too_large")
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def pieces_of_bytes(data: bytes) -> Iterator[str]:
    """A file as text in pieces: UTF-8, UTF-16 with its mark, GB18030, or a zip of such files.

    Everything is judged before the first piece. Raises RejectedLog.
    """
    if not data:
        raise RejectedLog("empty")
    if len(data) > MAX_BYTES:
        raise RejectedLog("too_large")
    if data.startswith(_ZIP):
        return _of_files(_unpacked(data))
    return _of_files([(data, _encoding(data, "binary"))])


def _of_files(files: list[tuple[bytes, str]]) -> Iterator[str]:
    """The files one after the other, each on lines of its own."""
    for data, encoding in files:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        for at in range(0, len(data), PIECE):
            yield decoder.decode(data[at : at + PIECE])
        yield decoder.decode(b"", final=True)
        if data is not files[-1][0]:
            yield "\n"


def _unpacked(data: bytes) -> list[tuple[bytes, str]]:
    """The files of an archive by name, with their encodings."""
    # SECURITY: the directory is read whole by zipfile, one object an entry: count them before.
    if data.count(b"PK\x01\x02") > MAX_FILES:
        raise RejectedLog("too_many_files")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _files_of(archive)
    # What zipfile raises for hostile archives.
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError,
        NotImplementedError, LookupError, AttributeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise RejectedLog("broken_zip") from error


def _files_of(archive: zipfile.ZipFile) -> list[tuple[bytes, str]]:
    left, files = MAX_BYTES, []
    entries = [e for e in archive.infolist() if not e.is_dir() and not _is_clutter(e.filename)]
    for entry in sorted(entries, key=lambda entry: entry.filename):
        content = _content(archive, entry, left)
        left -= len(content)
        if content:
            files.append((content, _encoding(content, "binary_inside")))
    if not files:
        raise RejectedLog("empty")
    return files


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    if entry.flag_bits & 1:
        raise RejectedLog("encrypted_zip")
    # SECURITY: the other methods ask for as much memory as the archive likes.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RejectedLog("broken_zip")
    with archive.open(entry) as stream:
        # SECURITY: what an entry says of its size is the sender's word; this is not.
        content = stream.read(most + 1)
    if len(content) > most:
        raise RejectedLog("too_large_inside")
    if content.startswith(_ZIP) or entry.filename.lower().endswith(_PACKED_NAMES):
        raise RejectedLog("nested_zip")
    return content


def _is_clutter(name: str) -> bool:
    """What systems add to archives by themselves."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in (".DS_Store", "Thumbs.db")


def _encoding(data: bytes, refusal: str) -> str:
    """How the bytes are to be decoded; RejectedLog(`refusal`) where they are no text."""
    if data.startswith(_UTF16):
        encoding = "utf-16"
    elif filetype.guess_mime(data[:8192]) is not None or b"\0" in data:
        raise RejectedLog(refusal)
    else:
        encoding = next((name for name in ("utf-8-sig", "gb18030") if _can(data, name)), "")
    if not encoding and _broken_share(data) <= _BROKEN_SHARE:
        encoding = "utf-8-sig"
    if not encoding or any(_is_strange(part, encoding) for part in _samples(data)):
        raise RejectedLog(refusal)
    return encoding


def _can(data: bytes, encoding: str) -> bool:
    """Whether all of it decodes, in pieces so that no second copy of it is made."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        for at in range(0, len(data), PIECE):
            decoder.decode(data[at : at + PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _broken_share(data: bytes) -> float:
    return max(
        part.decode("utf-8", "replace").count("\ufffd") / len(part) for part in _samples(data)
    )


def _samples(data: bytes) -> Iterator[bytes]:
    """The beginning, the middle and the end, cut where characters may begin."""
    for at in {0, max(0, len(data) // 2 - _SAMPLE) // 4 * 4, max(0, len(data) - _SAMPLE) // 4 * 4}:
        yield data[at : at + _SAMPLE]


def _is_strange(part: bytes, encoding: str) -> bool:
    """Control and unassigned characters, which other files become when they are read as text."""
    text = part.decode("utf-16-le" if encoding == "utf-16" else encoding, "ignore")
    strange = sum(1 for c in text if unicodedata.category(c) in _STRANGE and c not in _USUAL)
    return strange * 50 > len(text)
