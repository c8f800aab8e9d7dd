"""What authors of flows type: words of a flow, a step with its likelihoods, a cause, a file.

Each form is made of one part of a document, and `part()` gives that part back as it was typed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

from django import forms
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from diagnostics import pictures
from diagnostics.authoring.edits import Document, Part
from diagnostics.authoring.likelihood import LIKELIHOODS, SKIPS, TIMES, number_of, row_of, word_of
from diagnostics.flow import (
    ANSWER_HAN,
    CONNECTIONS,
    ENGLISH_LENGTH,
    INSTRUCTION_HAN,
    OTHER,
    QUESTION_HAN,
    SAFETY,
    UNSURE,
    USUAL_SKIP,
    han,
)
from diagnostics.forms.flow_icons import answer_icon, step_icon
from diagnostics.forms.flow_words import (
    ACTORS,
    ENDS,
    FIELDS,
    LIKELIHOOD_WORDS,
    MODEL_FEATURES,
    SIGNS,
    SKIP_WORDS,
    TIMES_WORDS,
    Word,
)
from diagnostics.models import reader_language
from posdoctor.core.forms import PlainForm
from terminals.models import Terminal

# (Field, own words that have no place any more, the other author's words)
Lost: TypeAlias = list[tuple[str, str, str]]

SHORT, LONG = 120, 400
# The row of all causes without a row of their own.
OTHERS = "others"


@dataclass(frozen=True)
class Cell:
    """One likelihood: the control, what it is about, and the exact number between the words."""

    label: str
    field: forms.BoundField
    exact: str


@dataclass(frozen=True)
class Row:
    """The likelihoods of one cause; `drop` takes the row away."""

    label: str
    cells: list[Cell]
    drop: forms.BoundField | None


class PartForm(PlainForm):
    """One part of a draft, with the revision at which its author opened it."""

    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=1)

    def __init__(self, data: Any = None, *, document: Document, part: Part, revision: int) -> None:
        self.document, self.old, self.revision_now = document, part, revision
        super().__init__(data)
        self.build()
        self.initial["revision"] = revision

    def build(self) -> None:
        """Adds the fields that depend on the part."""
        raise NotImplementedError

    def part(self) -> Part:
        """The part as it was typed; only of a form without errors."""
        raise NotImplementedError

    @classmethod
    def rebased(cls, data: Any, *, opened: "PartForm", now: "PartForm") -> tuple[Self, Lost]:
        """The form as it is now with what was typed into the one that was opened.

        A field that its author left alone follows the other author. Also what does not fit any
        more: for each field that both changed the other's words, and words whose field is gone.
        """
        merged = QueryDict(mutable=True)
        lost: Lost = []
        for name, field in now.fields.items():
            theirs = now.get_initial_for_field(field, name)
            known = opened.fields.get(name)
            if name == "revision" or known is None or not opened.typed(data, name):
                _put(merged, name, theirs)
                continue
            merged.setlist(name, data.getlist(name))
            if field.has_changed(opened.get_initial_for_field(known, name), theirs):
                lost.append((str(field.label), "", _shown(field, theirs)))
        for name, field in opened.fields.items():
            if name not in now.fields and opened.typed(data, name):
                lost.append((str(field.label), _shown(field, data.get(name)), ""))
        return cls(merged, document=now.document, part=now.old, revision=now.revision_now), lost

    def typed(self, data: Any, name: str) -> bool:
        """Whether this data says something else than the form showed."""
        field = self.fields[name]
        value = field.widget.value_from_datadict(data, MultiValueDict(), name)
        return field.has_changed(self.get_initial_for_field(field, name), value)

    def add_pair(self, name: str, label: Word, value: Mapping[str, str] | None, **how: Any) -> None:
        """A text in both languages side by side."""
        length, lines = how.get("length", SHORT), how.get("lines", 1)
        names = {"zh": gettext_lazy("%(field)s, Chinese"), "en": gettext_lazy("%(field)s, English")}
        for language, pattern in names.items():
            attrs = {"lang": "zh-Hans" if language == "zh" else "en"}
            widget = (
                forms.Textarea(attrs={**attrs, "rows": lines})
                if lines > 1
                else forms.TextInput(attrs={**attrs, "autocomplete": "off"})
            )
            text = (value or {}).get(language, "")
            self.fields[f"{name}_{language}"] = forms.CharField(
                label=str(pattern) % {"field": label},
                required=False,
                max_length=length,
                widget=widget,
                help_text=how.get(f"hint_{language}", ""),
            )
            self.initial[f"{name}_{language}"] = text

    def pair(self, name: str) -> dict[str, str] | None:
        """Both texts; None where neither is given."""
        text = {language: self.cleaned_data[f"{name}_{language}"] for language in ("zh", "en")}
        return text if any(text.values()) else None

    def add_requires(self, requires: Mapping[str, Sequence[Any]]) -> None:
        """Which terminals this is for: features they have, lack, and ways they are connected."""
        features = [(name, label) for name, label in MODEL_FEATURES.items()]
        ways = [(way, Terminal.Connection(way).label) for way in CONNECTIONS]
        held = [name for name, values in requires.items() if True in values]
        lacking = [name for name, values in requires.items() if list(values) == [False]]
        for name, label, choices, chosen in (
            ("requires_with", gettext_lazy("Only terminals that have"), features, held),
            ("requires_without", gettext_lazy("Only terminals that lack"), features, lacking),
            (
                "requires_connection",
                gettext_lazy("Only terminals connected by"),
                ways,
                list(requires.get("connection", ())),
            ),
        ):
            self.fields[name] = _boxes(label, choices)
            self.initial[name] = chosen

    def requires(self) -> dict[str, list[Any]]:
        """The conditions that were chosen."""
        chosen = self.cleaned_data
        found: dict[str, list[Any]] = {name: [True] for name in chosen["requires_with"]}
        found |= {name: [False] for name in chosen["requires_without"] if name not in found}
        if chosen["requires_connection"]:
            found["connection"] = chosen["requires_connection"]
        same = {name: set(values) for name, values in found.items()}
        old: dict[str, list[Any]] = self.old.get("requires", {})
        return old if same == {name: set(values) for name, values in old.items()} else found

    def fault_choices(self) -> list[tuple[str, str]]:
        """Every cause of the flow by its short name."""
        return [(fault["id"], _named(fault)) for fault in self.document["faults"]]


class StepForm(PartForm):
    """A check or a fix: words, minutes, who, for which terminals; answers and likelihoods."""

    required_texts: ClassVar[Mapping[str, Any]] = {}

    def build(self) -> None:
        """Fields for each answer and each likelihood of this step."""
        step, is_check = self.old, self.is_check
        limit = QUESTION_HAN if is_check else INSTRUCTION_HAN
        hints = {}
        if step.get("actor", "merchant") == "merchant":
            hints = _hints(step["text"], limit, ENGLISH_LENGTH)
        label = gettext_lazy("Question") if is_check else gettext_lazy("What to do")
        self.add_pair("text", label, step["text"], **hints)
        self.add_pair("how", FIELDS["how"], step.get("how"), length=LONG, lines=2)
        self.fields["minutes"] = _minutes(FIELDS["minutes"], gettext_lazy("Enter the minutes"))
        self.initial["minutes"] = _plain(step["minutes"])
        self.fields["actor"] = forms.ChoiceField(
            label=str(FIELDS["actor"]), choices=list(ACTORS.items())
        )
        self.initial["actor"] = step.get("actor", "merchant")
        self._build_extras(is_check=is_check)
        self.fields["icon"] = step_icon(step.get("icon", ""))
        self.initial["icon"] = step.get("icon", "")
        self._build_picture()
        self.add_requires(step.get("requires", {}))
        self._build_unless()
        for answer in step["answers"]:
            self._build_answer(answer)
        if is_check:
            self._build_rows()
        else:
            self._build_cures()

    @property
    def is_check(self) -> bool:
        """A question; else something to do."""
        return bool(self.old["kind"] == "check")

    # --- Fields ------------------------------------------------------------------

    def _build_extras(self, *, is_check: bool) -> None:
        if is_check:
            self.fields["always"] = forms.BooleanField(label=str(FIELDS["always"]), required=False)
            self.initial["always"] = self.old.get("always", False)
            self._build_skip()
            return
        self._build_after()
        self.fields["risk_minutes"] = _minutes(FIELDS["risk_minutes"], "", at_least=0)
        self.initial["risk_minutes"] = _plain(self.old.get("risk_minutes", 0))
        self.fields["wait_seconds"] = forms.IntegerField(
            label=str(FIELDS["wait_seconds"]), min_value=0, max_value=3600, required=False
        )
        self.initial["wait_seconds"] = self.old.get("wait_seconds", 0)

    def _build_skip(self) -> None:
        number = self.old.get("skip", USUAL_SKIP)
        word = word_of(number, SKIPS)
        exact = "" if SKIPS[word] == number else _("%(n)s of 100") % {"n": f"{number * 100:.3g}"}
        self.fields["skip"] = forms.ChoiceField(
            label=str(FIELDS["skip"]), choices=list(SKIP_WORDS.items()), help_text=exact
        )
        self.initial["skip"] = word

    def _build_after(self) -> None:
        """Every check but the safety screen, which comes before all; chosen ones stay in order."""
        held: list[str] = list(self.old.get("after", []))
        known = {step["id"]: step for step in self.document["steps"] if step["kind"] == "check"}
        offered = [name for name in known if name != SAFETY or name in held]
        # What a file brought is shown, so that it can be unticked.
        names = [*(name for name in held if name not in known), *offered]
        choices = [(name, _named(known[name]) if name in known else name) for name in names]
        self.fields["after"] = _boxes(gettext_lazy("Checks asked right before it"), choices)
        self.initial["after"] = held

    def _build_picture(self) -> None:
        """One list: every drawing, alone and with each of its spots marked."""
        language = reader_language()
        groups: list[Any] = [("", _("None"))]
        for drawing in pictures.drawings().values():
            plain = [(drawing.name, _("Nothing marked"))]
            spots = [(f"{drawing.name}/{n}", s.says[language]) for n, s in drawing.spots.items()]
            groups.append((drawing.shows[language], plain + spots))
        self.fields["picture"] = forms.ChoiceField(
            label=str(FIELDS["picture"]), choices=groups, required=False
        )
        shown = self.old.get("picture")
        if shown:
            self.initial["picture"] = "/".join(filter(None, (shown["name"], shown.get("mark", ""))))

    def _build_unless(self) -> None:
        pairs = [(f"{s}.{a}", self._pair_label(s, a)) for s, a in self._unless_pairs()]
        self.fields["unless"] = _boxes(
            gettext_lazy("Left out once this was answered"), pairs, hint=bool(pairs)
        )
        self.initial["unless"] = [value for value, _label in pairs]
        groups: list[Any] = [("", _("Nothing more"))]
        for step in self.document["steps"]:
            if step["id"] != self.old["id"]:
                answers = [(f"{step['id']}.{a['id']}", _named(a)) for a in step["answers"]]
                groups.append((_named(step), answers))
        self.fields["unless_add"] = forms.ChoiceField(
            label=gettext_lazy("Also leave it out after"), choices=groups, required=False
        )

    def _unless_pairs(self) -> list[tuple[str, str]]:
        unless: Mapping[str, Sequence[str]] = self.old.get("unless", {})
        return [(step, answer) for step, answers in unless.items() for answer in answers]

    def _pair_label(self, step_id: str, answer_id: str) -> str:
        step = next((s for s in self.document["steps"] if s["id"] == step_id), None)
        answers = step["answers"] if step else []
        answer = next((a for a in answers if a["id"] == answer_id), None)
        return f"{_named(step) if step else step_id} → {_named(answer) if answer else answer_id}"

    def _build_answer(self, answer: Part) -> None:
        name = f"answer_{answer['id']}"
        is_merchants = self.old.get("actor", "merchant") == "merchant"
        hints = _hints(answer["text"], ANSWER_HAN, 0) if is_merchants else {}
        self.add_pair(f"{name}_text", FIELDS["answer"], answer["text"], **hints)
        self.add_pair(f"{name}_detail", FIELDS["detail"], answer.get("detail"))
        self.add_pair(
            f"{name}_advice", FIELDS["advice"], answer.get("advice"), length=LONG, lines=2
        )
        self.fields[f"{name}_sign"] = forms.ChoiceField(
            label=str(FIELDS["bad"]), choices=list(SIGNS.items()), required=False
        )
        bad = answer.get("bad")
        self.initial[f"{name}_sign"] = "" if bad is None else "bad" if bad else "good"
        self.fields[f"{name}_icon"] = answer_icon(answer.get("icon", ""))
        self.initial[f"{name}_icon"] = answer.get("icon", "")
        self.fields[f"{name}_ends"] = forms.ChoiceField(
            label=gettext_lazy("Afterwards"), choices=list(ENDS.items()), required=False
        )
        ends = "stop" if answer.get("stop") else "call" if answer.get("call") else ""
        self.initial[f"{name}_ends"] = ends

    def _build_rows(self) -> None:
        rows = {OTHERS: self.old["default"], **self.old.get("given", {})}
        for fault, row in rows.items():
            for answer, number in zip(self._telling(), row, strict=False):
                self._add_likelihood(f"row_{fault}_{answer['id']}", number)
            if fault != OTHERS:
                self.fields[f"row_{fault}_drop"] = forms.BooleanField(
                    label=gettext_lazy("Like all others"), required=False
                )
        free = [choice for choice in self.fault_choices() if choice[0] not in rows]
        self.fields["row_add"] = forms.ChoiceField(
            label=gettext_lazy("Add a row for"),
            choices=[("", _("No further cause")), *free],
            required=False,
        )

    def _build_cures(self) -> None:
        cures: Mapping[str, float] = self.old["cures"]
        for fault, _label in self.fault_choices():
            self._add_likelihood(f"cure_{fault}", cures.get(fault), empty=_("Does not help"))

    def _add_likelihood(self, name: str, number: float | None, *, empty: str = "") -> None:
        choices: list[tuple[str, Any]] = list(LIKELIHOOD_WORDS.items())
        self.fields[name] = forms.ChoiceField(
            choices=[("", empty), *choices] if empty else choices, required=not empty
        )
        self.initial[name] = "" if number is None else word_of(number)

    def _telling(self) -> list[Part]:
        return [answer for answer in self.old["answers"] if answer["id"] != UNSURE]

    # --- For the page ------------------------------------------------------------

    def answer_groups(self) -> list[dict[str, Any]]:
        """Each answer with its fields, in order; whether it can move or go."""
        telling = [answer["id"] for answer in self._telling()]
        groups = []
        for answer in self.old["answers"]:
            name, place = f"answer_{answer['id']}", answer["id"]
            at = telling.index(place) if place in telling else -1
            groups.append({
                "id": place,
                "label": _named(answer),
                "main": [self[f"{name}_text_zh"], self[f"{name}_text_en"]],
                "more": [
                    self[f"{name}_{field}"]
                    for field in (
                        "detail_zh", "detail_en", "advice_zh", "advice_en", "sign", "ends",
                    )
                ],
                "icon": self[f"{name}_icon"],
                "is_open": any(self[f"{name}_{f}"].errors for f in ("detail_zh", "advice_zh")),
                "is_stop": bool(answer.get("stop")),
                "can_rise": self.is_check and at > 0,
                "can_sink": self.is_check and 0 <= at < len(telling) - 1,
                "can_go": self.is_check and place != UNSURE,
            })  # fmt: skip
        return groups

    def likelihood_heads(self) -> list[str]:
        """Column heads: the answers, or the one column of a fix."""
        return [_named(answer) for answer in self._telling()] if self.is_check else [_("Helps")]

    def likelihood_rows(self) -> list[Row]:
        """The table of likelihoods, the row of all others last."""
        names = dict(self.fault_choices())
        if not self.is_check:
            cures = self.old["cures"]
            return [
                Row(label, [self._cell(_("Helps"), f"cure_{fault}", cures.get(fault))], None)
                for fault, label in names.items()
            ]
        rows = [
            self._row(fault, names.get(fault, fault), row)
            for fault, row in self.old.get("given", {}).items()
        ]
        return [*rows, self._row(OTHERS, _("All other causes"), self.old["default"])]

    def _row(self, fault: str, label: str, row: Sequence[float]) -> Row:
        cells = [
            self._cell(_named(answer), f"row_{fault}_{answer['id']}", number)
            for answer, number in zip(self._telling(), row, strict=False)
        ]
        return Row(label, cells, None if fault == OTHERS else self[f"row_{fault}_drop"])

    def _cell(self, label: str, name: str, number: float | None) -> Cell:
        exact = ""
        if number is not None and abs(LIKELIHOODS[word_of(number)] - number) >= 0.0005:
            exact = f"{number:.3g}"
        return Cell(label, self[name], exact)

    # --- What was typed ----------------------------------------------------------

    def part(self) -> Part:
        """The step as it was typed."""
        chosen = self.cleaned_data
        step = {
            **self.old,
            "text": self.pair("text") or {"zh": "", "en": ""},
            "how": self.pair("how"),
            "minutes": chosen["minutes"],
            "actor": chosen["actor"],
            "icon": chosen["icon"],
            "requires": self.requires(),
            "unless": self._unless(),
            "answers": [self._answer(answer) for answer in self.old["answers"]],
        }
        step |= self._picture()
        if self.is_check:
            skip = number_of(chosen["skip"], self.old.get("skip", USUAL_SKIP), SKIPS)
            return {**step, "always": chosen["always"], "skip": skip, **self._rows()}
        return {
            **step,
            "after": self._after(),
            "risk_minutes": chosen["risk_minutes"] or 0.0,
            "wait_seconds": chosen["wait_seconds"] or 0,
            "cures": self._cures(),
        }

    def _picture(self) -> Part:
        name, _slash, mark = self.cleaned_data["picture"].partition("/")
        return {"picture": {"name": name, "mark": mark} if name else {}}

    def _unless(self) -> dict[str, list[str]]:
        wanted = [*self.cleaned_data["unless"]]
        if added := self.cleaned_data["unless_add"]:
            wanted.append(added)
        found: dict[str, list[str]] = {}
        for pair in wanted:
            step, _dot, answer = pair.partition(".")
            if answer not in found.setdefault(step, []):
                found[step].append(answer)
        return found

    def _after(self) -> list[str]:
        """The ticked checks: those of before in their order, then new ones in the flow's."""
        ticked = self.cleaned_data["after"]
        held = [name for name in self.old.get("after", []) if name in ticked]
        return [*held, *(name for name in ticked if name not in held)]

    def _answer(self, answer: Part) -> Part:
        name, chosen = f"answer_{answer['id']}", self.cleaned_data
        sign, ends = chosen[f"{name}_sign"], chosen[f"{name}_ends"]
        found = {
            **{key: value for key, value in answer.items() if key not in {"bad", "stop", "call"}},
            "text": self.pair(f"{name}_text") or {"zh": "", "en": ""},
            "detail": self.pair(f"{name}_detail"),
            "advice": self.pair(f"{name}_advice"),
            "icon": chosen[f"{name}_icon"],
        }
        if sign:
            found["bad"] = sign == "bad"
        return found | ({ends: True} if ends else {})

    def _rows(self) -> Part:
        given = {
            fault: self._typed_row(fault, row)
            for fault, row in self.old.get("given", {}).items()
            if not self.cleaned_data[f"row_{fault}_drop"]
        }
        default = self._typed_row(OTHERS, self.old["default"])
        if added := self.cleaned_data["row_add"]:
            given[added] = list(default)
        return {"default": default, "given": given}

    def _typed_row(self, fault: str, before: Sequence[float]) -> list[float]:
        telling = [f"row_{fault}_{answer['id']}" for answer in self._telling()]
        words = [self.cleaned_data[name] for name in telling if name in self.cleaned_data]
        return row_of(words, before) if len(words) == len(before) else list(before)

    def _cures(self) -> dict[str, float]:
        before: Mapping[str, float] = self.old["cures"]
        found = {}
        for fault, _label in self.fault_choices():
            if word := self.cleaned_data[f"cure_{fault}"]:
                found[fault] = number_of(word, before.get(fault))
        # In the order of before: a save that changes nothing is no change.
        kept = {fault: found.pop(fault) for fault in before if fault in found}
        return kept | found


