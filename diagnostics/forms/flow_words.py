"""What the authors' pages call things: likelihoods, actors, fields, problems, faults of a file."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from diagnostics.authoring.importing import MAX_BYTES, MAX_TEXT
from diagnostics.authoring.likelihood import LIKELIHOODS, SKIPS, TIMES, word_of
from diagnostics.flow import (
    ANSWER_HAN,
    ENGLISH_LENGTH,
    INCIDENT,
    INSTRUCTION_HAN,
    QUESTION_HAN,
    FlowError,
    Problem,
)
from terminals.models import Terminal
from terminals.views import FEATURES

Word: TypeAlias = "str | Promise"

LIKELIHOOD_WORDS: Mapping[str, Word] = {
    "never": pgettext_lazy("likelihood", "Never"),
    "rarely": pgettext_lazy("likelihood", "Rarely"),
    "sometimes": pgettext_lazy("likelihood", "Sometimes"),
    "often": pgettext_lazy("likelihood", "Often"),
    "nearly_always": pgettext_lazy("likelihood", "Nearly always"),
}
TIMES_WORDS: Mapping[str, Word] = {
    "hardly": pgettext_lazy("times", "Hardly ever"),
    "much_less": pgettext_lazy("times", "Much rarer"),
    "less": pgettext_lazy("times", "Rarer"),
    "more": pgettext_lazy("times", "More often"),
    "much_more": pgettext_lazy("times", "Much more often"),
}
SKIP_WORDS: Mapping[str, Word] = {
    "never": pgettext_lazy("skip", "Practically nobody"),
    "rarely": pgettext_lazy("skip", "Few"),
    "sometimes": pgettext_lazy("skip", "Some"),
    "often": pgettext_lazy("skip", "Many"),
    "mostly": pgettext_lazy("skip", "Most"),
}
ACTORS: Mapping[str, Word] = {
    "merchant": pgettext_lazy("flow actor", "Merchant"),
    "desk": pgettext_lazy("flow actor", "Desk"),
    "field": pgettext_lazy("flow actor", "Field engineer"),
    "depot": pgettext_lazy("flow actor", "Depot"),
    "acquirer": pgettext_lazy("flow actor", "Acquirer"),
    "network_provider": pgettext_lazy("flow actor", "Network operator"),
    "security": pgettext_lazy("flow actor", "Security"),
}
MODEL_FEATURES: Mapping[str, Word] = {
    **FEATURES,
    INCIDENT: pgettext_lazy("feature", "Outage open nearby"),
}
SIGNS: Mapping[str, Word] = {
    "bad": pgettext_lazy("answer", "Speaks against the terminal"),
    "good": pgettext_lazy("answer", "Speaks for the terminal"),
    "": pgettext_lazy("answer", "Says nothing"),
}
ENDS: Mapping[str, Word] = {
    "": pgettext_lazy("answer", "The walk goes on"),
    "stop": pgettext_lazy("answer", "Out of use at once"),
    "call": pgettext_lazy("answer", "The desk takes over"),
}
# Field of a document -> what people call it.
FIELDS: Mapping[str, Word] = {
    "text": pgettext_lazy("flow field", "Text"),
    "how": pgettext_lazy("flow field", "How to do it"),
    "detail": pgettext_lazy("flow field", "Second line"),
    "advice": pgettext_lazy("flow field", "Advice"),
    "minutes": pgettext_lazy("flow field", "Minutes"),
    "risk_minutes": pgettext_lazy("flow field", "Minutes lost if it goes wrong"),
    "wait_seconds": pgettext_lazy("flow field", "Seconds to wait"),
    "actor": pgettext_lazy("flow field", "Who does it"),
    "requires": pgettext_lazy("flow field", "Only for terminals with"),
    "unless": pgettext_lazy("flow field", "Left out after"),
    "after": pgettext_lazy("flow field", "Asked right before"),
    "skip": pgettext_lazy("flow field", "Who skips it or is not sure"),
    "safety": pgettext_lazy("flow field", "Safety screen"),
    "always": pgettext_lazy("flow field", "Asked in every walk"),
    "icon": pgettext_lazy("flow field", "Icon"),
    "picture": pgettext_lazy("flow field", "Picture"),
    "covers": pgettext_lazy("flow field", "Stands for checks"),
    "bad": pgettext_lazy("flow field", "Sign"),
    "stop": pgettext_lazy("flow field", "Out of use at once"),
    "call": pgettext_lazy("flow field", "The desk takes over"),
    "likelihood": pgettext_lazy("flow field", "Likelihood"),
    "answer": pgettext_lazy("flow field", "Answer"),
    "place": pgettext_lazy("flow field", "Place"),
    "weight": pgettext_lazy("flow field", "Share of cases"),
    "when": pgettext_lazy("flow field", "More or less often"),
    "desk_only": pgettext_lazy("flow field", "Only the desk can fix it"),
    "stop_use": pgettext_lazy("flow field", "Puts the terminal out of use"),
    "swap_likely": pgettext_lazy("flow field", "Usually ends in another terminal"),
    "locked": pgettext_lazy("flow field", "Numbers are not learned"),
    "symptom": pgettext_lazy("flow field", "Name for the desk"),
    "title": pgettext_lazy("flow field", "Name for merchants"),
    "hint": pgettext_lazy("flow field", "Hint under the name"),
    "keep_selling": pgettext_lazy("flow field", "How to keep selling"),
    "done": pgettext_lazy("flow field", "After a fix"),
    "stop_text": pgettext_lazy("flow field", "Words to stop use"),
    "first": pgettext_lazy("flow field", "What the desk does first"),
    "verify": pgettext_lazy("flow field", "How the desk verifies"),
    "stop_threshold": pgettext_lazy("flow field", "Out of use from"),
    "share": pgettext_lazy("flow field", "Share among symptoms"),
    "exits": pgettext_lazy("flow field", "Ways to hand over"),
    "aka": pgettext_lazy("flow field", "Other names"),
    "exit_title": pgettext_lazy("flow field", "Name"),
    "otherwise": pgettext_lazy("flow field", "Minutes where it is another cause"),
    "actors": pgettext_lazy("flow field", "Right where these can end it"),
    "swap": pgettext_lazy("flow field", "Also right where it usually ends in another terminal"),
    "waits": pgettext_lazy("flow field", "Begins only once the desk opens"),
}


def likelihood_words(number: float) -> str:
    """The nearest word, with the number where it lies between the words."""
    word = word_of(number)
    label = str(LIKELIHOOD_WORDS[word])
    return label if abs(LIKELIHOODS[word] - number) < 0.0005 else f"{label} ({number:.3g})"


def times_words(number: float) -> str:
    """The nearest word for a multiplier, with the number where it lies between."""
    word = word_of(number, TIMES)
    label = str(TIMES_WORDS[word])
    return label if TIMES[word] == number else f"{label} (× {number:g})"


def skip_words(number: float) -> str:
    """The nearest word for a share that skips, with the number where it lies between."""
    word = word_of(number, SKIPS)
    label = str(SKIP_WORDS[word])
    return label if SKIPS[word] == number else f"{label} ({number:.3g})"


def conditions_words(conditions: Mapping[str, Any]) -> str:
    """`Wi-Fi, not: SIM card, connected by Cellular`."""
    parts = []
    for name, values in conditions.items():
        if name == "connection":
            labels = [str(Terminal.Connection(value).label) for value in values]
            parts.append(_("connected by %(ways)s") % {"ways": " / ".join(labels)})
            continue
        label = str(MODEL_FEATURES.get(name, name))
        parts.append(label if True in values else _("not: %(feature)s") % {"feature": label})
    return _(", ").join(parts)


# --- Problems ------------------------------------------------------------------------

_PROBLEMS: Mapping[str, Word] = {
    "id": gettext_lazy("The short name may hold only a–z, 0–9 and _"),
    "duplicate": gettext_lazy("A short name stands here twice"),
    "other_missing": gettext_lazy("The cause “other” is missing: without it the walk never calls"),
    "unknown_fault": gettext_lazy("Names a cause that this flow does not have"),
    "cures_nothing": gettext_lazy("Helps against no cause: choose at least one"),
    "weight": gettext_lazy("The share must be above 0 and at most 100"),
    "times": gettext_lazy("A fact makes a cause at most 20 times as likely, and never impossible"),
    "weights": gettext_lazy("The shares of all causes must add up to 100"),
    "limits": gettext_lazy("Minutes of a call or the limit to stop use are out of range"),
    "minutes": gettext_lazy("Minutes must be above 0"),
    "probability": gettext_lazy("A likelihood is below 0 or above 1"),
    "safety": gettext_lazy(
        "The safety screen must be first, with all four dangers, each stopping use with advice"
    ),
    "answers": gettext_lazy("Needs at least two answers beside “not sure”"),
    "row": gettext_lazy("A row needs one likelihood per answer"),
    "condition": gettext_lazy("Requires a feature or connection that does not exist"),
    "actor": gettext_lazy("Nobody of that kind can do this"),
    "taken": gettext_lazy("The desk or a cause of this flow has this short name"),
    "exit_minutes": gettext_lazy(
        "Minutes must be above 0, and at least as many where it is another cause"
    ),
    "unless": gettext_lazy("“Left out after” names an answer that does not exist"),
    "after": gettext_lazy("“Asked right before” names a check that does not exist"),
    "dead_end": gettext_lazy("No check shows this cause and no fix helps against it"),
    "alike": gettext_lazy("No step tells this cause apart from another one"),
    "picture": gettext_lazy("The picture or its mark does not exist"),
}


def problem_words(problem: Problem) -> str:
    """What is wrong, in the reader's language; an unknown code in the words of the rule."""
    if problem.code == "language":
        is_english = problem.reason.endswith(" en")
        return _("The English text is missing") if is_english else _("The Chinese text is missing")
    if problem.code == "length":
        return _length_words(problem)
    known = _PROBLEMS.get(problem.code)
    return str(known) if known else problem.reason


