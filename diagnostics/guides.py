"""Guides to print: a published flow as one page of paper, and the card of the two sign-ins.

Questions, fixes and advice are the flow's own; `data/guides.yaml` says what a flow does not.
Nothing is chosen here: paper keeps the authored order, safety first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from diagnostics.flow import SAFETY, UNSURE, AnswerOption, Check, Conditions, Fix, Flow, Picture

# The guide that belongs to no symptom.
SIGN_IN = "sign_in"
# Questions with more answers than a yes and a no say on paper what there is to choose from.
FEW_ANSWERS = 2
_DATA = Path(__file__).parent / "data" / "guides.yaml"

Words: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """Something to know, to look at or to do. `ends`: the answers that end it, with the reason."""

    text: str
    how: str = ""
    icon: str = ""
    picture: Picture | None = None
    choices: tuple[str, ...] = ()
    ends: tuple[tuple[str, str], ...] = ()
    wait_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Guide:
    """One symptom's page in one language."""

    symptom: str
    icon: str
    title: str
    hint: str
    intro: str
    safety: Line | None
    # Each danger: what it is, what to do, and a drawing.
    dangers: tuple[Line, ...]
    looks: tuple[Line, ...]
    checks: tuple[Line, ...]
    fixes: tuple[Line, ...]
    keep_selling: str
    done: str
    call: str
    report: tuple[str, ...]
    rules: tuple[str, ...]
    have_ready: tuple[str, ...]


@lru_cache(maxsize=1)
def written() -> Words:
    """The file: `rules`, `have_ready`, `dangers`, `symptoms`, `sign_in`; texts are {zh, en}."""
    document: Words = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    return document


def guide_of(
    flow: Flow, language: str, *, may_apply: Callable[[Conditions], bool] = lambda _: True
) -> Guide:
    """The page of a flow; `language` is zh or en. `may_apply` leaves out what a terminal lacks.

    A flow that is not in the file has a page without its own intro and report lines.
    """
    own = written()["symptoms"].get(flow.id, {})
    steps = [s for s in flow.steps if s.actor == "merchant" and may_apply(s.requires)]
    checks = [s for s in steps if isinstance(s, Check)]
    screen = next((check for check in checks if check.id == SAFETY), None)
    return Guide(
        symptom=flow.id,
        icon=flow.icon,
        title=flow.title.get(language),
        hint=flow.hint.get(language),
        intro=own["intro"][language] if own else flow.hint.get(language),
        safety=_check(screen, language) if screen else None,
        dangers=_dangers(screen, language) if screen else (),
        looks=tuple(_look(look, language) for look in own.get("looks", ())),
        checks=tuple(_check(check, language) for check in checks if check is not screen),
        fixes=tuple(_fix(step, language) for step in steps if isinstance(step, Fix)),
        keep_selling=flow.keep_selling.get(language),
        done=flow.done.get(language),
        call=flow.call.text.get(language),
        report=_said(own.get("report", ()), language),
        rules=_said(written()["rules"], language),
        have_ready=_said(written()["have_ready"], language),
    )


def sign_in_card(language: str) -> Words:
    """The card of the two sign-ins in one language, in the shape of the file."""
    card = _in(written()[SIGN_IN], language)
    assert isinstance(card, dict)
    return card


def _check(check: Check, language: str) -> Line:
    answers = [answer for answer in check.answers if answer.id != UNSURE]
    return Line(
        text=check.text.get(language),
        how=check.how.get(language) if check.how else "",
        icon=check.icon,
        picture=check.picture,
        choices=tuple(_label(answer, language) for answer in answers)
        if len(answers) > FEW_ANSWERS and check.id != SAFETY
        else (),
        ends=tuple(
            (_label(answer, language), answer.advice.get(language))
            for answer in answers
            if (answer.stop or answer.call) and answer.advice
        ),
    )


def _dangers(screen: Check, language: str) -> tuple[Line, ...]:
    """The signs of the safety screen that stop the use of a terminal."""
    shown = written()["dangers"]
    return tuple(
        Line(
            text=_label(answer, language),
            how=answer.advice.get(language),
            icon=answer.icon,
            picture=Picture(shown[answer.id]["picture"]) if answer.id in shown else None,
        )
        for answer in screen.answers
        if answer.stop and answer.advice
    )


def _look(look: Words, language: str) -> Line:
    return Line(text=look["text"][language], picture=Picture(look["picture"]))


def _label(answer: AnswerOption, language: str) -> str:
    return answer.text.get(language)


def _fix(fix: Fix, language: str) -> Line:
    return Line(
        text=fix.text.get(language),
        how=fix.how.get(language) if fix.how else "",
        icon=fix.icon,
        picture=fix.picture,
        wait_seconds=fix.wait_seconds,
    )


def _said(texts: Any, language: str) -> tuple[str, ...]:
    return tuple(text[language] for text in texts)


def _in(value: Any, language: str) -> Any:
    """The same shape with one language; the name of a drawing becomes a picture."""
    if isinstance(value, list):
        return [_in(inner, language) for inner in value]
    if set(value) == {"zh", "en"}:
        return value[language]
    return {
        name: Picture(inner) if name == "picture" else _in(inner, language)
        for name, inner in value.items()
    }
