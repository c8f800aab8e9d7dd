"""Shape of what the desk types about terminals."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from merchants.models import Store
from posdoctor.accounts.actor import Actor
from posdoctor.core.forms import PlainForm, without_card_number
from terminals.actions import FIRST_STATES
from terminals.lifecycle import TerminalState
from terminals.models import MinimumVersion, Terminal, TerminalModel, TerminalNumber
from terminals.versions import is_comparable

MAX_STORES = 300
MAX_PICKS = 10
_STORE_REF = re.compile(r"(?<![0-9A-Z])S-[0-9A-Z]{6}(?![0-9A-Z])")
_DAY = _("Write the date like 2026-11-20")
_NO_SUGGESTIONS = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}


class CodeField(forms.CharField):
    """Letters and digits printed on a machine: upper case, half width, without blanks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs=_NO_SUGGESTIONS), **kwargs)

    def to_python(self, value: Any) -> str:
        """The code as it is stored."""
        return re.sub(r"\s+", "", unicodedata.normalize("NFKC", value or "")).upper()


class ReasonForm(PlainForm):
    """Why a terminal is stopped or released."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "reason": _("Say why, it stays in the terminal's history")
    }

    reason = forms.CharField(
        label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


class MoveForm(PlainForm):
    """A new state by hand, with the reason."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "state": _("Choose the new state"),
        "note": _("Say why, it stays in the terminal's history"),
    }

    state = forms.ChoiceField(label=_("New state"), widget=forms.RadioSelect)
    note = forms.CharField(
        label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, states: list[TerminalState], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["state"].choices = [(state.value, state.label) for state in states]  # type: ignore[attr-defined]


class StoreInput(forms.TextInput):
    """A text field with the stores of the provider to choose from, as far as the browser offers."""

    template_name = "terminals/_store_input.html"

    def __init__(self) -> None:
        super().__init__(attrs={"autocomplete": "off", "list": "stores"})
        self.labels: list[str] = []

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """The context of a text field, and the labels."""
        return {**super().get_context(name, value, attrs), "labels": self.labels}


class TerminalForm(PlainForm):
    """The record of one terminal.

    The store is typed, and resolved among those that the actor sees: by the reference in it, else
    by words. Where several fit, `store_pick` offers them.
    """

    required_texts: ClassVar[Mapping[str, Any]] = {
        "serial": _("Enter the serial from the label on the back"),
        "model": _("Choose the model"),
    }

    serial = CodeField(label=_("Serial"), max_length=60)
    model = forms.ChoiceField(label=_("Model"))
    store = forms.CharField(
        label=_("Store"),
        max_length=280,  # of a label: two names and a reference
        required=False,
        help_text=_("Part of its name or address, or of the merchant’s name; or its reference"),
        widget=StoreInput,
    )
    # Drawn only where several stores fit what was typed.
    store_pick = forms.CharField(
        label=_("Which of these stores?"),
        max_length=20,
        required=False,
        widget=forms.RadioSelect,
    )
    counter = forms.CharField(label=_("Counter"), max_length=60, required=False)
    number_card = CodeField(label=_("Terminal number (card)"), max_length=20, required=False)
    number_qr = CodeField(label=_("Terminal number (QR code)"), max_length=20, required=False)
    connection = forms.ChoiceField(
        label=_("Connection"),
        required=False,
        choices=[("", pgettext_lazy("connection", "Not known")), *Terminal.Connection.choices],
    )
    sim_iccid = CodeField(label=_("SIM card number (ICCID)"), max_length=40, required=False)
    sim_operator = forms.CharField(label=_("Mobile operator"), max_length=40, required=False)
    firmware = forms.CharField(label=_("Firmware"), max_length=60, required=False)
    app_version = forms.CharField(label=_("App version"), max_length=30, required=False)
    installed_on = forms.DateField(
        label=_("Installed on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _DAY},
    )
    warranty_until = forms.DateField(
        label=_("Warranty until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _DAY},
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._models = {model.slug: model for model in TerminalModel.objects.all()}
        choices = [(slug, model.label) for slug, model in self._models.items()]
        self.fields["model"].choices = choices  # type: ignore[attr-defined]
        self._stores = Store.objects.visible_to(actor).select_related("merchant")
        self._picks: list[Store] = []
        known = list(self._stores.order_by("name", "pk")[: MAX_STORES + 1])
        if len(known) <= MAX_STORES:  # a part of them would look like all of them
            self.fields["store"].widget.labels = [store_label(store) for store in known]

    @property
    def has_picks(self) -> bool:
        """Several stores fit what was typed."""
        return bool(self._picks)

    def further_fields(self) -> list[forms.BoundField]:
        """The fields that need no place of their own on the page."""
        first = {"serial", "model", "store", "store_pick", "state"}
        return [self[name] for name in self.fields if name not in first]

    def clean_serial(self) -> str:
        """Six to fifty letters, digits and dashes."""
        serial = str(self.cleaned_data["serial"])
        if not re.fullmatch(r"[0-9A-Z][0-9A-Z-]{5,49}", serial):
            raise ValidationError(
                _("A serial has 6 to 50 letters, digits and dashes. Check the label."),
                code="serial",
            )
        return without_card_number(serial, label="SN ")

    def clean_model(self) -> TerminalModel:
        """The chosen make and model."""
        return self._models[self.cleaned_data["model"]]

    def clean_store(self) -> Store | None:
        """The one store that fits what was typed; of several, `clean_store_pick` takes one."""
        typed = unicodedata.normalize("NFKC", self.cleaned_data["store"]).strip()
        if not typed:
            return None
        refs = _STORE_REF.findall(typed.upper())
        if refs:
            # The last one: a label ends in the reference.
            found = self._stores.filter(ref=refs[-1]).first()
            if found is None:
                raise ValidationError(
                    _("No store has the reference %(ref)s. Copy it from the merchant's page."),
                    code="store",
                    params={"ref": refs[-1]},
                )
            return found
        return self._store_of_words(typed)

    def clean_store_pick(self) -> str:
        """Reference of the picked store, which becomes the store; empty where none is asked."""
        if not self._picks:
            return ""
        ref = str(self.cleaned_data["store_pick"])
        field = self.fields["store_pick"]
        chosen = next((store for store in self._picks if store.ref == ref), None)
        if chosen is None:  # picked for other words than those that are typed now
            raise ValidationError(field.error_messages["required"], code="required")
        self.cleaned_data["store"] = chosen
        return ref

    def _store_of_words(self, typed: str) -> Store | None:
        fitting = list(self._stores.matching(typed).order_by("name", "pk")[: MAX_PICKS + 1])
        if not fitting:
            raise ValidationError(
                _("No store fits. Type less of its name, or its reference."), code="store"
            )
        named = [store for store in fitting if store.name == typed]
        if len(fitting) == 1 or len(named) == 1:
            return (named or fitting)[0]
        self._picks = fitting[:MAX_PICKS]
        pick = self.fields["store_pick"]
        pick.widget.choices = [(store.ref, store_label(store)) for store in self._picks]
        pick.required = True
        pick.error_messages["required"] = (
            _("Several stores fit. Choose one.")
            if len(fitting) <= MAX_PICKS
            else _("Many stores fit, these are the first. Choose one, or type more of its name.")
        )
        return None

    def clean_number_card(self) -> str:
        """Eight letters or digits, or nothing."""
        return _terminal_number(self.cleaned_data["number_card"])

    def clean_number_qr(self) -> str:
        """Eight letters or digits, or nothing."""
        return _terminal_number(self.cleaned_data["number_qr"])

    def clean_sim_iccid(self) -> str:
        """Nineteen or twenty digits, the last of some cards a letter."""
        iccid = str(self.cleaned_data["sim_iccid"])
        if iccid and not re.fullmatch(r"[0-9]{18,19}[0-9A-F]", iccid):
            raise ValidationError(
                _("A SIM card number has 19 or 20 digits, this one has %(n)d"),
                code="iccid",
                params={"n": len(iccid)},
            )
        return without_card_number(iccid, label="ICCID ")

    def values(self) -> dict[str, Any]:
        """Columns of Terminal."""
        others = {"store_pick", *(f"number_{kind}" for kind in TerminalNumber.Kind.values)}
        return {name: value for name, value in self.cleaned_data.items() if name not in others}

    def numbers(self) -> dict[str, str]:
        """Kind -> number; empty where there is none."""
        return {kind: self.cleaned_data[f"number_{kind}"] for kind in TerminalNumber.Kind.values}

    @staticmethod
    def initial_of(terminal: Terminal) -> dict[str, Any]:
        """What the form shows for a stored terminal."""
        plain = (
            "serial", "counter", "connection", "sim_iccid", "sim_operator", "firmware",
            "app_version", "installed_on", "warranty_until",
        )  # fmt: skip
        numbers = {f"number_{number.kind}": number.number for number in terminal.numbers.all()}
        return {
            **{name: getattr(terminal, name) for name in plain},
            "model": terminal.model.slug,
            "store": store_label(terminal.store) if terminal.store else "",
            **numbers,
        }


class NewTerminalForm(TerminalForm):
    """The record of a new terminal, and where its life begins."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        **TerminalForm.required_texts,
        "state": _("Choose the state"),
    }

    state = forms.ChoiceField(
        label=_("State"),
        choices=[(state.value, state.label) for state in FIRST_STATES],
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = self.fields["model"].choices  # type: ignore[attr-defined]
        # A first model would be taken for a known one.
        self.fields["model"].choices = [("", "–"), *models]  # type: ignore[attr-defined]


class MinimumVersionForm(PlainForm):
    """What terminals of one model must have at least."""

    required_texts: ClassVar[Mapping[str, Any]] = {"since": _DAY}

    app_version = forms.CharField(
        label=_("App version"),
        max_length=30,
        required=False,
        help_text=_("Like 3.2.14. Empty: any will do."),
        widget=forms.TextInput(attrs=_NO_SUGGESTIONS),
    )
    firmware = forms.CharField(
        label=_("Firmware"),
        max_length=60,
        required=False,
        help_text=_("As the terminal shows it, like V1.0.9. Empty: any will do."),
        widget=forms.TextInput(attrs=_NO_SUGGESTIONS),
    )
    since = forms.DateField(
        label=_("Expected from"),
        help_text=_("Before this day nobody counts as behind."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _DAY},
    )

    def clean_app_version(self) -> str:
        """Something that others can be compared with, or nothing."""
        return _version(self.cleaned_data["app_version"])

    def clean_firmware(self) -> str:
        """Something that others can be compared with, or nothing."""
        return _version(self.cleaned_data["firmware"])

    def clean(self) -> dict[str, Any]:
        """One of both is said."""
        cleaned = dict(super().clean() or {})
        if not self.errors and not (cleaned["app_version"] or cleaned["firmware"]):
            self.add_error("app_version", _("Enter an app version, a firmware or both"))
        return cleaned

    @staticmethod
    def initial_of(minimum: MinimumVersion) -> dict[str, Any]:
        """What the form shows for a stored one."""
        return {name: getattr(minimum, name) for name in ("app_version", "firmware", "since")}


def store_label(store: Store) -> str:
    """How a store is offered: name, merchant where that says more, reference at the end."""
    names = [store.name] if store.merchant.name in store.name else [store.name, store.merchant.name]
    return " · ".join([*names, store.ref])


def _terminal_number(number: str) -> str:
    if number and not re.fullmatch(r"[0-9A-Z]{8}", number):
        raise ValidationError(
            _("A terminal number has 8 letters or digits, this one has %(n)d"),
            code="number",
            params={"n": len(number)},
        )
    return number


def _version(typed: str) -> str:
    if typed and not is_comparable(typed):
        raise ValidationError(_("A version has a number, like 3.2.14"), code="version")
    return without_card_number(typed)
