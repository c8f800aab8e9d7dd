"""The flow document: one symptom's diagnosis as typed, immutable data that is read from JSON.

It holds no rule of choice (see `diagnostics.engine`) and knows no database.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from diagnostics import pictures

Scalar: TypeAlias = bool | str
# Feature or attribute -> the values that will do: {"printer": (True,)}, {"connection": ("wifi",)}.
Conditions: TypeAlias = Mapping[str, tuple[Scalar, ...]]

# What `requires` and `when` may speak about; `terminals/data/terminal_models.yaml` fills the flags.
FLAGS = frozenset({
    "battery", "removable_battery", "printer", "wifi", "sim", "ethernet", "bluetooth", "dial",
    "local_network", "dock", "touch_screen", "keypad", "camera", "chip", "swipe", "contactless",
})  # fmt: skip
# An outage is open around the terminal; not a feature, and known only while it lasts.
INCIDENT = "incident"
CONNECTIONS = ("wifi", "cellular", "ethernet", "bluetooth", "dial")
ACTORS = ("merchant", "desk", "field", "depot", "acquirer", "network_provider", "security")
# What an outcome's advice may say beside the id of a way to hand over (see `Flow.advice`).
NOT_EXITS = ("desk", "call", "done")

SAFETY = "safety"
SAFETY_SIGNS = ("battery_swollen", "tamper_text", "case_opened", "liquid_or_drop")
UNSURE = "unsure"
FIX_ANSWERS = ("solved", "unsolved", "unable")
OTHER = "other"

# Of those who are asked a check, the share who skip it or are not sure, unless it says otherwise.
USUAL_SKIP = 0.05

# More than this, and one fact about a terminal drowns the causes that stop use.
MOST_TIMES = 20.0

QUESTION_HAN, INSTRUCTION_HAN, ANSWER_HAN, ENGLISH_LENGTH = 18, 24, 8, 60
_HAN = re.compile("[\u4e00-\u9fff]")
_ID = re.compile(r"[a-z][a-z0-9_]{0,59}\Z")


class FlowError(ValueError):
    """The document is not a flow; the message begins with the path of the fault."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text in both languages."""

    zh: str
    en: str

    def get(self, language: str) -> str:
        """Chinese for any `zh…` language tag, else English."""
        return self.zh if language.startswith("zh") else self.en


@dataclass(frozen=True, slots=True)
class AnswerOption:
    """One button under a step. `bad`: it speaks against the terminal; None: it says nothing."""

    id: str
    text: Text
    detail: Text | None = None
    icon: str = ""
    bad: bool | None = None
    stop: bool = False  # ends the walk: out of use
    call: bool = False  # ends the walk: the desk takes over
    advice: Text | None = None
    covers: tuple[str, ...] = ()  # further checks of the fault trees that this answer stands for


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing beside a step: its name, and the one spot of it that is marked, if any."""

    name: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A question. A row of `default` or `given` holds P(answer | fault), "unsure" left out.

    `unless`: step -> the answers that make this one pointless.
    """

    id: str
    minutes: float
    text: Text
    answers: tuple[AnswerOption, ...]
    default: tuple[float, ...]
    given: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    how: Text | None = None
    icon: str = ""
    actor: str = "merchant"
    requires: Conditions = field(default_factory=dict)
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skip: float = USUAL_SKIP
    safety: bool = False
    always: bool = False
    picture: Picture | None = None
    kind: Literal["check"] = "check"

    @property
    def choices(self) -> tuple[AnswerOption, ...]:
        """Every button, "unsure" last."""
        return self.answers

    @property
    def telling(self) -> tuple[AnswerOption, ...]:
        """The answers that are evidence, in the order of the rows."""
        return tuple(answer for answer in self.answers if answer.id != UNSURE)

    def row(self, fault: str) -> tuple[float, ...]:
        """P(answer | fault) for every telling answer."""
        return self.given.get(fault, self.default)


@dataclass(frozen=True, slots=True)
class Fix:
    """Something to do. `cures`: P(solved | fault); minutes include trying again afterwards.

    `unless`: step -> the answers that make this one pointless. `after`: the checks that are
    asked right before it, such as the last payment's result before a restart.
    """

    id: str
    minutes: float
    text: Text
    answers: tuple[AnswerOption, ...]
    cures: Mapping[str, float]
    how: Text | None = None
    icon: str = ""
    actor: str = "merchant"
    requires: Conditions = field(default_factory=dict)
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    risk_minutes: float = 0.0
    wait_seconds: int = 0
    after: tuple[str, ...] = ()
    picture: Picture | None = None
    kind: Literal["fix"] = "fix"

    @property
    def choices(self) -> tuple[AnswerOption, ...]:
        """Every button."""
        return self.answers


