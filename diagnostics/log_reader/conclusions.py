"""From what was counted in a log to evidence for a diagnosis, and to the symptoms it speaks for."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from diagnostics.codes import CodeEntry
from diagnostics.flow import Text
from diagnostics.log_reader.addresses import OF_ADDRESSES
from diagnostics.log_reader.events import BY_ID, Kind
from diagnostics.log_reader.findings import Suggestion

_MOST_SYMPTOMS = 3
_REASONS = 2
_STOP_WEIGHT = 20

# Where the catalogue names no flow of its own for a code.
_SYMPTOM_OF_CHECK = {
    "code_registration": "cannot_sign_in",
    "code_key": "cannot_sign_in",
    "code_batch": "cannot_sign_in",
    "code_host": "cannot_sign_in",
    "issuer_code": "declines",
}
_SYMPTOM_OF_CATEGORY = {
    "issuer_decline": "declines",
    "card_capture": "declines",
    "not_enabled": "declines",
    "limit": "declines",
    "merchant_operation": "declines",
    "security": "declines",
    "host_fault": "declines",
    "card_read": "card_not_read",
    "card_entry": "card_not_read",
    "reader": "card_not_read",
    "settlement": "settlement_batch",
    "registration": "cannot_sign_in",
    "keys": "cannot_sign_in",
    "terminal_state": "cannot_sign_in",
    "parameters": "cannot_sign_in",
    "sign_in": "cannot_sign_in",
    "software": "app_firmware",
    "network": "network_down",
    "printer": "cannot_print",
    "power": "no_power",
    "tamper": "tamper_locked",
}
# Entries of the catalogue that answer further checks, which words alone would not.
_CHECKS_OF_ENTRY = {
    "clock_wrong": ("clock_wrong",),
    "not_activated": ("backend_blocked",),
    "terminal_locked_admin": ("backend_blocked",),
    "online_report_required": ("force_report_flag",),
    "prn_cover_open": ("cover_not_shut",),
    "prn_low_voltage": ("print_low_batt",),
    "no_space": ("storage_full",),
    "batch_open_no_update": ("open_batch",),
    "settle_mismatch": ("totals_differ",),
    "emv_tables_missing": ("aid_missing",),
}
# The host answered: then it is not "only" a failure of the way there.
_ANSWERED = frozenset({"code_registration", "code_key", "code_batch", "code_host", "issuer_code"})


@dataclass(frozen=True, slots=True)
class _Sign:
    """What a device report says is wrong."""

    text: Text
    symptom: str
    checks: tuple[str, ...] = ()
    weight: int = 4


_SIGNS: Mapping[str, _Sign] = {
    "communication": _Sign(
        Text("终端报告通讯不正常", "The terminal reports that communication is not OK"),
        "network_down", ("text_comm",),
    ),
    "host": _Sign(
        Text("终端报告连不上收单主机", "The terminal reports the host as unreachable"),
        "network_down", ("host_unreachable",),
    ),
    "card_reader": _Sign(
        Text("终端报告读卡器不正常", "The terminal reports that the card reader is not OK"),
        "card_not_read", ("reader_selftest_fail",),
    ),
    "pin_pad": _Sign(
        Text("终端报告密码键盘不正常", "The terminal reports that the PIN pad is not OK"),
        "screen_keyboard",
    ),
    "security": _Sign(
        Text("终端报告安全状态不正常", "The terminal reports that its security is not OK"),
        "tamper_locked", weight=_STOP_WEIGHT,
    ),
    "no_paper": _Sign(
        Text("终端报告缺纸", "The terminal reports no paper"), "cannot_print", ("paper_out",)
    ),
    "paper_low": _Sign(
        Text("终端报告纸将用完", "The terminal reports little paper"), "cannot_print", weight=1
    ),
    "paper_jam": _Sign(
        Text("终端报告卡纸", "The terminal reports a paper jam"), "cannot_print", ("paper_jam",)
    ),
    "printer": _Sign(
        Text("终端报告打印机故障", "The terminal reports the printer as out of order"),
        "cannot_print",
    ),
    "battery": _Sign(
        Text("电量低于 20%", "The battery is below 20 %"), "no_power", ("print_low_batt",), 2
    ),
    "batch": _Sign(
        Text("有未上送的交易", "Payments are not sent yet"), "settlement_batch", ("open_batch",), 2
    ),
}  # fmt: skip


@dataclass(slots=True)
class _Reason:
    """One thing that speaks for a symptom. `line` 0: of no one line."""

    symptom: str
    weight: int
    text: Text
    line: int = 0
    count: int = 1
    many: int = 1


class Tally:
    """Counts what was found, and keeps why it matters."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._reasons: dict[tuple[str, str], _Reason] = {}
        self._checks: dict[str, None] = {}
        self.stop_use = False

    def count(self, kind: str, name: str) -> int:
        """How often it was found."""
        return self._counts[kind, name]

    def entry(self, entry: CodeEntry, line: int, *, is_code: bool) -> None:
        """A code or a text of the catalogue."""
        kind = "code" if is_code else "text"
        self.stop_use = self.stop_use or entry.stop_use
        self._add_checks((*entry.checks, *_CHECKS_OF_ENTRY.get(entry.code, ())))
        symptom = (
            entry.symptom
            or next((_SYMPTOM_OF_CHECK[c] for c in entry.checks if c in _SYMPTOM_OF_CHECK), "")
            or _SYMPTOM_OF_CATEGORY.get(entry.category, "")
        )
        label = Text(f"应答码 {entry.code} ", f"code {entry.code}, ") if is_code else Text("", "")
        words = Text(label.zh + entry.meaning.zh, label.en + entry.meaning.en)
        weight = _STOP_WEIGHT if entry.stop_use else 4
        self._add((kind, entry.code), _Reason(symptom, weight, words, line))

    def event(self, kind: Kind, line: int) -> None:
        """A failure, a restart."""
        reason = _Reason(kind.symptom, kind.weight, kind.text, line, many=kind.many)
        self._add(("event", kind.id), reason)

    def problem(self, problem: Mapping[str, Any]) -> None:
        """A network fact that does not fit."""
        if problem["id"] in OF_ADDRESSES:
            self._add_checks(("bad_ip",))
        text = Text(problem["text_zh"], problem["text_en"])
        self._add(("problem", problem["id"]), _Reason("network_down", 4, text))

    def wrong_clock(self) -> None:
        """Moments long before any such terminal."""
        self._add_checks(("clock_wrong",))
        text = Text("终端日期不对", "The terminal’s date is wrong")
        self._add(("clock", ""), _Reason("cannot_sign_in", 3, text))

    def changed_version(self, name: str) -> None:
        """Firmware or app became another one while the log was written."""
        if name in ("firmware", "app"):
            self._add_checks(("recent_change",))

    def sign(self, name: str) -> None:
        """One of a device report."""
        sign = _SIGNS[name]
        self.stop_use = self.stop_use or sign.weight == _STOP_WEIGHT
        self._add_checks(sign.checks)
        self._add(("sign", name), _Reason(sign.symptom, sign.weight, sign.text))

    def reasons(self) -> Iterable[_Reason]:
        """Those that were seen often enough, in the order in which they came."""
        return [r for r in self._reasons.values() if r.symptom and r.count >= r.many]

    def checks(self) -> list[str]:
        """What is answered with yes."""
        checks = dict(self._checks)
        for kind, name in self._reasons:
            if kind == "event" and self._counts[kind, name] >= BY_ID[name].many:
                checks |= dict.fromkeys(BY_ID[name].checks)
        if _ANSWERED & checks.keys():
            checks.pop("text_comm", None)
        return sorted(checks)

    def _add(self, key: tuple[str, str], reason: _Reason) -> None:
        self._counts[key] += 1
        known = self._reasons.setdefault(key, reason)
        known.count = self._counts[key]

    def _add_checks(self, checks: Iterable[str]) -> None:
        self._checks |= dict.fromkeys(checks)