class FaultForm(PartForm):
    """A cause: words, share of the cases, who ends it, what it does, where it is met more often."""

    def build(self) -> None:
        """Fields for each multiplier of this cause."""
        fault = self.old
        self.add_pair("text", FIELDS["text"], fault["text"])
        self.fields["share"] = forms.FloatField(
            label=gettext_lazy("Of 100 cases"),
            min_value=0.01,
            max_value=99,
            help_text=gettext_lazy("The other causes make room in proportion."),
            error_messages={"required": gettext_lazy("Enter how many of 100 cases")},
            widget=_short("decimal"),
        )
        self.initial["share"] = _per_hundred(fault["weight"])
        self.fields["actor"] = forms.ChoiceField(
            label=gettext_lazy("Who can end it"), choices=list(ACTORS.items())
        )
        self.initial["actor"] = fault.get("actor", "desk")
        for name in ("desk_only", "swap_likely", "stop_use", "locked"):
            self.fields[name] = forms.BooleanField(label=str(FIELDS[name]), required=False)
            self.initial[name] = fault.get(name, False)
        if fault["id"] == OTHER:
            self.fields["stop_use"].disabled = True
        self.add_pair("advice", FIELDS["advice"], fault.get("advice"), length=LONG, lines=2)
        self._build_whens()

    def _build_whens(self) -> None:
        for index, when in enumerate(self.old.get("when", [])):
            self.fields[f"when_{index}"] = forms.ChoiceField(
                choices=[("", _("As often as elsewhere")), *TIMES_WORDS.items()], required=False
            )
            self.initial[f"when_{index}"] = word_of(when["times"], TIMES)
        features: list[tuple[str, Any]] = []
        for name, label in MODEL_FEATURES.items():
            features.append((f"{name}.yes", label))
            features.append((f"{name}.no", _("not: %(feature)s") % {"feature": label}))
        ways = [(f"connection.{way}", Terminal.Connection(way).label) for way in CONNECTIONS]
        self.fields["when_add"] = forms.ChoiceField(
            label=gettext_lazy("Also on terminals with"),
            choices=[("", _("Nothing more")), (_("Connected by"), ways), (_("Features"), features)],
            required=False,
        )
        self.fields["when_add_times"] = forms.ChoiceField(
            label=gettext_lazy("There it is"), choices=list(TIMES_WORDS.items()), required=False
        )

    def whens(self) -> list[tuple[dict[str, list[Any]], forms.BoundField]]:
        """Each multiplier: its conditions and its control."""
        return [
            (when["if"], self[f"when_{index}"])
            for index, when in enumerate(self.old.get("when", []))
        ]

    def part(self) -> Part:
        """The cause as it was typed, without its share."""
        chosen = self.cleaned_data
        return {
            **self.old,
            "text": self.pair("text") or {"zh": "", "en": ""},
            "advice": self.pair("advice"),
            "actor": chosen["actor"],
            **{name: chosen[name] for name in ("desk_only", "swap_likely", "stop_use", "locked")},
            "when": [*self._kept_whens(), *self._new_when()],
        }

    def share(self) -> float:
        """The share of the cases as a weight; exact where the shown number was not changed."""
        typed = round(self.cleaned_data["share"], 2)
        before = float(self.old["weight"])
        return before if typed == _per_hundred(before) else typed / 100

    def _kept_whens(self) -> Iterable[Part]:
        for index, when in enumerate(self.old.get("when", [])):
            if word := self.cleaned_data[f"when_{index}"]:
                yield {**when, "times": number_of(word, when["times"], TIMES)}

    def _new_when(self) -> Iterable[Part]:
        name, _dot, value = self.cleaned_data["when_add"].partition(".")
        word = self.cleaned_data["when_add_times"]
        if name and word:
            wanted = [value] if name == "connection" else [value == "yes"]
            yield {"if": {name: wanted}, "times": TIMES[word]}


