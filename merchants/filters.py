"""The desk's list of merchants: what was searched for, page after page without counting."""

import unicodedata
from dataclasses import dataclass

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from merchants.models import Contact, Merchant
from merchants.querysets import MerchantQuerySet
from posdoctor.accounts.actor import Actor
from posdoctor.core.forms import PlainForm

PAGE = 50
# An IN list of ids can use the index of each branch of an OR.
_MATCH_LIMIT = 500
_MIN_DIGITS = 4


class MerchantFilter(PlainForm):
    """`q`: name, merchant number, phone or reference. `after`: the last row of the page before."""

    q = forms.CharField(
        label=_("Name, number or phone"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    after = forms.CharField(required=False, max_length=10, widget=forms.HiddenInput)


@dataclass(frozen=True)
class Rows:
    """One page; `after` begins the next one and is empty on the last."""

    merchants: list[Merchant]
    after: str


def page_of(actor: Actor, form: MerchantFilter) -> Rows:
    """The merchants that fit, by name. An unreadable form shows the first page."""
    asked = form.cleaned_data if form.is_valid() else {}
    visible = Merchant.objects.visible_to(actor)
    merchants = matching(visible, asked.get("q", ""), actor).with_list_columns()
    last = visible.filter(ref=asked.get("after", "").upper()).first()
    if last:
        merchants = merchants.filter(Q(name__gt=last.name) | Q(name=last.name, pk__gt=last.pk))
    rows = list(merchants[: PAGE + 1])
    return Rows(rows[:PAGE], rows[PAGE - 1].ref if len(rows) > PAGE else "")


def matching(merchants: MerchantQuerySet, text: str, actor: Actor) -> MerchantQuerySet:
    """By reference, merchant number (from its start), phone (any part) or words of the name."""
    typed = unicodedata.normalize("NFKC", text).strip()
    if not typed:
        return merchants
    named = merchants.named_like(typed).values_list("pk", flat=True)[:_MATCH_LIMIT]
    found = Q(ref=typed.upper()) | Q(pk__in=list(named))
    digits = "".join(character for character in typed if character.isdecimal())
    if len(digits) >= _MIN_DIGITS:
        phones = Contact.objects.visible_to(actor).filter(phone__contains=digits)
        found |= Q(number__startswith=digits)
        found |= Q(pk__in=list(phones.values_list("merchant_id", flat=True)[:_MATCH_LIMIT]))
    return merchants.filter(found)
