"""Takes card data out of text before it is stored, indexed, logged or sent.

Pure: no Django. Not a validator, and not for pictures: text baked into a photo cannot be seen here.

What goes
    pan    a card number becomes its first six digits, ``******`` and its last four
    track  track 1 or track 2 data becomes ``[removed]``, sentinels and all
    cvv    the 3-4 digits after CVV, CVC, CVN, 安全码, 后三位 ... become ``[removed]``
    pin    the 4-6 digits after PIN, 密码, 口令, password ... and PIN blocks become ``[removed]``
Everything else stays character for character, and ``scrub(scrub(x)) == scrub(x)``.

How a card number is found
    1. Digits of any script that are joined by nothing, spaces of any kind, dashes, dots, line
       breaks or invisible characters form a cluster. Any other character ends it.
    2. A window is a row of whole digit groups of a cluster with 13 to 19 digits. It is a card
       number when its first digits belong to an issuer, its length is one of that issuer's and
       the Luhn digit is right. UnionPay (62, 81; 16 to 19 digits) needs no Luhn digit: many of
       its real cards fail it. So do lists of other numbers that happen to begin with 62 or 81;
       where the groups are plainly several numbers (amounts, a date, equal long numbers, a
       landline with its area code, wide columns) Luhn is asked for after all.
    3. Windows that overlap become one, since no one can know which of them is the card: the mask
       then stands for all of them. A single run of digits wins over such chance neighbours.
    4. Without a label a single number of 15 digits with a right Luhn digit, or of 19-20 digits
       beginning 89 with one, is masked too: nothing tells it from a card for sure.
    5. In a longer run a number with a right Luhn digit is found where the rest of the run is
       explained: zeros, its length or a date before it; an expiry date (with a security code or
       without: all of it is then removed as a track) or another card number behind it. Behind a
       card label anything may follow.
    6. Slashes, commas, plus signs, ``%20`` and the like join separate numbers far more often than
       one. There the whole row must be one card number, or its groups be 4-4-4-4, 4-6-5, 4-6-4 or
       single digits; with a right Luhn digit, but for UnionPay in such a shape.
    7. Chinese numerals, circled and raised digits: thirteen to nineteen of them, alone.
    8. Chip data in hexadecimal: tags 5A and 57 with a length that fits.

Why a label is not a loophole
    A label within twelve characters before a number keeps it only where the number can be what
    the label says: RRN has 12 digits, MID 15, TID 8, IMEI and IMSI 15, ICCID 19-20 beginning 89,
    a phone 7-13, an identity number 17-18 with a birthday inside, one of our references 5-8
    without 0 and 1. "参考号 6222021234567890" has 16 digits, so it is no reference number and is
    masked. Batch, voucher and authorisation numbers are short and keep nothing of this length.
    Serial, order, trace and work-order numbers have no fixed length: they are kept unless they
    are 16-19 digits of an issuer with a right Luhn digit. A card label (卡号) nearer to the number
    outweighs the other. A labelled number that fits but continues in further groups is still
    masked where the whole passes Luhn.

What is not found, and why
    A number in a longer run whose rest is not explained (a window of sixteen digits that passes
    by chance is in most order numbers of 28 digits); one joined by colons (times, addresses of
    network cards), by letters, or by signs that no person puts there (stars, brackets, equal
    signs, tags): a mask written as ``6222****1234`` must stay readable; one in uneven groups by
    slashes or commas inside a longer row; a UnionPay number with a wrong Luhn digit behind the
    label of a serial or an order (they too have 16 to 19 digits, and begin as they like); one
    spread over two fields; one in ``\\uff14`` escapes or percent-encoded full-width digits; more
    than forty joiners in a row.

A second look at what was masked makes ``scrub(scrub(x)) == scrub(x)`` sure where masking one
number uncovers another beside it.

The work is linear in the length of the text, whatever the text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from posdoctor.core.card_labels import REMOVED, last_of
from posdoctor.core.card_numbers import (
    INVISIBLE,
    LINE_END,
    LOOKAHEAD,
    LOOKBACK,
    find_numbers,
)
from posdoctor.core.card_rows import find_rows, find_spoken
from posdoctor.core.card_tracks import Region, find_chip_data

KINDS = ("pan", "track", "cvv", "pin")

# --- Security codes and PINs --------------------------------------------------------------------


_NUMERALS = "〇零一二三四五六七八九"


def _secret_digits(least: int, most: int) -> str:
    """Match ``least`` to ``most`` digits, together or one by one, that are not part of more."""
    hidden = rf"[{INVISIBLE}]{{0,4}}+"
    more = rf"{{{least - 1},{most - 1}}}+"
    together = rf"\d(?:{hidden}\d){more}(?!{hidden}\d)"
    one_by_one = rf"\d(?:[ \u3000]\d){more}(?![ \u3000]?\d)"
    spoken = rf"[{_NUMERALS}]{{{least},{most}}}+(?![{_NUMERALS}十百千万])"
    return rf"(?:{together}|{one_by_one}|{spoken})(?!\*|年)"


_LINK = (
    r"(?P<{name}>(?:[\s:：=＝\"'“”‘’「」『』（(【\[<>＞→–—-]|是|為|为|就|的|[码碼]|[号號]|值|数字?|设成?|改成?"
    r"|is|are|was|code|number|value|no\.?|[三四六]位){{0,10}}+)"
)
_SECRETS = re.compile(
    r"(?P<cvv_label>(?i:cvv|cvc|cvn|cav)2?|安全[码碼]|[后後末]三[位码碼]|[背反]面的?三[位码碼]"
    r"|(?i:security code|verification (?:code|value)|digits on (?:the )?back))"
    + _LINK.format(name="cvv_link")
    + rf"(?P<cvv>{_secret_digits(3, 4)})"
    r"|(?P<pin_label>(?i:pin(?:[ _-]?block)?|password|passcode|passwd|pwd)|密[码碼]|口令)"
    + _LINK.format(name="pin_link")
    + rf"(?:(?P<block>[0-9A-Fa-f]{{16}})(?![0-9A-Fa-f])|(?P<pin>{_secret_digits(4, 6)}))"
)
# 卡号后三位 is asked for too; the last three of a phone or a serial are not a security code.
_OTHER_LAST_THREE = re.compile(
    r"(?:手机号?|电话号?|序列号|编号|单号|终端号|商户号|参考号|SN|IMEI|ICCID)码?的?$"
)
_EXPLICIT = re.compile(r"[:：=＝是为>设改]|is|was")
_HOTLINE = re.compile(r"95\d{3}|100\d\d")
_MONTH = re.compile(r"[-./](?:0[1-9]|1[0-2])(?!\d)", re.ASCII)


def _secrets(text: str, begin: int) -> Iterator[Region]:
    """Yield security codes, PINs and PIN blocks whose label begins at ``begin`` or later."""
    for match in _SECRETS.finditer(text, begin):
        kind = "cvv" if match["cvv"] else "pin"
        real = _is_cvv(text, match) if kind == "cvv" else _is_pin(text, match)
        if real:
            group = "block" if match["block"] else kind
            yield Region(match.start(group), match.end(group), kind, REMOVED)


def _glued_to_word(text: str, start: int) -> bool:
    return start > 0 and text[start - 1].isascii() and text[start - 1].isalpha()


def _is_cvv(text: str, match: re.Match[str]) -> bool:
    start, label = match.start(), match["cvv_label"]
    if label.endswith("三位") and _OTHER_LAST_THREE.search(text, max(0, start - 10), start):
        return False
    if label[:3].lower() in ("cvc", "cvn", "cav") and _glued_to_word(text, start):
        return False
    return not _is_year(text, match, "cvv")


def _is_pin(text: str, match: re.Match[str]) -> bool:
    label, link = match["pin_label"].lower(), match["pin_link"]
    if _glued_to_word(text, match.start()) and label.startswith("pin"):
        return False
    if match["block"]:
        return "block" in label
    follows = text[match.end() : match.end() + 2]
    continues = follows[1:].isdigit() and follows[0] in "-–."
    if _is_year(text, match, "pin") or (continues and follows[0] == "."):
        return False
    if _EXPLICIT.search(link):
        return True
    # Without "is" or a colon: on the same line, and neither a hotline nor a landline.
    return not (continues or LINE_END.search(link) or _HOTLINE.fullmatch(match["pin"]))


def _is_year(text: str, match: re.Match[str], group: str) -> bool:
    is_four = len(match[group]) == 4 and match[group].startswith(("19", "20"))
    return is_four and bool(_MONTH.match(text, match.end()))


# --- Digits of other scripts ---------------------------------------------------------------------


def _ascii_table() -> str:
    """For each code point the ASCII digit that it stands for, full-width letters too, or itself."""
    table = list(map(chr, range(0x1FC00)))
    for point, character in enumerate(table):
        if character.isdecimal():
            table[point] = str(int(character))
    for point in (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B)):
        table[point] = chr(point - 0xFEE0)
    return "".join(table)


_ASCII = _ascii_table()
_FOREIGN = re.compile(r"[^\D0-9]|[\uff21-\uff3a\uff41-\uff5a]")


def _plain(text: str) -> str:
    """Return the text, character for character, with digits of every script as ASCII digits."""
    return text if text.isascii() or not _FOREIGN.search(text) else text.translate(_ASCII)


# --- The whole ----------------------------------------------------------------------------------


def find_regions(text: str, begin: int = 0) -> list[Region]:
    """Return what ``scrub`` replaces at ``begin`` or later, in order, never overlapping.

    Up to 128 characters before ``begin`` are read as context: the label of the first number.
    """
    plain = _plain(text)
    regions = list(find_numbers(plain, begin))
    regions = _with(regions, find_chip_data(plain, begin))
    regions = _with(regions, find_rows(plain, regions, begin))
    regions = _with(regions, find_spoken(plain, begin))
    secrets = _secrets(plain, max(0, begin - LOOKBACK))
    return _with(regions, (secret for secret in secrets if secret.start >= begin))


def _with(regions: list[Region], others: Iterable[Region]) -> list[Region]:
    """Return both, in order; of the others, which are in order too, those that overlap nothing."""
    taken = iter(regions)
    region = next(taken, None)
    free = []
    for other in others:
        while region is not None and region.end <= other.start:
            region = next(taken, None)
        if region is None or other.end <= region.start:
            free.append(other)
    return sorted(regions + free) if free else regions


def _replace(text: str, begin: int, end: int, regions: Iterable[Region]) -> str:
    parts = []
    for region in regions:
        parts += [text[begin : region.start], region.replacement]
        begin = region.end
    return "".join([*parts, text[begin:end]])


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A text without card data, and how many of each kind (pan, track, cvv, pin) were taken out."""

    text: str
    counts: dict[str, int]