class TextsForm(PartForm):
    """The words of the flow itself, the minutes of a call and the limit to stop use."""

    pairs: ClassVar[Sequence[tuple[str, int]]] = (
        ("title", 1), ("symptom", 1), ("hint", 1), ("keep_selling", 2), ("done", 2),
        ("stop_text", 2), ("first", 2), ("verify", 2),
    )  # fmt: skip

    def build(self) -> None:
        """Fields of every text."""
        for name, lines in self.pairs:
            length = LONG if lines > 1 else SHORT
            self.add_pair(name, FIELDS[name], self.old[name], length=length, lines=lines)
        call = self.old["call"]
        self.add_pair(
            "call", gettext_lazy("When the desk takes over"), call["text"], length=LONG, lines=2
        )
        self.fields["call_minutes"] = _minutes(
            gettext_lazy("Minutes a call costs the merchant"), gettext_lazy("Enter the minutes")
        )
        self.fields["call_minutes_closed"] = _minutes(
            gettext_lazy("The same while the desk is closed, at most"),
            gettext_lazy("Enter the minutes"),
        )
        self.fields["stop_threshold"] = forms.FloatField(
            label=gettext_lazy("Out of use once a dangerous cause has a chance of (%)"),
            min_value=1,
            max_value=99,
            error_messages={"required": gettext_lazy("Enter a percentage")},
            widget=_short("decimal"),
        )
        self.initial = {
            **self.initial,
            "call_minutes": _plain(call["minutes"]),
            "call_minutes_closed": _plain(call["minutes_closed"]),
            "stop_threshold": _plain(round(self.old.get("stop_threshold", 0.15) * 100, 2)),
        }
        self.add_requires(self.old.get("requires", {}))

    def text_pairs(self) -> list[list[forms.BoundField]]:
        """The fields two by two, Chinese and English."""
        names = [name for name, _lines in self.pairs] + ["call"]
        return [[self[f"{name}_zh"], self[f"{name}_en"]] for name in names]

    def part(self) -> Part:
        """The values of the flow as they were typed."""
        chosen = self.cleaned_data
        texts = {name: self.pair(name) or {"zh": "", "en": ""} for name, _lines in self.pairs}
        return {
            **texts,
            "call": {
                "text": self.pair("call") or {"zh": "", "en": ""},
                "minutes": chosen["call_minutes"],
                "minutes_closed": chosen["call_minutes_closed"],
            },
            "stop_threshold": round(chosen["stop_threshold"] / 100, 4),
            "requires": self.requires(),
        }