def _length_words(problem: Problem) -> str:
    if "." in problem.where:
        return _("The answer is too long: at most %(n)d Chinese characters") % {"n": ANSWER_HAN}
    is_check = f" {QUESTION_HAN} " in problem.reason
    return _(
        "The text is too long: at most %(n)d Chinese characters, or %(m)d letters in English"
    ) % {"n": QUESTION_HAN if is_check else INSTRUCTION_HAN, "m": ENGLISH_LENGTH}


# --- Files ---------------------------------------------------------------------------

_FILE: Mapping[str, Word] = {
    "size": gettext_lazy("The file is larger than %(size)d KB"),
    "json": gettext_lazy("This is no JSON object"),
    "duplicate": gettext_lazy("A key stands twice in one object"),
    "depth": gettext_lazy("Objects are nested too deeply"),
    "values": gettext_lazy("The file holds too many values"),
    "characters": gettext_lazy("A text holds a character that cannot be stored"),
    "text": gettext_lazy("A text is longer than %(length)d characters"),
    "number": gettext_lazy("A number is out of range"),
    "steps": gettext_lazy("The flow has too many steps"),
    "faults": gettext_lazy("The flow has too many causes"),
    "answers": gettext_lazy("A step has too many answers"),
    "exits": gettext_lazy("The flow has too many ways to hand over"),
    "id": gettext_lazy("The short name may hold only a–z, 0–9 and _"),
}
_SHAPES: tuple[tuple[str, Word], ...] = (
    (r"missing", gettext_lazy("This is missing")),
    (r"unknown (?P<what>.+)", gettext_lazy("Not known here: %(what)s")),
    (r"(?:float|a number) is needed|int is needed", gettext_lazy("A number is needed")),
    (r"(?:str|a string) is needed", gettext_lazy("A text is needed")),
    (r"(?:list|a list) is needed", gettext_lazy("A list is needed")),
    (r"(?:dict|an object) is needed", gettext_lazy("An object is needed")),
    (r"bool is needed", gettext_lazy("true or false is needed")),
    (r"check or fix is needed", gettext_lazy("check or fix is needed")),
)


def file_words(code: str, where: str) -> str:
    """What is wrong with a file, and where."""
    words = str(_FILE[code]) % {"size": MAX_BYTES // 1024, "length": MAX_TEXT}
    if not where:
        return words
    if re.fullmatch(r"\d+:\d+", where):
        line, _colon, column = where.partition(":")
        place = _("line %(line)s, column %(column)s") % {"line": line, "column": column}
        return _("%(what)s (%(where)s)") % {"what": words, "where": place}
    return _("%(what)s (%(where)s)") % {"what": words, "where": where}


def shape_words(error: FlowError) -> str:
    """The same for a file that is JSON and no flow; the message begins with the path."""
    path, _colon, reason = str(error).partition(": ")
    for pattern, words in _SHAPES:
        if found := re.fullmatch(pattern, reason):
            said = str(words) % found.groupdict()
            return _("%(what)s (%(where)s)") % {"what": said, "where": path}
    return str(error)
