"""What the words before a number say that it is.

Pure: no Django. A label keeps a number only where the number can be what the label says; which
numbers that are is in the docstring of ``posdoctor.core.scrub``.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

REMOVED = "[removed]"
# How far before a number its label may begin, and how many characters may stand between.
_REACH, _BETWEEN = 40, 12


class Label(StrEnum):
    """What a number is, in the words of the text itself."""

    CARD = "card"
    SECRET = "secret"  # noqa: S105 (the name of a kind, not a password)
    ICCID = "iccid"
    DEVICE = "device"
    MERCHANT = "merchant"
    TERMINAL = "terminal"
    REFERENCE = "reference"
    PHONE = "phone"
    PERSON = "person"
    SHORT = "short"
    FREE = "free"


_NO = r"[ _.-]{0,2}(?:id|no|nr|num|number|code|cd|#)?"
_WORDS: dict[Label, str] = {
    Label.ICCID: rf"iccid|(?:u?sim|物联网|流量) ?卡(?:号码?)?|\bsim{_NO}",
    Label.CARD: rf"卡号|银行卡|信用卡|借记卡|储蓄卡|主账号|\bcard{_NO}|\bpan\b",
    Label.SECRET: (r"cv[vcn]2?|安全[码碼]|[后後]三位|\bpin\b|密[码碼]|口令|password|passwd|pwd"),
    Label.DEVICE: r"\bimei[1-4]?|\bimsi|\bmeid|串号|设备识别码",
    Label.MERCHANT: (
        rf"商户(?:编?号|代码|id)|商编|\bmid\b|merchant{_NO}|\bmch(?:nt)?{_NO}|\bmer_?id"
    ),
    Label.TERMINAL: rf"终端(?:编?号|代码|id)|\btid\b|\bterm(?:inal)?{_NO}",
    Label.REFERENCE: rf"参考号|检索号|\brrn\b|\bref(?:erence)?{_NO}",
    Label.PHONE: (
        r"电话|手机|座机|固话|热线|客服|联系方式|传真|拨打|致电|"
        r"\b(?:tele)?phone|\bmobile|\btel\b|\bcell\b|\bfax|\bcall\b|\bhotline"
    ),
    Label.PERSON: r"身份证|证件号",
    Label.SHORT: rf"批次|凭证|授权|\bbatch|\bvoucher|\bstan\b|\bauth{_NO}",
    Label.FREE: (
        r"\bs/?n\b|\b(?:device|terminal|term|pos)[ _]?sn\b|\btusn|\bserial"
        rf"|序列号|机身号|机器号|设备编?号|流水|订单|单号|工单|小票号|交易号"
        rf"|\btrace|\border{_NO}|\btrade{_NO}|\binvoice|\bticket"
        rf"|\b(?:transaction|txn|trans|tran){_NO}|\btracking{_NO}|\btimestamp"
    ),
}
# A word boundary that also holds beside Chinese, an underscore and inside camelCase's first word.
_START, _STOP = r"(?<![A-Za-z])", r"(?![A-Za-z])"


def _pattern(words: str) -> str:
    alternatives = []
    for word in re.split(r"\|(?![^(]*\))", words):
        bounded = word.replace(r"\b", _START, 1) if word.startswith(r"\b") else word
        alternatives.append(bounded.replace(r"\b", _STOP))
    return "|".join(alternatives)


# Most characters begin no label: one look at a set instead of thirty attempts.
_FIRST = (
    r"(?=[iuscpmtrfhbvdoaIUSCPMTRFHBVDOA物流卡银信借储主安后後密口串设商终参检电手座固热客联传拨致身证"
    r"批凭授序机订单工小交])"
)
_LABELS = re.compile(
    rf"{_FIRST}(?:"
    + "|".join(f"(?P<{kind}>{_pattern(words)})" for kind, words in _WORDS.items())
    + ")",
    re.IGNORECASE,
)
# What was removed held digits once: a second run must see no label that the first did not.
_CLAUSE_END = re.compile(rf"{re.escape(REMOVED)}|[\d,，。;；!！?？、]")
_NUMBERED = re.compile(r"imei[1-4]$", re.IGNORECASE)
# "IMEI: 861…/861…": the second number belongs to the same label.
_TWIN = re.compile(r"[0-9]{15}\s{0,2}[/,，、;；|]\s{0,2}$")
_TWIN_ENDS = frozenset("/,，、;；|")
# One of our references whose code is all digits; the alphabet has neither 0 nor 1.
_REF_BEFORE = re.compile(r"(?<![A-Za-z0-9])[A-Z]-$")
_REF = re.compile(r"[2-9]{5,8}")

_FIXED_LENGTHS: dict[Label, tuple[int, ...]] = {
    Label.DEVICE: (15,),
    Label.MERCHANT: (15,),
    Label.TERMINAL: (8,),
    Label.REFERENCE: (12,),
}
_PHONE = re.compile(r"(?:0?0?86)?1[3-9]\d{9}|(?:0|0?0?86)\d{2,3}\d{7,8}|[48]00\d{7}|\d{7,8}")
_PERSON = re.compile(
    r"[1-689]\d{5}(?:(?:19|20)\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3,4}"
)


def last_of(matches: Iterable[re.Match[str]]) -> re.Match[str] | None:
    """Return the last match, if there is any."""
    last = None
    for match in matches:
        last = match
    return last


def label_before(text: str, start: int) -> Label | None:
    """Return the kind of the nearest label that speaks for the number at ``start``.

    ``text`` has ASCII digits only.
    """
    before = text[max(0, start - 4) : start].rstrip()
    if before and before[-1] in _TWIN_ENDS:
        twin = _TWIN.search(text, max(0, start - _REACH), start)
        if twin:
            kind = _label_at(text, twin.start())
            return kind if kind is Label.DEVICE or kind is Label.MERCHANT else None
    return _label_at(text, start)


def _label_at(text: str, start: int) -> Label | None:
    # A label stands behind the last digit, or is IMEI1 itself.
    begin, low = start, max(0, start - _REACH)
    while begin > low and not text[begin - 1].isdecimal():
        begin -= 1
    if begin > 4 and text[begin - 1] in "1234" and _NUMBERED.search(text, begin - 5, begin):
        return _nearest(text[begin - 5 : begin - 1] + text[begin:start])
    return _nearest(text[begin:start])


@lru_cache(maxsize=4096)
def _nearest(words: str) -> Label | None:
    clause = _CLAUSE_END.split(words)[-1]
    nearest = last_of(_LABELS.finditer(clause))
    if nearest is None or len(clause) - nearest.end() > _BETWEEN:
        return None
    return Label(nearest.lastgroup or "")


def is_index(text: str, start: int) -> bool:
    """Say whether the digit at ``start`` belongs to a label: IMEI1."""
    if text[start] not in "1234" or text[start - 1 : start] not in ("i", "I"):
        return False
    end = start + 1
    return not text[end : end + 1].isdecimal() and bool(
        _NUMBERED.search(text, max(0, start - 4), end)
    )


def fits(label: Label | None, digits: str) -> bool:
    """Say whether ``digits`` can be what the label says."""
    if label is None:
        return False
    if label is Label.ICCID:
        return len(digits) in (19, 20) and digits.startswith("89")
    if label is Label.PHONE:
        return bool(_PHONE.fullmatch(digits))
    if label is Label.PERSON:
        return bool(_PERSON.fullmatch(digits))
    return len(digits) in _FIXED_LENGTHS.get(label, ())


def is_our_reference(text: str, start: int, digits: str) -> bool:
    """Say whether ``digits`` at ``start`` are the code of one of our references: ``T-234567``."""
    return bool(_REF.fullmatch(digits)) and bool(_REF_BEFORE.search(text, max(0, start - 3), start))