class ExitForm(PartForm):
    """A way to hand over: words, minutes, for whose causes it is right, when it begins."""

    def build(self) -> None:
        """Fields of this way."""
        way = self.old
        self.add_pair("title", FIELDS["exit_title"], way["title"])
        self.add_pair("advice", FIELDS["advice"], way["advice"], length=LONG, lines=3)
        self.fields["minutes"] = _minutes(
            gettext_lazy("Minutes where it is right"), gettext_lazy("Enter the minutes")
        )
        self.fields["otherwise"] = _minutes(FIELDS["otherwise"], gettext_lazy("Enter the minutes"))
        self.initial["minutes"] = _plain(way["minutes"])
        self.initial["otherwise"] = _plain(way["otherwise"])
        held = list(way.get("actors", []))
        # What a file brought is shown, so that it can be unticked.
        unknown = [(actor, actor) for actor in held if actor not in ACTORS]
        self.fields["actors"] = _boxes(FIELDS["actors"], [*ACTORS.items(), *unknown])
        self.initial["actors"] = held
        for name in ("swap", "waits"):
            self.fields[name] = forms.BooleanField(label=str(FIELDS[name]), required=False)
            self.initial[name] = way.get(name, False)

    def clean(self) -> dict[str, Any]:
        """A detour takes no less than the straight way."""
        cleaned = super().clean() or self.cleaned_data
        minutes, otherwise = cleaned.get("minutes"), cleaned.get("otherwise")
        if minutes is not None and otherwise is not None and otherwise < minutes:
            self.add_error("otherwise", _("At least as many minutes as where it is right"))
        return cleaned

    def part(self) -> Part:
        """The way to hand over as it was typed."""
        chosen = self.cleaned_data
        actors, before = chosen["actors"], self.old.get("actors", [])
        return {
            **self.old,
            "title": self.pair("title") or {"zh": "", "en": ""},
            "advice": self.pair("advice") or {"zh": "", "en": ""},
            "actors": before if set(actors) == set(before) else actors,
            **{name: chosen[name] for name in ("minutes", "otherwise", "swap", "waits")},
        }