# Masking one number can, very rarely, uncover another beside it.
_MOST_ROUNDS = 8
_CHUNK = 1 << 18


def scrub_report(text: str) -> Scrubbed:
    """Return the scrubbed text with its counts; every kind of ``KINDS`` has an entry."""
    counts = dict.fromkeys(KINDS, 0)
    if len(text) > 2 * _CHUNK:
        # In pieces: a million regions at a time cost more than finding them.
        pieces = (text[n : n + _CHUNK] for n in range(0, len(text), _CHUNK))
        clean = "".join(scrub_stream(pieces, counts))
    else:
        clean = _finished(text, 0, len(text), find_regions(text), counts)
    return Scrubbed(text if clean == text else clean, counts)


def scrub(text: str) -> str:
    """Return ``text`` with card numbers masked and track data, security codes and PINs removed."""
    return scrub_report(text).text


# A cut after such a character splits neither a number nor a track.
_DIGITS = re.compile(r"\d+")
_CALM = re.compile(r"[^\W\dBbDdFf_][^\d*=^;%?]{0,20}?(?=[^\W\d_])")


def scrub_stream(chunks: Iterable[str], counts: dict[str, int] | None = None) -> Iterator[str]:
    """Scrub a text that comes in pieces; a number across pieces is found as in one text.

    Memory stays bounded: what is yielded lags at most some 270,000 characters behind. What was
    taken out is added to `counts`, per kind of ``KINDS``.
    """
    taken = dict.fromkeys(KINDS, 0) if counts is None else counts
    held, begin = "", 0
    for chunk in chunks:
        held += chunk
        if len(held) - begin < _CHUNK:
            continue
        regions = find_regions(held, begin)
        cut = _calm_cut(held, len(held) - LOOKAHEAD)
        regions = [region for region in regions if region.start < cut]
        if regions and regions[-1].end > cut:
            cut = regions.pop().start
        yield _finished(held, begin, cut, regions, taken)
        context = max(0, cut - LOOKBACK)
        held, begin = held[context:], cut - context
    yield _finished(held, begin, len(held), find_regions(held, begin), taken)


def _finished(
    held: str, begin: int, end: int, regions: list[Region], counts: dict[str, int]
) -> str:
    """Return the piece of ``held`` without the regions, nor what masking these uncovers."""
    before, piece = held[:begin], _replace(held, begin, end, regions)
    for _ in range(_MOST_ROUNDS):
        if not regions:
            break
        _count(regions, counts)
        held = before + piece
        regions = find_regions(held, begin)
        piece = _replace(held, begin, len(held), regions)
    return piece


def _count(regions: Iterable[Region], counts: dict[str, int]) -> None:
    for region in regions:
        counts[region.kind] = counts.get(region.kind, 0) + 1


def _calm_cut(text: str, cut: int) -> int:
    """Return a place shortly before ``cut`` inside plain words, or before a digit group."""
    last = last_of(_CALM.finditer(text, max(0, cut - 1024), cut))
    if last is not None:
        return last.end()
    return next((m.start() for m in _DIGITS.finditer(text, cut - 1024, cut)), cut)
