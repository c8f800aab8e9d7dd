"""Shape of what the desk types about merchants, stores and contacts."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from merchants import hours
from merchants.models import Contact, Merchant, Store
from posdoctor.accounts.forms import OWN_NAMES, EmailField, known_time_zone
from posdoctor.core.forms import PhoneField, PlainForm
from posdoctor.core.templatetags.pd import masked_phone

NUMBER_DIGITS = 15
DAY_LABELS = {
    "mon": _("Monday"),
    "tue": _("Tuesday"),
    "wed": _("Wednesday"),
    "thu": _("Thursday"),
    "fri": _("Friday"),
    "sat": _("Saturday"),
    "sun": _("Sunday"),
}


class MerchantForm(PlainForm):
    """Name, merchant number and fee class."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "name": _("Enter the merchant's name"),
        "number": _("Enter the 15 digits of the merchant number"),
    }

    name = forms.CharField(label=_("Merchant name"), max_length=120)
    number = forms.CharField(
        label=_("Merchant number"),
        max_length=40,
        help_text=_("15 digits, as printed on the slip"),
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    fee_class = forms.ChoiceField(label=_("Fee class"), choices=Merchant.FeeClass.choices)

    def clean_number(self) -> str:
        """Fifteen digits; blanks and full-width digits are forgiven."""
        number = re.sub(r"[\s\-]+", "", unicodedata.normalize("NFKC", self.cleaned_data["number"]))
        if not re.fullmatch(r"[0-9]+", number):
            raise ValidationError(_("Use digits only for the merchant number"), code="letters")
        if len(number) != NUMBER_DIGITS:
            raise ValidationError(
                _("A merchant number has 15 digits, this one has %(n)d"),
                code="length",
                params={"n": len(number)},
            )
        return number

    @staticmethod
    def initial_of(merchant: Merchant) -> dict[str, Any]:
        """What the form shows for a stored merchant."""
        return {name: getattr(merchant, name) for name in ("name", "number", "fee_class")}


class HoursField(forms.CharField):
    """One day: `09:00-14:00, 17:00-26:00`; empty is closed. Gives `[["09:00", "14:00"], ...]`."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "shape": _("Write the hours like 09:00-21:00, several with a comma between"),
        "order": _("Each time span must end after it starts, and none may overlap"),
    }

    def __init__(self, day: str) -> None:
        attrs = {"autocomplete": "off", "placeholder": "09:00-21:00"}
        super().__init__(
            label=DAY_LABELS[day],
            required=False,
            max_length=80,
            widget=forms.TextInput(attrs=attrs),
        )
        self.day = day

    def clean(self, value: Any) -> list[list[str]]:
        """The intervals of the day; raises ValidationError with what to change."""
        typed = unicodedata.normalize("NFKC", super().clean(value) or "")
        typed = re.sub(r"[~至到–—]", "-", re.sub(r"[、;,]", ",", typed))
        spans = [span for span in re.sub(r"\s+", "", typed).split(",") if span]
        intervals = [self._interval(span) for span in spans]
        try:
            hours.check({self.day: intervals})
        except hours.HoursError as error:
            raise ValidationError(self.error_messages["order"], code="order") from error
        return intervals

    def _interval(self, span: str) -> list[str]:
        match = re.fullmatch(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", span)
        if not match:
            raise ValidationError(self.error_messages["shape"], code="shape")
        interval = [f"{match[1]:0>2}:{match[2]}", f"{match[3]:0>2}:{match[4]}"]
        try:
            for part in interval:
                hours.minutes(part)
        except ValueError as error:
            raise ValidationError(self.error_messages["shape"], code="shape") from error
        return interval


class StoreForm(PlainForm):
    """Where a store is and when it is open."""

    required_texts: ClassVar[Mapping[str, Any]] = {"name": _("Enter the store's name")}

    name = forms.CharField(label=_("Store name"), max_length=120)
    address = forms.CharField(label=_("Address"), max_length=200, required=False)
    area = forms.CharField(
        label=_("Area"),
        max_length=60,
        required=False,
        help_text=_("Engineers are sent by area"),
    )
    city_tier = forms.ChoiceField(label=_("City tier"), choices=Store.CityTier.choices)
    time_zone = forms.CharField(label=_("Time zone"), max_length=60)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for day in hours.DAYS:
            self.fields[f"hours_{day}"] = HoursField(day)

    def clean_time_zone(self) -> str:
        """A name that the time zone database knows."""
        return known_time_zone(self.cleaned_data["time_zone"])

    def day_fields(self) -> list[forms.BoundField]:
        """The seven fields of the week, for the page."""
        return [self[f"hours_{day}"] for day in hours.DAYS]

    def values(self) -> dict[str, Any]:
        """Columns of Store; closed days are left out of the hours."""
        return _store_columns(self.cleaned_data)

    @staticmethod
    def initial_of(store: Store) -> dict[str, Any]:
        """What the form shows for a stored store."""
        plain = ("name", "address", "area", "city_tier", "time_zone")
        week = {
            f"hours_{day}": hours.spans_text(store.opening_hours.get(day, [])) for day in hours.DAYS
        }
        return {**{name: getattr(store, name) for name in plain}, **week}


class ContactForm(PlainForm):
    """A person to call."""

    required_texts: ClassVar[Mapping[str, Any]] = {"name": _("Enter the contact's name")}

    name = forms.CharField(
        label=_("Name"), max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    phone = PhoneField(label=_("Phone"))
    email = EmailField(label=_("Email"), max_length=254, required=False)
    store = forms.ChoiceField(label=_("Store"), required=False)
    language = forms.ChoiceField(label=_("Language"), choices=OWN_NAMES)
    is_primary = forms.BooleanField(label=_("Call first"), required=False)

    def __init__(
        self, *args: Any, stores: list[Store], known_phone: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._known_phone = known_phone
        if known_phone:
            # SECURITY: the whole number is shown by "reveal" alone, which is recorded.
            self.fields["phone"].required = False
            self.fields["phone"].help_text = _("Leave empty to keep %(phone)s") % {
                "phone": masked_phone(known_phone)
            }
        self._stores = {store.ref: store for store in stores}
        choices = [("", _("All stores")), *((store.ref, store.name) for store in stores)]
        self.fields["store"].choices = choices  # type: ignore[attr-defined]

    def clean_store(self) -> Store | None:
        """The chosen store of this merchant; None for all of them."""
        return self._stores.get(self.cleaned_data["store"])

    def clean_phone(self) -> str:
        """The new number, or the known one where the field was left empty."""
        return self.cleaned_data["phone"] or self._known_phone

    @staticmethod
    def initial_of(contact: Contact) -> dict[str, Any]:
        """What the form shows for a stored contact."""
        plain = ("name", "email", "language", "is_primary")
        return {
            **{name: getattr(contact, name) for name in plain},
            "store": contact.store.ref if contact.store else "",
        }


class NewMerchantForm(MerchantForm):
    """A merchant with its first store (fields `store_…`) and first contact (`contact_…`)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in StoreForm().fields.items():
            self.fields[f"store_{name}"] = field
        person = ContactForm(stores=[]).fields
        for name in ("name", "phone", "language"):
            self.fields[f"contact_{name}"] = person[name]

    def clean_store_time_zone(self) -> str:
        """A name that the time zone database knows."""
        return known_time_zone(self.cleaned_data["store_time_zone"])

    def day_fields(self) -> list[forms.BoundField]:
        """The seven fields of the week, for the page."""
        return [self[f"store_hours_{day}"] for day in hours.DAYS]

    def merchant_values(self) -> dict[str, Any]:
        """Columns of Merchant."""
        return {name: self.cleaned_data[name] for name in MerchantForm.base_fields}

    def store_values(self) -> dict[str, Any]:
        """Columns of Store."""
        return _store_columns(self._part("store_"))

    def contact_values(self) -> dict[str, Any]:
        """Columns of Contact."""
        return self._part("contact_")

    def _part(self, prefix: str) -> dict[str, Any]:
        return {
            name.removeprefix(prefix): value
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix)
        }


def _store_columns(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    week = {day: cleaned[f"hours_{day}"] for day in hours.DAYS}
    plain = ("name", "address", "area", "city_tier", "time_zone")
    return {
        **{name: cleaned[name] for name in plain},
        "opening_hours": {day: intervals for day, intervals in week.items() if intervals},
    }