class NewStepForm(PlainForm):
    """A new check or fix: its words and its place."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "text_zh": gettext_lazy("Enter the Chinese text"),
        "text_en": gettext_lazy("Enter the English text"),
    }
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[
            ("check", gettext_lazy("A check: something to look at")),
            ("fix", gettext_lazy("A fix: something to do")),
        ],
        widget=forms.RadioSelect,
        initial="check",
    )
    text_zh = forms.CharField(label=gettext_lazy("Text, Chinese"), max_length=SHORT)
    text_en = forms.CharField(label=gettext_lazy("Text, English"), max_length=SHORT)
    after = forms.ChoiceField(label=gettext_lazy("Stands after"))

    def __init__(self, *args: Any, document: Document, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        steps = [(step["id"], _named(step)) for step in document["steps"]]
        field = self.fields["after"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = steps
        self.initial.setdefault("after", steps[-1][0] if steps else "")


class NewFaultForm(PlainForm):
    """A new cause: its words."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "text_zh": gettext_lazy("Enter the Chinese text"),
        "text_en": gettext_lazy("Enter the English text"),
    }
    text_zh = forms.CharField(label=gettext_lazy("Text, Chinese"), max_length=SHORT)
    text_en = forms.CharField(label=gettext_lazy("Text, English"), max_length=SHORT)


