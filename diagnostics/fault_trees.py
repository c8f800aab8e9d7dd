"""From the fault trees and the merchants' texts to flow documents; no rule of choice.

The numbers come from `data/fault_trees.yaml`, the words from `data/merchant_texts.yaml`. What is
done to them, and why, stands in docs/howto/change-a-flow.md.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from diagnostics import pictures
from diagnostics.flow import (
    CONNECTIONS,
    FIX_ANSWERS,
    OTHER,
    SAFETY,
    UNSURE,
    AnswerOption,
    Call,
    Check,
    Conditions,
    Fault,
    Fix,
    Flow,
    HandOver,
    Picture,
    Step,
    Text,
    When,
)

Document: TypeAlias = Mapping[str, Any]

OTHER_WEIGHT = 0.05
CURE = 0.85
CALL_MINUTES, CALL_MINUTES_CLOSED = 35.0, 240.0
# Beside the desk: whom a merchant reaches directly, if that is who has to act; and if not.
REPLACEMENT = "replacement"
EXITS = ("acquirer", "network_provider", REPLACEMENT)
EXIT_MINUTES, DETOUR_MINUTES = 25.0, 60.0
LONG_MINUTES = 15.0
MISSING_FEATURE, OTHER_LINK = 0.02, 0.1
# These end in _ok, but printing a clear test page is something seen, not something that cures.
OBSERVED = frozenset({"selftest_ok"})
_DATA = Path(__file__).parent / "data"


class TextsError(ValueError):
    """The texts do not fit the fault trees; the message names the missing or unknown entry."""


def bundled_flows() -> list[Flow]:
    """The flows of the files that ship with the product."""
    trees = yaml.safe_load((_DATA / "fault_trees.yaml").read_text(encoding="utf-8"))
    texts = yaml.safe_load((_DATA / "merchant_texts.yaml").read_text(encoding="utf-8"))
    return build_flows(trees, texts)


def build_flows(fault_trees: Document, texts: Document) -> list[Flow]:
    """One flow per symptom, in file order. Raises TextsError where a text is missing."""
    return [_Builder(fault_trees, texts, symptom).flow() for symptom in fault_trees["symptoms"]]


def _text(value: Any, where: str) -> Text:
    if not isinstance(value, Mapping) or not value.get("zh") or not value.get("en"):
        raise TextsError(f"{where}: a text in zh and en is needed")
    return Text(zh=str(value["zh"]), en=str(value["en"]))


def _maybe(value: Any, where: str) -> Text | None:
    return None if value is None else _text(value, where)


def _requires(value: Document) -> Conditions:
    return dict.fromkeys(value.get("requires", ()), (True,))


def _unless(value: Document) -> dict[str, tuple[str, ...]]:
    return {step: tuple(answers) for step, answers in value.get("unless", {}).items()}


def _pruned(steps: Sequence[Step]) -> tuple[Step, ...]:
    """One text serves several symptoms: `unless` keeps only the steps and answers of this one."""
    known = {step.id: [answer.id for answer in step.answers] for step in steps}
    pruned = []
    for step in steps:
        kept = {
            other: tuple(answer for answer in answers if answer in known[other])
            for other, answers in step.unless.items()
            if other in known
        }
        kept = {other: answers for other, answers in kept.items() if answers}
        pruned.append(dataclasses.replace(step, unless=kept))
    return tuple(pruned)


def _picture(step: str) -> Picture | None:
    """What data/pictures.yaml gives a step."""
    found = pictures.of_step(step)
    return Picture(*found) if found else None


def _round(number: float) -> float:
    """Six places: rows come out the same on every machine and read well."""
    return round(number, 6)


@dataclass(frozen=True, slots=True)
class _Act:
    """One thing to do in this symptom: a fix, with what the trees say about it."""

    id: str
    actor: str
    minutes: float
    cures: dict[str, float]
    text: Text
    entry: Document

    @property
    def rank(self) -> tuple[bool, bool]:
        """Merchants' short fixes, then their long ones, then everybody else's."""
        return self.actor != "merchant", self.minutes >= LONG_MINUTES


class _Builder:
    """Joins the numbers and the words of one symptom."""

    def __init__(self, trees: Document, texts: Document, symptom: Document) -> None:
        self.trees = trees
        self.texts = texts
        self.symptom = symptom
        self.leak = float(trees["leak"])
        self.checks: dict[str, Document] = {check["id"]: check for check in trees["checks"]}
        self.causes: Sequence[Document] = symptom["causes"]

    def flow(self) -> Flow:
        """The whole document."""
        name = self.symptom["id"]
        words = self._entry("symptoms", name)
        faults = self._faults()
        fixes = self._fixes({fault.id: fault.weight for fault in faults})
        outcomes = self.texts["outcomes"]
        return Flow(
            id=name,
            version=1,
            symptom=Text(self.symptom["zh"], self.symptom["en"]),
            title=_text(words.get("title"), f"{name}.title"),
            hint=_text(words.get("hint"), f"{name}.hint"),
            icon=words["icon"],
            share=float(self.symptom["share"]),
            call=Call(
                CALL_MINUTES, CALL_MINUTES_CLOSED, _text(outcomes.get("call"), "outcomes.call")
            ),
            keep_selling=_text(words.get("keep_selling"), f"{name}.keep_selling"),
            done=_text(words.get("done"), f"{name}.done"),
            stop_text=_text(outcomes.get("stop_use"), "outcomes.stop_use"),
            first=Text(self.symptom["first_zh"], self.symptom["first_en"]),
            verify=Text(self.symptom["verify_zh"], self.symptom["verify_en"]),
            faults=faults,
            steps=_pruned((*self._questions(fixes), *fixes)),
            stop_threshold=float(self.trees["stop_threshold"]),
            requires=_requires(words),
            aka=tuple(str(word) for word in self.symptom["aka"]),
            exits=tuple(self._exit(way) for way in EXITS),
        )

    def _exit(self, name: str) -> HandOver:
        """Going straight to whoever has to act saves the desk's forwarding, or costs a detour."""
        words, where = self.texts["outcomes"]["exits"][name], f"outcomes.exits.{name}"
        return HandOver(
            id=name,
            title=_text(words.get("title"), f"{where}.title"),
            advice=_text(words.get("advice"), f"{where}.advice"),
            minutes=EXIT_MINUTES,
            otherwise=DETOUR_MINUTES,
            actors=() if name == REPLACEMENT else (name,),
            swap=name == REPLACEMENT,
            waits=name == REPLACEMENT,
        )

    def _entry(self, part: str, name: str) -> Document:
        entry = self.texts.get(part, {}).get(name)
        if not isinstance(entry, Mapping):
            raise TextsError(f"{part}.{name}: no texts")
        return entry

    def _faults(self) -> tuple[Fault, ...]:
        total = sum(float(cause["prior"]) for cause in self.causes)
        faults = [
            self._fault(cause, (1 - OTHER_WEIGHT) * float(cause["prior"]) / total)
            for cause in self.causes
        ]
        other = Fault(
            OTHER,
            OTHER_WEIGHT,
            _text(self.texts.get("other_cause"), "other_cause"),
            desk_only=True,
        )
        return (*faults, other)

    def _fault(self, cause: Document, weight: float) -> Fault:
        name = cause["id"]
        words: Document = self.texts.get("faults", {}).get(name) or {}
        when: list[When] = []
        if "needs" in words:
            when.append(When({words["needs"]: (False,)}, MISSING_FEATURE))
        if "links" in words:
            others = tuple(link for link in CONNECTIONS if link not in words["links"])
            when.append(When({"connection": others}, OTHER_LINK))
        return Fault(
            id=name,
            weight=_round(weight),
            text=Text(cause["zh"], cause["en"]),
            when=tuple(when),
            actor=cause["who_fixes"],
            desk_only=not any(fix["actor"] == "merchant" for fix in cause["fixes"]),
            stop_use=bool(cause["stop_use"]),
            swap_likely=bool(cause["swap_likely"]),
            advice=_maybe(words.get("stop"), f"faults.{name}.stop"),
        )

    def _is_act(self, check: str) -> bool:
        return check.endswith("_ok") and check not in OBSERVED

    def _named_checks(self) -> list[str]:
        """The symptom's checks in the order in which its causes name them."""
        return list(dict.fromkeys(name for cause in self.causes for name in cause["evidence"]))

    def _questions(self, fixes: Sequence[Fix]) -> list[Step]:
        """The safety screen, what must come early, the rest in file order, what fixes wait for."""
        grouped: dict[str, str] = {}
        named = [name for name in self._named_checks() if not self._is_act(name)]
        gates = [name for fix in fixes for name in fix.after]
        present = list(dict.fromkeys((*named, *gates)))
        for composite, entry in self.texts["composites"].items():
            members = [name for name in entry["members"] if name in present]
            if composite == SAFETY or len(members) > 1:
                grouped |= dict.fromkeys(members, composite)
        order = dict.fromkeys(grouped.get(name, name) for name in present)
        order.pop(SAFETY, None)
        early = [name for name in order if self._is_early(name)]
        names = [SAFETY, *early, *(name for name in order if name not in early)]
        return [
            self._composite(name, present)
            if name in self.texts["composites"]
            else self._binary(name)
            for name in names
        ]

    def _is_early(self, check: str) -> bool:
        early = self.texts["checks"].get(check, {}).get("first", False)
        return self.symptom["id"] in early if isinstance(early, list) else bool(early)

    def _positive(self, check: str, cause: Document) -> float:
        """P(the check is positive | cause)."""
        return float(cause["evidence"].get(check, self.leak))

    def _unsure(self, entry: Document, where: str) -> AnswerOption:
        words = entry.get("unsure") or self.texts.get("unsure")
        return AnswerOption(UNSURE, _text(words, f"{where}.unsure"), icon="circle-question-mark")

    def _ending(self, entry: Document, where: str) -> dict[str, Any]:
        """`stop`, `call` and `advice` of a check's "yes"."""
        for ending in ("stop", "call"):
            if ending in entry:
                return {ending: True, "advice": _text(entry[ending], f"{where}.{ending}")}
        return {}

    def _binary(self, name: str) -> Check:
        entry, where = self._entry("checks", name), f"checks.{name}"
        icons = entry.get("icons", {})
        against = bool(entry.get("bad", True))
        return Check(
            id=name,
            minutes=float(self.checks[name]["minutes"]),
            text=_text(entry.get("question"), f"{where}.question"),
            answers=(
                AnswerOption(
                    "yes",
                    _text(entry.get("positive"), f"{where}.positive"),
                    icon=icons.get("positive", ""),
                    bad=against,
                    **self._ending(entry, where),
                ),
                AnswerOption(
                    "no",
                    _text(entry.get("negative"), f"{where}.negative"),
                    icon=icons.get("negative", ""),
                    bad=not against,
                ),
                self._unsure(entry, where),
            ),
            default=(self.leak, _round(1 - self.leak)),
            given={
                cause["id"]: (
                    _round(self._positive(name, cause)),
                    _round(1 - self._positive(name, cause)),
                )
                for cause in self.causes
                if name in cause["evidence"]
            },
            how=_maybe(entry.get("how"), f"{where}.how"),
            icon=entry.get("icon", ""),
            actor=self.checks[name]["actor"],
            requires=_requires(entry),
            unless=_unless(entry),
            always=bool(entry.get("always", False)),
            picture=_picture(name),
        )

    def _composite(self, name: str, present: Sequence[str]) -> Check:
        """Several checks of which one is answered, as one question with one tap."""
        entry, where = self._entry("composites", name), f"composites.{name}"
        safety = name == SAFETY
        merged = {
            head: [rest for rest in rests if rest in present]
            for head, rests in entry.get("merge", {}).items()
            if head in present
        }
        covered = {rest for rests in merged.values() for rest in rests}
        heads = [n for n in entry["members"] if (safety or n in present) and n not in covered]
        groups = [(head, *merged.get(head, ())) for head in heads]
        return Check(
            id=name,
            minutes=float(entry["minutes"]),
            text=_text(entry.get("question"), f"{where}.question"),
            answers=(
                *(self._member(group) for group in groups),
                AnswerOption(
                    "none",
                    _text(entry.get("none"), f"{where}.none"),
                    icon=entry.get("none_icon", ""),
                    bad=bool(entry.get("none_bad", False)),
                ),
                self._unsure(entry, where),
            ),
            default=self._exclusive([self._any({}, group) for group in groups]),
            given={
                cause["id"]: self._exclusive([self._any(cause["evidence"], g) for g in groups])
                for cause in self.causes
                if any(member in cause["evidence"] for group in groups for member in group)
            },
            how=_maybe(entry.get("how"), f"{where}.how"),
            icon=entry.get("icon", ""),
            requires=_requires(entry),
            unless=_unless(entry),
            safety=safety,
            picture=_picture(name),
        )

    def _member(self, group: tuple[str, ...]) -> AnswerOption:
        name, *covers = group
        entry, where = self._entry("checks", name), f"checks.{name}"
        return AnswerOption(
            name,
            _text(entry.get("option"), f"{where}.option"),
            detail=_maybe(entry.get("detail"), f"{where}.detail"),
            icon=entry.get("icon", ""),
            bad=bool(entry.get("bad", True)),
            covers=tuple(covers),
            **self._ending(entry, where),
        )

    def _any(self, evidence: Document, group: Sequence[str]) -> float:
        """P(at least one of the group's checks is positive)."""
        return 1 - math.prod(1 - float(evidence.get(name, self.leak)) for name in group)

    def _exclusive(self, chances: Sequence[float]) -> tuple[float, ...]:
        """P(just this one), and last P(none), given that at most one is positive."""
        odds = [chance / (1 - chance) for chance in chances]
        total = 1 + sum(odds)
        return tuple(_round(value / total) for value in (*odds, 1.0))

    def _fixes(self, weights: Mapping[str, float]) -> list[Fix]:
        acts = self._merchant_acts() + self._staff_acts()
        acts.sort(key=lambda act: (act.rank, -max(weights[f] * p for f, p in act.cures.items())))
        return [self._fix(act) for act in acts]

    def _fix(self, act: _Act) -> Fix:
        labels = self.texts["fix_answers"]
        bad = {"solved": False, "unsolved": True, "unable": None}
        icons = {"solved": "circle-check", "unsolved": "circle-x", "unable": "circle-slash"}
        return Fix(
            id=act.id,
            minutes=act.minutes,
            text=act.text,
            answers=tuple(
                AnswerOption(
                    name, _text(labels.get(name), f"fix_answers.{name}"), icon=icons[name],
                    bad=bad[name],
                )
                for name in FIX_ANSWERS
            ),
            cures=act.cures,
            how=_maybe(act.entry.get("how"), f"fixes.{act.id}.how"),
            icon=act.entry.get("icon", "wrench"),
            actor=act.actor,
            requires=_requires(act.entry),
            unless=_unless(act.entry),
            after=tuple(act.entry.get("after", ())),
            wait_seconds=int(act.entry.get("wait_seconds", 0)),
            picture=_picture(act.id),
        )  # fmt: skip

    def _merchant_acts(self) -> list[_Act]:
        """Try-outs and listed fixes, one act for all that are the same thing to do."""
        acts: list[_Act] = []
        claimed: set[str] = set()
        for name, entry in self.texts["fixes"].items():
            tries = self._tries(entry)
            repairs = self._repairs(entry)
            if not tries and not repairs:
                continue
            claimed |= {*tries, *repairs}
            cures: dict[str, float] = {}
            for cause in self.causes:
                found = [float(cause["evidence"].get(check, 0)) for check in tries]
                found += [CURE for key in repairs if key.startswith(f"{cause['id']}/")]
                if max(found, default=0.0) > 0:
                    cures[cause["id"]] = max(found)
            minutes = [float(self.checks[check]["minutes"]) for check in tries]
            minutes += [float(repair["minutes"]) for repair in repairs.values()]
            text = _text(entry.get("text"), f"fixes.{name}.text")
            acts.append(_Act(name, "merchant", max(minutes), cures, text, entry))
        self._all_claimed(claimed)
        return acts

    def _tries(self, entry: Document) -> list[str]:
        if self.symptom["id"] not in entry.get("symptoms", [self.symptom["id"]]):
            return []
        return [name for name in entry.get("tries", ()) if name in self._named_checks()]

    def _repairs(self, entry: Document) -> dict[str, Document]:
        listed = self._listed("merchant")
        return {key: listed[key] for key in entry.get("repairs", ()) if key in listed}

    def _listed(self, *actors: str) -> dict[str, Document]:
        """`cause/position` -> fix of the trees."""
        return {
            f"{cause['id']}/{position}": fix
            for cause in self.causes
            for position, fix in enumerate(cause["fixes"])
            if not actors or fix["actor"] in actors
        }

    def _all_claimed(self, claimed: set[str]) -> None:
        needed = {name for name in self._named_checks() if self._is_act(name)}
        needed |= set(self._listed("merchant"))
        if missing := needed - claimed:
            raise TextsError(
                f"fixes: {', '.join(sorted(missing))} of {self.symptom['id']}: no text"
            )

    def _staff_acts(self) -> list[_Act]:
        """Everybody else's fixes in the trees' own words; identical ones become one."""
        acts: dict[tuple[str, str], _Act] = {}
        for key, fix in self._listed().items():
            cause = key.partition("/")[0]
            if fix["actor"] == "merchant":
                continue
            same = (fix["actor"], fix["zh"])
            if same in acts:
                acts[same].cures[cause] = CURE
                continue
            text = Text(fix["zh"], fix["en"])
            name = f"{cause}_{fix['actor']}"
            names = [act.id for act in acts.values()]
            if name in names:
                name = f"{name}_{1 + sum(known.startswith(name) for known in names)}"
            entry = self.texts["desk_fixes"].get(name, {})
            acts[same] = _Act(name, fix["actor"], float(fix["minutes"]), {cause: CURE}, text, entry)
        return list(acts.values())
