"""What people say in the demo estate, drawn from `words.yaml`. Pure but for the file."""

import random
from pathlib import Path
from typing import Any

import yaml

_WORDS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "words.yaml").read_text(encoding="utf-8")
)
_GUESSED = "观察中，暂时恢复。"


def speech(language: str) -> str:
    """`zh` or `en`: the key of the texts."""
    return "en" if language == "en" else "zh"


def said(
    chance: random.Random,
    kind: str,
    language: str,
    symptom: str = "",
    cause: str = "",
    **blanks: str,
) -> str:
    """One sentence of a kind (openers, replies, thanks, ...), by symptom where it has them.

    Sentences about this very cause are likelier than those that fit any; those about other
    causes are never said.
    """
    entry = _WORDS[kind]
    if symptom in entry or "direct" in entry:
        entry = entry[symptom or "direct"]
    text = chance.choice(_fitting(kind, speech(language), symptom, cause, entry))
    return text.format(**blanks) if blanks else text


_FITTING: dict[tuple[str, str, str, str], list[str]] = {}


def _fitting(kind: str, language: str, symptom: str, cause: str, entry: Any) -> list[str]:
    key = (kind, language, symptom, cause)
    if key not in _FITTING:
        sentences = entry[language]
        plain = [text for text in sentences if isinstance(text, str)]
        fitting = [text for text, *causes in _tied(sentences) if cause in causes]
        _FITTING[key] = plain + fitting * 3
    return _FITTING[key]


def _tied(sentences: list[Any]) -> list[list[str]]:
    return [sentence for sentence in sentences if not isinstance(sentence, str)]


def reason(chance: random.Random, kind: str, language: str = "zh") -> str:
    """A reason from a plain list, or from one list per language."""
    entry = _WORDS[kind]
    return str(chance.choice(entry if isinstance(entry, list) else entry[speech(language)]))


def note(chance: random.Random, symptom: str, cause: str) -> str:
    """An internal note: on the cause where there is one, else a general one."""
    tied = _tied(_WORDS["notes"][symptom or "direct"])
    notes = [text for text, *causes in tied if cause in causes]
    if not notes or chance.random() < 0.35:
        notes = _WORDS["notes"]["general"]
    return str(chance.choice(notes))


def waiting(chance: random.Random, wait_for: str, language: str) -> str:
    """What the merchant is told while a supplier works on it."""
    return str(chance.choice(_WORDS["waits"][wait_for][speech(language)]))


def resolution(cause: str, fixed_by: str, language: str, *, sure: bool) -> str:
    """The desk's note at the end; `cause` may be `question` where nothing was broken."""
    if speech(language) == "en":
        return str(_WORDS["resolutions_en"]["question" if cause == "question" else fixed_by])
    text = str(_WORDS["resolutions"][cause])
    return text if sure or cause in {"other", "question"} else text + _GUESSED


def every_text() -> list[str]:
    """All of them, for the check that the card guard finds nothing."""
    found: list[str] = []
    waiting_room: list[Any] = [_WORDS]
    while waiting_room:
        value = waiting_room.pop()
        if isinstance(value, str):
            found.append(value)
        else:
            waiting_room.extend(value.values() if isinstance(value, dict) else value)
    return found