class NewExitForm(PlainForm):
    """A new way to hand over: what it is called."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "title_zh": gettext_lazy("Enter the Chinese text"),
        "title_en": gettext_lazy("Enter the English text"),
    }
    title_zh = forms.CharField(label=gettext_lazy("Name, Chinese"), max_length=SHORT)
    title_en = forms.CharField(label=gettext_lazy("Name, English"), max_length=SHORT)


class ImportForm(PlainForm):
    """A flow as a file or as pasted JSON."""

    file = forms.FileField(
        label=gettext_lazy("JSON file"),
        required=False,
        error_messages={"empty": gettext_lazy("This file is empty")},
        widget=forms.FileInput(attrs={"accept": ".json,application/json"}),
    )
    text = forms.CharField(
        label=gettext_lazy("Or paste it"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 14, "class": "mono", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        """One of the two is needed."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and cleaned["file"] is None and not cleaned["text"].strip():
            self.add_error("text", _("Choose a file or paste a flow"))
        return cleaned


class PublishForm(PlainForm):
    """A line about what changed."""

    note = forms.CharField(label=gettext_lazy("What changed"), max_length=200, required=False)


# --- Parts ---------------------------------------------------------------------------


def _named(part: Mapping[str, Any]) -> str:
    """The part's text in the reader's language, else its short name."""
    text: Mapping[str, str] = part.get("text", {})
    return text.get(reader_language()) or next(filter(None, text.values()), "") or str(part["id"])