Step: TypeAlias = Check | Fix


@dataclass(frozen=True, slots=True)
class When:
    """Multiplies a fault's weight where every condition is known to hold."""

    conditions: Conditions
    times: float


@dataclass(frozen=True, slots=True)
class Fault:
    """A cause. `stop_use`: the terminal leaves card use once this is likely enough."""

    id: str
    weight: float
    text: Text
    when: tuple[When, ...] = ()
    actor: str = "desk"
    desk_only: bool = False
    stop_use: bool = False
    swap_likely: bool = False
    locked: bool = False
    advice: Text | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Handing over to the desk, in minutes of the merchant's time."""

    minutes: float
    minutes_closed: float
    text: Text


@dataclass(frozen=True, slots=True)
class HandOver:
    """A way to hand over besides doing more: `minutes` for the causes it is right for.

    Right for causes of these actors, and with `swap` for those that end in another terminal; all
    others take `otherwise`, since the matter has to be handed on. `waits`: only once the desk
    opens.
    """

    id: str
    title: Text
    advice: Text
    minutes: float
    otherwise: float
    actors: tuple[str, ...] = ()
    swap: bool = False
    waits: bool = False

    def is_right_for(self, fault: Fault) -> bool:
        """Whether it ends the matter where this is the cause."""
        return fault.actor in self.actors or (self.swap and fault.swap_likely)

    def minutes_for(self, fault: Fault) -> float:
        """What handing over costs the merchant where this is the cause."""
        return self.minutes if self.is_right_for(fault) else self.otherwise


@dataclass(frozen=True, slots=True)
class Flow:
    """A symptom's diagnosis. The order of `steps` is the authored order, safety first.

    `symptom`, `first` and `verify` are the desk's words; `title`, `hint`, `keep_selling` and
    `done` are the merchant's.
    """

    id: str
    version: int
    symptom: Text
    title: Text
    hint: Text
    icon: str
    share: float
    call: Call
    keep_selling: Text
    done: Text
    stop_text: Text
    first: Text
    verify: Text
    faults: tuple[Fault, ...]
    steps: tuple[Step, ...]
    stop_threshold: float = 0.15
    requires: Conditions = field(default_factory=dict)
    aka: tuple[str, ...] = ()
    # Beside the desk, which is always there.
    exits: tuple[HandOver, ...] = ()

    def step(self, step_id: str) -> Step | None:
        """The step of that id, or None."""
        return next((step for step in self.steps if step.id == step_id), None)

    def fault(self, fault_id: str) -> Fault | None:
        """The fault of that id, or None."""
        return next((fault for fault in self.faults if fault.id == fault_id), None)

    def exit(self, exit_id: str) -> HandOver | None:
        """The way to hand over of that id, or None; the desk is not among them."""
        return next((way for way in self.exits if way.id == exit_id), None)

    def advice(self, advice_id: str) -> Text:
        """What an outcome's advice says: `done`, `call`, an exit, `<step>.<answer>` or a fault.

        Where that has no words of its own: the flow's word to stop, so never less than safe.
        """
        if advice_id in {"done", "call"}:
            return self.done if advice_id == "done" else self.call.text
        if found_exit := self.exit(advice_id):
            return found_exit.advice
        step_id, _, answer_id = advice_id.partition(".")
        step, fault = self.step(step_id), self.fault(advice_id)
        options = step.answers if step else ()
        found = [option.advice for option in options if option.id == answer_id]
        own = fault.advice if fault else (found[0] if found else None)
        return own or self.stop_text

    def to_dict(self) -> dict[str, Any]:
        """The document as plain JSON data; `parse` reads it back to an equal flow."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return plain


_RENAMED = {"conditions": "if"}  # a Python keyword cannot be a field


def _plain(value: Any) -> Any:
    """Dataclasses to dicts without fields that hold their default; tuples to lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _RENAMED.get(item.name, item.name): _plain(getattr(value, item.name))
            for item in dataclasses.fields(value)
            if item.name == "kind" or not _is_default(item, getattr(value, item.name))
        }
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value


