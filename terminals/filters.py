"""The desk's list of terminals: search, filters, page after page without counting."""

import unicodedata
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from merchants.models import Merchant, Store
from posdoctor.accounts.actor import Actor
from posdoctor.core import clock
from posdoctor.core.forms import PlainForm
from terminals.lifecycle import TerminalState
from terminals.models import MinimumVersion, Terminal, TerminalModel
from terminals.querysets import TerminalQuerySet

PAGE = 50
MAX_AREAS = 300
_ANY = pgettext_lazy("filter", "All")


class TerminalFilter(PlainForm):
    """`q`: serial, terminal number, sticker code or reference. `after`: last serial seen."""

    q = forms.CharField(
        label=_("Serial, terminal number or sticker code"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    model = forms.ChoiceField(label=_("Model"), required=False)
    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _ANY), *TerminalState.choices]
    )
    area = forms.ChoiceField(label=_("Area"), required=False)
    version = forms.ChoiceField(
        label=_("Version"),
        required=False,
        choices=[("", _ANY), ("behind", _("Below the minimum"))],
    )
    merchant = forms.CharField(required=False, max_length=10, widget=forms.HiddenInput)
    after = forms.CharField(required=False, max_length=50, widget=forms.HiddenInput)

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        areas = Store.objects.visible_to(actor).exclude(area="").order_by("area")
        names = areas.values_list("area", flat=True).distinct()[:MAX_AREAS]
        self.fields["area"].choices = [("", _ANY), *((name, name) for name in names)]  # type: ignore[attr-defined]
        models = [(model.slug, model.label) for model in TerminalModel.objects.all()]
        self.fields["model"].choices = [("", _ANY), *models]  # type: ignore[attr-defined]

    @property
    def asked(self) -> dict[str, str]:
        """What was asked and understood; a filter with an unknown value is left out."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def is_narrowed(self) -> bool:
        """Something besides the place in the list was asked."""
        return bool(self.asked.keys() - {"after"})


@dataclass(frozen=True)
class Rows:
    """One page; `after` begins the next one and is empty on the last."""

    terminals: list[Terminal]
    after: str


def page_of(actor: Actor, form: TerminalFilter) -> Rows:
    """The terminals that fit, by serial."""
    asked = form.asked
    terminals = _narrowed(Terminal.objects.visible_to(actor), asked, actor).with_list_columns()
    if "after" in asked:
        terminals = terminals.filter(serial__gt=asked["after"])
    rows = list(terminals[: PAGE + 1])
    return Rows(rows[:PAGE], rows[PAGE - 1].serial if len(rows) > PAGE else "")


def _narrowed(terminals: TerminalQuerySet, asked: dict[str, str], actor: Actor) -> TerminalQuerySet:
    if "q" in asked:
        terminals = terminals.matching(unicodedata.normalize("NFKC", asked["q"]))
    if "merchant" in asked:
        merchants = Merchant.objects.visible_to(actor).filter(ref=asked["merchant"].upper())
        terminals = terminals.filter(store__merchant__in=merchants)
    if "version" in asked:
        minimums = MinimumVersion.objects.visible_to(actor).with_list_columns()
        # Those in use, as they are counted, unless another state is asked for.
        terminals = terminals if "state" in asked else terminals.in_use()
        terminals = terminals.behind(minimums, now=clock.now())
    columns = {"model": "model__slug", "state": "state", "area": "store__area"}
    return terminals.filter(
        **{column: asked[name] for name, column in columns.items() if name in asked}
    )