def _hints(text: Mapping[str, str], most_han: int, most_letters: int) -> dict[str, str]:
    """How long a text may be and is: phones show two answers only below short questions."""
    found = {
        "hint_zh": _("%(now)d of at most %(most)d Chinese characters")
        % {"now": han(text.get("zh", "")), "most": most_han}
    }
    if most_letters:
        found["hint_en"] = _("%(now)d of at most %(most)d letters") % {
            "now": len(text.get("en", "")),
            "most": most_letters,
        }
    return found


def _put(data: QueryDict, name: str, value: Any) -> None:
    """A value as a browser would send it."""
    if isinstance(value, list):
        data.setlist(name, [str(one) for one in value])
    elif value is True:
        data[name] = "on"
    elif value not in {None, False, ""}:
        data[name] = str(value)


def _shown(field: forms.Field, value: Any) -> str:
    """A value as people read it: the label of a choice, else itself."""
    if isinstance(field, forms.MultipleChoiceField):
        names = dict(_flat(field.choices))
        return ", ".join(str(names.get(str(one), one)) for one in value or ())
    if isinstance(field, forms.ChoiceField):
        return str(dict(_flat(field.choices)).get(str(value), value))
    if isinstance(field, forms.BooleanField):
        return _("Yes") if value else _("No")
    return str(value or "")


def _flat(choices: Any) -> Iterable[tuple[str, Any]]:
    for value, label in choices:
        if isinstance(label, list | tuple):
            yield from ((str(one), name) for one, name in label)
        else:
            yield str(value), label


def _boxes(
    label: Word, choices: Sequence[tuple[str, Any]], *, hint: bool = False
) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=str(label),
        choices=choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Untick what should not count any more") if hint else "",
    )


def _minutes(label: Word, required: Word, *, at_least: float = 0.1) -> forms.FloatField:
    return forms.FloatField(
        label=str(label),
        min_value=at_least,
        max_value=600,
        required=bool(required),
        error_messages={"required": str(required)} if required else None,
        widget=_short("decimal"),
    )


def _short(mode: str) -> forms.TextInput:
    return forms.TextInput(attrs={"inputmode": mode, "class": "short", "autocomplete": "off"})


def _per_hundred(weight: float) -> float:
    return _plain(round(weight * 100, 2))


def _plain(number: float) -> float:
    """A whole number without its `.0`."""
    return int(number) if number == int(number) else number
