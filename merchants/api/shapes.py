"""Shapes of merchants, stores and contacts. Phones go out masked."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from merchants import hours
from merchants.models import Merchant as MerchantRow
from merchants.models import Store as StoreRow
from posdoctor.accounts.forms import EmailField
from posdoctor.core.api.schema import PageQuery
from posdoctor.core.api.shapes import FormText, Input, Shape
from posdoctor.core.forms import PhoneField
from posdoctor.core.templatetags.pd import masked_phone

LANGUAGES = [code for code, _name in settings.LANGUAGES]
REF_LENGTH = 12


class MerchantRef(Shape):
    """A merchant by reference and name."""

    ref = serializers.CharField()
    name = serializers.CharField()


class Merchant(Shape):
    """A contract partner."""

    ref = serializers.CharField()
    number = serializers.CharField(help_text="15 digits, as printed on the slip")
    name = serializers.CharField()
    fee_class = serializers.ChoiceField(choices=MerchantRow.FeeClass.values)
    store_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class Week(Shape):
    """Opening hours: per day spans of `["09:00", "21:00"]`; an end past 24:00 is the next day."""

    def get_fields(self) -> dict[str, Any]:
        """One field a day; a closed day is empty."""
        return {day: spans_field() for day in hours.DAYS}


class WeekInput(Input):
    """Opening hours; a day that is left out is closed."""

    def get_fields(self) -> dict[str, Any]:
        """One field a day."""
        return {day: spans_field(required=False, default=list, max_length=6) for day in hours.DAYS}


def spans_field(**more: Any) -> serializers.ListField:
    """Hours of one day: spans of `["09:00", "21:00"]`. `more` is the list field's own."""
    time = serializers.RegexField(r"^[0-4][0-9]:[0-5][0-9]$", max_length=5)
    span = serializers.ListField(child=time, min_length=2, max_length=2)
    return serializers.ListField(child=span, **more)


class StoreRef(Shape):
    """A store by reference and name, with its merchant."""

    ref = serializers.CharField()
    name = serializers.CharField()
    area = serializers.CharField()
    merchant = MerchantRef()


class Store(Shape):
    """A place where terminals stand."""

    ref = serializers.CharField()
    merchant = MerchantRef()
    name = serializers.CharField()
    address = serializers.CharField()
    area = serializers.CharField()
    city_tier = serializers.ChoiceField(choices=StoreRow.CityTier.values)
    time_zone = serializers.CharField()
    opening_hours = serializers.SerializerMethodField()

    @extend_schema_field(Week)
    def get_opening_hours(self, store: StoreRow) -> dict[str, list[list[str]]]:
        """Every day of the week, closed ones empty."""
        return {day: store.opening_hours.get(day, []) for day in hours.DAYS}


class Contact(Shape):
    """A person to call; without a store, for all of them. `reveal/` gives the whole number."""

    ref = serializers.CharField()
    name = serializers.CharField()
    phone = serializers.SerializerMethodField()
    email = serializers.CharField()
    language = serializers.ChoiceField(choices=LANGUAGES)
    is_primary = serializers.BooleanField()
    store = serializers.CharField(source="store.ref", allow_null=True, default=None)

    def get_phone(self, contact: Any) -> str:
        """Masked: `138 **** 5521`."""
        return masked_phone(contact.phone)


class Phone(Shape):
    """A whole phone number; that it was shown is recorded."""

    phone = serializers.CharField()


class MerchantQuery(PageQuery):
    """Which merchants."""

    q = serializers.CharField(
        required=False, max_length=80, help_text="Name, number, phone or reference"
    )
    area = serializers.CharField(required=False, max_length=60, help_text="Of one of its stores")


class StoreQuery(PageQuery):
    """Which stores."""

    q = serializers.CharField(
        required=False, max_length=80, help_text="Name, address, area, merchant or reference"
    )
    area = serializers.CharField(required=False, max_length=60)
    merchant = serializers.CharField(required=False, max_length=REF_LENGTH)


class MerchantFields(Input):
    """What a merchant's record holds."""

    number = serializers.CharField(max_length=40, help_text="15 digits")
    name = serializers.CharField(max_length=120)
    fee_class = serializers.ChoiceField(
        choices=MerchantRow.FeeClass.values, default=MerchantRow.FeeClass.STANDARD.value
    )


class MerchantInput(MerchantFields):
    """A merchant's record."""


class StoreFields(Input):
    """Where a store is and when it is open."""

    name = serializers.CharField(max_length=120)
    address = serializers.CharField(max_length=200, allow_blank=True, default="")
    area = serializers.CharField(max_length=60, allow_blank=True, default="")
    city_tier = serializers.ChoiceField(
        choices=StoreRow.CityTier.values, default=StoreRow.CityTier.CITY.value
    )
    time_zone = serializers.CharField(max_length=60, default="Asia/Shanghai")
    opening_hours = WeekInput(default=dict)


class FirstStoreInput(StoreFields):
    """The first store of a new merchant."""


class NewStoreInput(StoreFields):
    """A store and the merchant that it belongs to."""

    merchant = serializers.CharField(max_length=REF_LENGTH)


class StoreInput(StoreFields):
    """A store's record."""


class FirstContactInput(Input):
    """The person to call first."""

    name = serializers.CharField(max_length=60)
    phone = FormText(PhoneField, max_length=40)
    language = serializers.ChoiceField(choices=LANGUAGES, default=LANGUAGES[0])


class NewMerchantInput(MerchantFields):
    """A merchant with its first store and the person to call first."""

    store = FirstStoreInput()
    contact = FirstContactInput()


class ContactInput(FirstContactInput):
    """A person to call. `store` null: for all stores of the merchant."""

    email = FormText(EmailField, max_length=254, allow_blank=True, default="")
    store = serializers.CharField(max_length=REF_LENGTH, allow_null=True, default=None)
    is_primary = serializers.BooleanField(default=False)