def _is_default(item: "dataclasses.Field[Any]", value: Any) -> bool:
    if item.default_factory is not dataclasses.MISSING:
        return bool(value == item.default_factory())
    return item.default is not dataclasses.MISSING and bool(value == item.default)


T = TypeVar("T")


class _Reader:
    """One JSON object with its path; every key must be asked for, so a typing slip is an error."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise FlowError(f"{path}: an object is needed")
        self._left: dict[str, Any] = {str(key): inner for key, inner in value.items()}
        self.path = path

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The value of that type; a whole number is a float, true is no number."""
        if key not in self._left:
            if default is None:
                raise FlowError(f"{self.path}.{key}: missing")
            return default
        value = self._left.pop(key)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise FlowError(f"{self.path}.{key}: {kind.__name__} is needed")
        return value

    def text(self, key: str) -> Text:
        """A text in both languages; empty ones are `validate`'s business."""
        reader = _Reader(self._left.pop(key, None), f"{self.path}.{key}")
        text = Text(zh=reader.take("zh", str, ""), en=reader.take("en", str, ""))
        reader.close()
        return text

    def text_or_none(self, key: str) -> Text | None:
        """A text, or None where the key is absent or null."""
        if self._left.get(key) is None:
            self._left.pop(key, None)
            return None
        return self.text(key)

    def list_of(self, key: str, read: "Callable[[Any, str], T]") -> tuple[T, ...]:
        """Every element through `read(value, path)`; absent is empty."""
        values = self.take(key, list, [])
        return tuple(read(value, f"{self.path}.{key}[{i}]") for i, value in enumerate(values))

    def map_of(self, key: str, read: "Callable[[Any, str], T]") -> dict[str, T]:
        """Every value through `read(value, path)`; absent is empty."""
        values = self.take(key, dict, {})
        return {str(k): read(value, f"{self.path}.{key}.{k}") for k, value in values.items()}

    def close(self) -> None:
        """Raises where a key was not known."""
        if self._left:
            raise FlowError(f"{self.path}: unknown {', '.join(sorted(self._left))}")


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise FlowError(f"{path}: a string is needed")
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FlowError(f"{path}: a number is needed")
    return float(value)


def _numbers(value: Any, path: str) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise FlowError(f"{path}: a list is needed")
    return tuple(_number(inner, f"{path}[{i}]") for i, inner in enumerate(value))


