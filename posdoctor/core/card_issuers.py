"""Which digits are a card number: issuers' prefixes and lengths, the check digit, longer runs.

Pure: no Django. Digits are ASCII here; how they are joined in a text is no matter of this module.
"""

import re
from typing import NamedTuple

_TO_19 = (19, 18, 17, 16)
# First two digits -> lengths, the likelier length of two first.
LENGTHS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(map(str, range(40, 50)), (19, 16, 13)),  # Visa
    **dict.fromkeys(["51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"], (16,)),
    **dict.fromkeys(["34", "37"], (15,)),  # Amex
    "35": _TO_19,  # JCB
    **dict.fromkeys(["30", "36", "38", "39"], (*_TO_19, 14)),  # Diners
    # Discover, RuPay and older Chinese debit cards. Not below 16: 69 begins Chinese bar codes (13).
    **dict.fromkeys(["60", "61", "64", "65", "66", "68", "69"], _TO_19),
    **dict.fromkeys(["50", "56", "57", "58", "63", "67"], (*_TO_19, 15, 14, 13)),  # Maestro
    **dict.fromkeys(["62", "81"], _TO_19),  # UnionPay
    "95": _TO_19,  # ICBC debit cards from before UnionPay: 9558
}
UNIONPAY = frozenset({"62", "81"})
# Prefixes of which only a part is an issuer's.
FINE = frozenset({"22", "27", "30", "95"})
LONGEST_RUN = 57  # three numbers of nineteen digits

_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_DATE = re.compile(r"20[0-4]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d")
_EXPIRY = re.compile(r"(?:[2-4]\d(?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])[2-4]\d)(?:\d{3})?")


def luhn(digits: str) -> bool:
    """Say whether the last digit is the right check digit."""
    data = digits.encode()
    total = sum(data[-1::-2]) + sum(data[-2::-2].translate(_DOUBLED))
    return (total - 48 * len(data)) % 10 == 0


def issuer_fits(digits: str) -> bool:
    """Say whether the finer prefix rules hold for a number whose first two digits are listed."""
    first = digits[:4]
    if digits[0] == "2":
        return "2221" <= first <= "2720"
    if first[:2] == "95":
        return first == "9558"
    if first[:2] == "30" and len(digits) > 14:
        return "3000" <= first <= "3059"
    return True


def is_issued(digits: str) -> bool:
    """Say whether prefix and length are those of one issuer."""
    return len(digits) in LENGTHS.get(digits[:2], ()) and issuer_fits(digits)


def is_card(digits: str) -> bool:
    """Say whether it is a card number; UnionPay's needs no check digit."""
    return is_issued(digits) and (digits[:2] in UNIONPAY or luhn(digits))


def is_expiry(digits: str) -> bool:
    """Say whether it is a year and a month, in either order."""
    return len(digits) == 4 and bool(_EXPIRY.fullmatch(digits))


class Inside(NamedTuple):
    """A card number inside a run: its digits ``start`` to before ``end``.

    ``with_more``: expiry date or security code follow without a gap, as on a magnetic stripe.
    """

    start: int
    end: int
    with_more: bool = False


def inside(run: str, *, is_labelled_card: bool = False) -> Inside | None:
    """Return the card number in a longer run of digits, where the rest of the run is explained.

    A window of sixteen digits that passes by chance is in most long order numbers. So nothing may
    be left over: before the number zeros, its own length or a date, with time or without; behind
    it an expiry date, with a security code or without, or a second and a third card number.
    ``is_labelled_card``: something says that it is a card; then anything may follow.
    """
    size = len(run)
    if not 15 <= size <= LONGEST_RUN:
        return None
    if run[:2] == str(size - 2) and _is_sure(run[2:], 13):
        return Inside(2, size)
    if run[0] == "0":
        zeros = size - len(run.lstrip("0"))
        return Inside(zeros, size) if _is_sure(run[zeros:], 15) else None
    for lead in _leads(run):
        if _is_sure(run[lead:], 16):
            return Inside(lead, size)
    return _head(run, is_labelled_card=is_labelled_card)


def _is_sure(number: str, least: int) -> bool:
    return len(number) >= least and is_issued(number) and luhn(number)


def _leads(run: str) -> list[int]:
    """How many digits a date takes, with the time of day or without."""
    if not _DATE.match(run):
        return []
    return [8, 14] if _TIME.match(run, 8) else [8]


def _head(run: str, *, is_labelled_card: bool) -> Inside | None:
    size = len(run)
    if size < 19:
        return None
    for length in LENGTHS.get(run[:2], ()):
        number, rest = run[:length], run[length:]
        if length < 15 or not rest or not issuer_fits(number):
            continue
        is_right = luhn(number)
        is_printed = run[:2] in UNIONPAY and length in (16, 19) and len(rest) == 4
        if _EXPIRY.fullmatch(rest) and (is_right or (is_printed and "20" <= rest[:2] <= "45")):
            return Inside(0, size, with_more=True)
        if is_right and (is_labelled_card or _are_cards(rest)):
            return Inside(0, size)
    return None


def _are_cards(run: str) -> bool:
    if _is_sure(run, 15):
        return True
    lengths = (n for n in LENGTHS.get(run[:2], ()) if 15 <= n <= len(run) - 15)
    return any(_is_sure(run[:n], 15) and _is_sure(run[n:], 15) for n in lengths)
