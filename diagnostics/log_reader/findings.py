"""What a log says, as plain data that may be kept: masked, bounded, without the log itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from diagnostics.flow import Text

KINDS_MASKED = ("pan", "track", "cvv", "pin")


@dataclass(frozen=True, slots=True)
class Seen:
    """A code or a text of the screen at one place. `at`: ISO 8601, empty where not known."""

    scheme: str
    code: str
    meaning: Text
    line: int
    at: str = ""
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As `read_log` prints it; only texts have a `text`, only dated finds an `at`."""
        shown: dict[str, Any] = {"scheme": self.scheme, "code": self.code}
        if self.text:
            shown["text"] = self.text
        shown |= {"meaning_zh": self.meaning.zh, "meaning_en": self.meaning.en}
        if self.at:
            shown["at"] = self.at
        return {**shown, "line": self.line}


@dataclass(slots=True)
class Moment:
    """One line of the time line: `count` times the same from `line` to `last_line`.

    `kind` is code, text, event or version; `tone` r for what is wrong, b for the rest.
    """

    kind: str
    id: str
    text: Text
    tone: str
    line: int
    at: str = ""
    count: int = 1
    last_line: int = 0
    last_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind,
            "id": self.id,
            "text_zh": self.text.zh,
            "text_en": self.text.en,
            "tone": self.tone,
            "count": self.count,
            "line": self.line,
            "last_line": self.last_line,
            "at": self.at,
            "last_at": self.last_at,
        }


@dataclass(frozen=True, slots=True)
class Pattern:
    """Lines of one shape: digits are `#`."""

    shape: str
    count: int
    line: int
    last_line: int
    at: str
    last_at: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "shape": self.shape,
            "count": self.count,
            "line": self.line,
            "last_line": self.last_line,
            "at": self.at,
            "last_at": self.last_at,
        }


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A symptom that the log speaks for, and why."""

    id: str
    why: Text

    def to_dict(self) -> dict[str, Any]:
        """Plain data, in both languages."""
        return {"id": self.id, "why_zh": self.why.zh, "why_en": self.why.en}


@dataclass(frozen=True)
class Findings:
    """All that was read. `evidence`: check ids of the flows that the log answers with yes.

    `stop_use`: a code or text that takes the terminal out of card use. `lines` counts the lines.
    """

    codes: Sequence[Seen] = ()
    texts: Sequence[Seen] = ()
    network: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    times: tuple[str, str] | None = None
    masked: Mapping[str, int] = field(default_factory=dict)
    symptoms: Sequence[Suggestion] = ()
    timeline: Sequence[Moment] = ()
    patterns: Sequence[Pattern] = ()
    evidence: Sequence[str] = ()
    device: Mapping[str, Any] = field(default_factory=dict)
    stop_use: bool = False
    lines: int = 0

    def as_read_log(self, language: str) -> dict[str, Any]:
        """The shape that `bin/manage read_log` prints; `why` in the language."""
        return {
            "codes": [seen.to_dict() for seen in self.codes],
            "texts": [seen.to_dict() for seen in self.texts],
            "network": dict(self.network),
            "versions": dict(self.versions),
            "times": {
                "first": self.times[0] if self.times else None,
                "last": self.times[1] if self.times else None,
            },
            "masked": {kind: self.masked.get(kind, 0) for kind in KINDS_MASKED},
            "symptoms": [{"id": s.id, "why": s.why.get(language)} for s in self.symptoms],
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, as it is stored: `as_read_log`, with `why_zh` and `why_en`, and the rest."""
        return {
            **self.as_read_log("en"),
            "symptoms": [suggestion.to_dict() for suggestion in self.symptoms],
            "timeline": [moment.to_dict() for moment in self.timeline],
            "patterns": [pattern.to_dict() for pattern in self.patterns],
            "evidence": list(self.evidence),
            "device": dict(self.device),
            "stop_use": self.stop_use,
            "lines": self.lines,
        }