def _strings(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FlowError(f"{path}: a list is needed")
    return tuple(_string(inner, f"{path}[{i}]") for i, inner in enumerate(value))


def _scalars(value: Any, path: str) -> tuple[Scalar, ...]:
    if not isinstance(value, list) or not all(isinstance(inner, bool | str) for inner in value):
        raise FlowError(f"{path}: a list of true, false or words is needed")
    return tuple(value)


def _option(value: Any, path: str) -> AnswerOption:
    reader = _Reader(value, path)
    bad = reader.take("bad", bool, default=False) if _has(value, "bad") else None
    option = AnswerOption(
        id=reader.take("id", str),
        text=reader.text("text"),
        detail=reader.text_or_none("detail"),
        icon=reader.take("icon", str, ""),
        bad=bad,
        stop=reader.take("stop", bool, default=False),
        call=reader.take("call", bool, default=False),
        advice=reader.text_or_none("advice"),
        covers=reader.list_of("covers", _string),
    )
    reader.close()
    return option


def _has(value: Any, key: str) -> bool:
    return isinstance(value, Mapping) and key in value


def _check(reader: _Reader) -> Check:
    return Check(
        id=reader.take("id", str),
        minutes=reader.take("minutes", float),
        text=reader.text("text"),
        answers=reader.list_of("answers", _option),
        default=reader.list_of("default", _number),
        given=reader.map_of("given", _numbers),
        how=reader.text_or_none("how"),
        icon=reader.take("icon", str, ""),
        actor=reader.take("actor", str, "merchant"),
        requires=reader.map_of("requires", _scalars),
        unless=reader.map_of("unless", _strings),
        skip=reader.take("skip", float, USUAL_SKIP),
        safety=reader.take("safety", bool, default=False),
        always=reader.take("always", bool, default=False),
        picture=_picture(reader),
    )


def _fix(reader: _Reader) -> Fix:
    return Fix(
        id=reader.take("id", str),
        minutes=reader.take("minutes", float),
        text=reader.text("text"),
        answers=reader.list_of("answers", _option),
        cures=reader.map_of("cures", _number),
        how=reader.text_or_none("how"),
        icon=reader.take("icon", str, ""),
        actor=reader.take("actor", str, "merchant"),
        requires=reader.map_of("requires", _scalars),
        unless=reader.map_of("unless", _strings),
        risk_minutes=reader.take("risk_minutes", float, 0.0),
        wait_seconds=reader.take("wait_seconds", int, 0),
        after=reader.list_of("after", _string),
        picture=_picture(reader),
    )


def _picture(reader: _Reader) -> Picture | None:
    value = reader.take("picture", dict, {})
    if not value:
        return None
    inner = _Reader(value, f"{reader.path}.picture")
    picture = Picture(name=inner.take("name", str), mark=inner.take("mark", str, ""))
    inner.close()
    return picture


def _step(value: Any, path: str) -> Step:
    reader = _Reader(value, path)
    kind = reader.take("kind", str)
    if kind not in {"check", "fix"}:
        raise FlowError(f"{path}.kind: check or fix is needed")
    step: Step = _check(reader) if kind == "check" else _fix(reader)
    reader.close()
    return step


def _when(value: Any, path: str) -> When:
    reader = _Reader(value, path)
    when = When(conditions=reader.map_of("if", _scalars), times=reader.take("times", float))
    reader.close()
    return when


def _fault(value: Any, path: str) -> Fault:
    reader = _Reader(value, path)
    fault = Fault(
        id=reader.take("id", str),
        weight=reader.take("weight", float),
        text=reader.text("text"),
        when=reader.list_of("when", _when),
        actor=reader.take("actor", str, "desk"),
        desk_only=reader.take("desk_only", bool, default=False),
        stop_use=reader.take("stop_use", bool, default=False),
        swap_likely=reader.take("swap_likely", bool, default=False),
        locked=reader.take("locked", bool, default=False),
        advice=reader.text_or_none("advice"),
    )
    reader.close()
    return fault


def _call(value: Any, path: str) -> Call:
    reader = _Reader(value, path)
    call = Call(
        minutes=reader.take("minutes", float),
        minutes_closed=reader.take("minutes_closed", float),
        text=reader.text("text"),
    )
    reader.close()
    return call


def _hand_over(value: Any, path: str) -> HandOver:
    reader = _Reader(value, path)
    way = HandOver(
        id=reader.take("id", str),
        title=reader.text("title"),
        advice=reader.text("advice"),
        minutes=reader.take("minutes", float),
        otherwise=reader.take("otherwise", float),
        actors=reader.list_of("actors", _string),
        swap=reader.take("swap", bool, default=False),
        waits=reader.take("waits", bool, default=False),
    )
    reader.close()
    return way


def parse(document: Mapping[str, Any]) -> Flow:
    """Read a flow document. Raises FlowError on a wrong shape; sense is `validate`'s business."""
    reader = _Reader(document, "flow")
    flow = Flow(
        id=reader.take("id", str),
        version=reader.take("version", int),
        symptom=reader.text("symptom"),
        title=reader.text("title"),
        hint=reader.text("hint"),
        icon=reader.take("icon", str),
        share=reader.take("share", float),
        call=_call(reader.take("call", dict), "flow.call"),
        keep_selling=reader.text("keep_selling"),
        done=reader.text("done"),
        stop_text=reader.text("stop_text"),
        first=reader.text("first"),
        verify=reader.text("verify"),
        faults=reader.list_of("faults", _fault),
        steps=reader.list_of("steps", _step),
        stop_threshold=reader.take("stop_threshold", float, 0.15),
        requires=reader.map_of("requires", _scalars),
        aka=reader.list_of("aka", _string),
        exits=reader.list_of("exits", _hand_over),
    )
    reader.close()
    return flow


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a flow may not be published: a stable code, where, and the reason in plain English."""

    code: str
    where: str
    reason: str


def validate(flow: Flow) -> list[Problem]:
    """Everything that keeps the flow from being published, in document order; empty means good."""
    rules: tuple[Callable[[Flow], Iterator[Problem]], ...] = (
        _ids, _known_faults, _numbers_in_range, _hand_overs, _languages, _safety_screen, _lengths,
        _answers, _conditions, _unless, _reach, _told_apart, _pictures,
    )  # fmt: skip
    return [problem for rule in rules for problem in rule(flow)]


def _ids(flow: Flow) -> Iterator[Problem]:
    groups: list[tuple[str, Sequence[str]]] = [
        ("flow", [flow.id]),
        ("faults", [fault.id for fault in flow.faults]),
        ("steps", [step.id for step in flow.steps]),
        ("exits", [way.id for way in flow.exits]),
    ]
    groups += [(step.id, [answer.id for answer in step.answers]) for step in flow.steps]
    for where, names in groups:
        for name in dict.fromkeys(names):
            if not _ID.match(name):
                yield Problem("id", where, f"{name!r} is not a lower-case name")
            if names.count(name) > 1:
                yield Problem("duplicate", where, f"{name} stands here twice")
    if OTHER not in [fault.id for fault in flow.faults]:
        yield Problem("other_missing", "faults", "the cause `other` makes the stop rule work")


def _known_faults(flow: Flow) -> Iterator[Problem]:
    known = {fault.id for fault in flow.faults}
    for step in flow.steps:
        named = step.given if isinstance(step, Check) else step.cures
        for fault in named:
            if fault not in known:
                yield Problem("unknown_fault", step.id, f"{fault} is no fault of this flow")
        if isinstance(step, Fix) and not any(cure > 0 for cure in step.cures.values()):
            yield Problem("cures_nothing", step.id, "a fix must cure something")


def _numbers_in_range(flow: Flow) -> Iterator[Problem]:
    for fault in flow.faults:
        yield from _weight_in_range(fault)
    if abs(sum(fault.weight for fault in flow.faults) - 1) > 0.001:
        yield Problem("weights", "faults", "the weights must sum to 1")
    if not 0 < flow.stop_threshold < 1 or not 0 < flow.call.minutes <= flow.call.minutes_closed:
        yield Problem("limits", flow.id, "stop threshold or call minutes out of range")
    for step in flow.steps:
        if step.minutes <= 0:
            yield Problem("minutes", step.id, "minutes must be above 0")
        if not all(0 <= number <= 1 for number in _probabilities(step)):
            yield Problem("probability", step.id, "a probability lies in [0, 1]")


def _weight_in_range(fault: Fault) -> Iterator[Problem]:
    if not 0 < fault.weight <= 1:
        yield Problem("weight", fault.id, "a weight lies in (0, 1]")
    if not all(0 < when.times <= MOST_TIMES for when in fault.when):
        yield Problem("times", fault.id, f"a multiplier lies in (0, {MOST_TIMES:g}]")


def _hand_overs(flow: Flow) -> Iterator[Problem]:
    # An exit of that id would speak in the place of a cause's advice, or of the desk's.
    taken = {*NOT_EXITS, *(fault.id for fault in flow.faults)}
    for way in flow.exits:
        where = f"exits.{way.id}"
        if way.id in taken:
            yield Problem("taken", where, "the desk or a cause has this short name")
        if not 0 < way.minutes <= way.otherwise:
            yield Problem("exit_minutes", where, "minutes above 0, others take at least as many")
        if not set(way.actors) <= set(ACTORS):
            yield Problem("actor", where, "right for causes of an unknown actor")


def _probabilities(step: Step) -> list[float]:
    if isinstance(step, Fix):
        return list(step.cures.values())
    return [step.skip, *step.default, *(number for row in step.given.values() for number in row)]


def _languages(flow: Flow) -> Iterator[Problem]:
    for where, text in _texts(flow, flow.id):
        for language in ("zh", "en"):
            if not text.get(language).strip():
                yield Problem("language", where, f"the text is missing in {language}")


def _texts(value: Any, where: str) -> Iterator[tuple[str, Text]]:
    """Every text under a dataclass, with a readable path."""
    if isinstance(value, Text):
        yield where, value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _texts(inner, where)
    elif dataclasses.is_dataclass(value):
        for item in dataclasses.fields(value):
            name = getattr(value, "id", item.name)
            yield from _texts(getattr(value, item.name), f"{where}.{name}.{item.name}")


def _safety_screen(flow: Flow) -> Iterator[Problem]:
    first = flow.steps[0] if flow.steps else None
    if not isinstance(first, Check) or first.id != SAFETY or not first.safety or first.requires:
        yield Problem("safety", SAFETY, "the safety screen must be the first step, for everyone")
        return
    answers = {answer.id: answer for answer in first.answers}
    for sign in SAFETY_SIGNS:
        answer = answers.get(sign)
        if answer is None or not answer.stop or answer.advice is None:
            yield Problem("safety", SAFETY, f"{sign} must be an answer that stops use, with advice")
    if not {"none", UNSURE} <= set(answers):
        yield Problem("safety", SAFETY, "the answers `none` and `unsure` are needed")


def han(text: str) -> int:
    """How many Chinese characters."""
    return len(_HAN.findall(text))


def _lengths(flow: Flow) -> Iterator[Problem]:
    for step in flow.steps:
        if step.actor != "merchant":
            continue
        limit = QUESTION_HAN if isinstance(step, Check) else INSTRUCTION_HAN
        if han(step.text.zh) > limit or len(step.text.en) > ENGLISH_LENGTH:
            yield Problem("length", step.id, f"at most {limit} 汉字 and {ENGLISH_LENGTH} letters")
        for answer in step.answers:
            if han(answer.text.zh) > ANSWER_HAN:
                yield Problem("length", f"{step.id}.{answer.id}", f"at most {ANSWER_HAN} 汉字")


def _answers(flow: Flow) -> Iterator[Problem]:
    for step in flow.steps:
        if isinstance(step, Fix):
            if tuple(answer.id for answer in step.answers) != FIX_ANSWERS:
                yield Problem("answers", step.id, f"a fix is answered {', '.join(FIX_ANSWERS)}")
            continue
        count = len(step.telling)
        if count < 2:
            yield Problem("answers", step.id, "at least two answers beside `unsure`")
        if any(len(row) != count for row in (step.default, *step.given.values())):
            yield Problem("row", step.id, f"a row needs {count} numbers, one per answer")


def _conditions(flow: Flow) -> Iterator[Problem]:
    named: list[tuple[str, Conditions]] = [(flow.id, flow.requires)]
    named += [(step.id, step.requires) for step in flow.steps]
    named += [(fault.id, when.conditions) for fault in flow.faults for when in fault.when]
    for where, conditions in named:
        for key, values in conditions.items():
            allowed: tuple[Scalar, ...] = CONNECTIONS if key == "connection" else (True, False)
            known = key in FLAGS or key in {"connection", INCIDENT}
            if not known or not values or not all(value in allowed for value in values):
                yield Problem(
                    "condition", where, f"{key} is no known feature, or has no such value"
                )
    for actor_where, actor in [(x.id, x.actor) for x in (*flow.steps, *flow.faults)]:
        if actor not in ACTORS:
            yield Problem("actor", actor_where, f"{actor} is no known actor")


def _unless(flow: Flow) -> Iterator[Problem]:
    known = {step.id: {answer.id for answer in step.answers} for step in flow.steps}
    for step in flow.steps:
        for other, answers in step.unless.items():
            if not answers or not set(answers) <= known.get(other, set()):
                yield Problem("unless", step.id, f"{other} is no step here, or lacks that answer")
        for other in step.after if isinstance(step, Fix) else ():
            if not isinstance(flow.step(other), Check):
                yield Problem("after", step.id, f"{other} is no check of this flow")


def _reach(flow: Flow) -> Iterator[Problem]:
    """A fault that no step speaks about or cures, and that is not the desk's, is a dead end."""
    cured = {f for s in flow.steps if isinstance(s, Fix) for f, cure in s.cures.items() if cure > 0}
    told = {
        fault
        for step in flow.steps
        if isinstance(step, Check)
        for fault, row in step.given.items()
        if row != step.default
    }
    for fault in flow.faults:
        if not fault.desk_only and fault.id not in cured | told:
            yield Problem("dead_end", fault.id, "nothing tells this fault apart or cures it")


def _told_apart(flow: Flow) -> Iterator[Problem]:
    """Two faults to which every step says the same can never be told from each other."""
    alike: dict[tuple[Any, ...], str] = {}
    for fault in flow.faults:
        said = tuple(
            step.row(fault.id) if isinstance(step, Check) else step.cures.get(fault.id, 0.0)
            for step in flow.steps
        )
        if said in alike:
            yield Problem("alike", fault.id, f"no step tells it apart from {alike[said]}")
        alike.setdefault(said, fault.id)


def _pictures(flow: Flow) -> Iterator[Problem]:
    """A step may show only what there is, and mark only a spot of it."""
    for step in flow.steps:
        if step.picture is None:
            continue
        found = pictures.drawing(step.picture.name)
        if found is None:
            yield Problem("picture", step.id, f"there is no drawing {step.picture.name}")
        elif step.picture.mark and step.picture.mark not in found.spots:
            yield Problem("picture", step.id, f"{found.name} has no spot {step.picture.mark}")
