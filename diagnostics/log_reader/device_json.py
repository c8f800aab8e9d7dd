"""Reads the JSON by which a terminal answers a diagnosis request (nexo, as Adyen sends it).

Only named facts are taken; whatever else the document holds is left where it is.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

# A diagnosis has some kilobytes; longer JSON is read line by line, like any log.
MAX_CHARS = 1_000_000
_MOST_VALUES = 20_000
_LOW_BATTERY = 20


@dataclass
class DeviceReport:
    """What the terminal said of itself. `signs` are ids of `SIGNS`; `condition` is nexo's
    ErrorCondition; `batch` counts payments that are not sent yet.
    """

    firmware: str = ""
    app: str = ""
    addresses: list[str] = field(default_factory=list)
    battery: int | None = None
    batch: int | None = None
    condition: str = ""
    signs: list[str] = field(default_factory=list)


# A flag that is false, or a printer's state -> what it is a sign of.
_FLAGS = {
    "CommunicationOKFlag": "communication",
    "CardReaderOKFlag": "card_reader",
    "PEDOKFlag": "pin_pad",
    "SecurityOKFlag": "security",
    "IsReachableFlag": "host",
}
_PRINTER = {
    "NoPaper": "no_paper",
    "PaperLow": "paper_low",
    "PaperJam": "paper_jam",
    "OutOfOrder": "printer",
}
_MARKS = {*_FLAGS, "POIStatus", "DiagnosisResponse", "PrinterStatus", "GlobalStatus"}


def parsed(text: str) -> Any:
    """The document, or None where the text is none."""
    if len(text) > MAX_CHARS or text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text.strip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):
        return None


def report_of(text: str) -> DeviceReport | None:
    """What a pasted diagnosis says; None where the text is something else."""
    document = parsed(text)
    pairs = list(_pairs(document)) if document is not None else []
    if not any(name in _MARKS for name, _ in pairs):
        return None
    report = DeviceReport()
    for name, value in pairs:
        _take(report, name, value)
    return report


def _pairs(document: Any) -> Iterator[tuple[str, Any]]:
    """Every named value, however deep, without recursion; strings that hold pairs are opened."""
    stack, left = [document], _MOST_VALUES
    while stack and left > 0:
        value = stack.pop()
        left -= 1
        if isinstance(value, Mapping):
            for name, inner in value.items():
                yield str(name), inner
                if name == "AdditionalResponse" and isinstance(inner, str):
                    stack.append(_opened(inner))
            stack += [v for v in reversed(list(value.values())) if isinstance(v, dict | list)]
        elif isinstance(value, list):
            stack += [v for v in reversed(value) if isinstance(v, dict | list)]


def _opened(text: str) -> dict[str, Any]:
    """`a=1&b=2`, plain or in base64; a value that is JSON in base64 is opened too."""
    plain = text if "=" in text[:-2] and "&" in text else _unpacked(text) or text
    document = parsed(plain)
    if isinstance(document, dict):
        return document
    pairs: dict[str, Any] = dict(parse_qsl(plain[:MAX_CHARS], max_num_fields=500))
    profile = parsed(_unpacked(str(pairs.get("networkProfile", ""))))
    return {**pairs, "networkProfile": profile} if profile is not None else pairs


def _unpacked(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "ignore")
    except (binascii.Error, ValueError):
        return ""


def _take(report: DeviceReport, name: str, value: Any) -> None:
    if name in _FLAGS and value in (False, "false"):
        _sign(report, _FLAGS[name])
    elif name == "batteryLevel":
        report.battery = _number(value)
        if report.battery is not None and report.battery < _LOW_BATTERY:
            _sign(report, "battery")
    elif name == "unconfirmedBatchCount":
        report.batch = _number(value)
        if report.batch:
            _sign(report, "batch")
    elif isinstance(value, str):
        _take_text(report, name, value)


def _take_text(report: DeviceReport, name: str, value: str) -> None:
    if name == "PrinterStatus" and value in _PRINTER:
        _sign(report, _PRINTER[value])
    elif name == "ErrorCondition":
        report.condition = value
    elif name == "firmwareVersion":
        report.firmware = value
    elif name == "appVersion":
        report.app = value
    elif name in ("Address", "IAddress", "ipAddress"):
        report.addresses.append(value)


def _sign(report: DeviceReport, name: str) -> None:
    if name not in report.signs:
        report.signs.append(name)


def _number(value: Any) -> int | None:
    """`85`, "85" or "85%"."""
    digits = str(value).strip().removesuffix("%")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 7 else None