def conclude(tally: Tally) -> tuple[tuple[str, ...], tuple[Suggestion, ...]]:
    """The evidence (check ids), and at most three symptoms, the likeliest first."""
    by_symptom: dict[str, list[_Reason]] = {}
    for reason in tally.reasons():
        by_symptom.setdefault(reason.symptom, []).append(reason)
    ranked = sorted(by_symptom.items(), key=lambda item: -sum(_pull(r) for r in item[1]))
    suggestions = [Suggestion(symptom, _why(reasons)) for symptom, reasons in ranked]
    return tuple(tally.checks()), tuple(suggestions[:_MOST_SYMPTOMS])


def _pull(reason: _Reason) -> float:
    """Repeats add less and less: one broken line must not drown everything else."""
    return reason.weight * (1 + min(reason.count - reason.many, 9) / 10)


def _why(reasons: list[_Reason]) -> Text:
    strongest = sorted(reasons, key=lambda reason: -_pull(reason))[:_REASONS]
    said = [_said(reason) for reason in strongest]
    return Text("；".join(text.zh for text in said), "; ".join(text.en for text in said))


def _said(reason: _Reason) -> Text:
    if not reason.line:
        return reason.text
    if reason.count > 1:
        return Text(
            f"{reason.text.zh}（{reason.count} 次，首次在第 {reason.line} 行）",
            f"{reason.text.en} ({reason.count} times, first in line {reason.line})",
        )
    return Text(
        f"{reason.text.zh}（第 {reason.line} 行）", f"{reason.text.en} (line {reason.line})"
    )
