"""Merchant (contract partner), Store (place), Contact (person to call), Membership (sign-in)."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from merchants.querysets import ContactQuerySet, MerchantQuerySet, StoreQuerySet
from posdoctor.accounts.models import Provider
from posdoctor.core.fields import FreeCharField
from posdoctor.core.refs import new_ref


def merchant_ref() -> str:
    """A fresh `M-` reference."""
    return new_ref("M", 6)


def store_ref() -> str:
    """A fresh `S-` reference."""
    return new_ref("S", 6)


def contact_ref() -> str:
    """A fresh `C-` reference."""
    return new_ref("C", 8)


class Merchant(models.Model):
    """A contract partner with its 15-digit merchant number (ISO 8583 field 42)."""

    class FeeClass(models.TextChoices):
        """Classes of the card fee rules (发改价格〔2016〕557号)."""

        STANDARD = "standard", _("Standard")
        PREFERENTIAL = "preferential", _("Preferential")
        PUBLIC_GOOD = "public_good", _("Public good")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="merchants")
    ref = models.CharField(max_length=10, default=merchant_ref)
    number = models.CharField(max_length=15, validators=[RegexValidator(r"^\d{15}$")])
    name = FreeCharField(max_length=120)
    fee_class = models.CharField(max_length=20, choices=FeeClass.choices, default=FeeClass.STANDARD)
    created_at = models.DateTimeField(auto_now_add=True)
    # Words and Chinese pairs of the name; the database keeps it true, whoever writes.
    name_tokens = models.GeneratedField(
        expression=models.Func(
            models.Func("name", function="pd_tokens"), function="array_to_tsvector"
        ),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = MerchantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ref"], name="merchants_merchant_ref"),
            models.UniqueConstraint(fields=["provider", "number"], name="merchants_number_once"),
            # Target of composite foreign keys of (provider_id, id).
            models.UniqueConstraint(fields=["provider", "id"], name="merchants_merchant_tenant"),
            models.CheckConstraint(
                condition=models.Q(number__regex=r"^[0-9]{15}$"), name="merchants_number_digits"
            ),
        ]
        indexes = [
            # Read by the desk's search by merchant name.
            GinIndex(fields=["name_tokens"], name="merchants_name_search"),
        ]

    def __str__(self) -> str:
        return self.name


class Store(models.Model):
    """A place where terminals stand."""

    class CityTier(models.TextChoices):
        """Tiers that visit times are promised by."""

        PROVINCIAL = "provincial", _("Provincial city")
        CITY = "city", _("Other city")
        COUNTY = "county", _("County or township")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="stores")
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="stores")
    ref = models.CharField(max_length=10, default=store_ref)
    name = FreeCharField(max_length=120)
    address = FreeCharField(max_length=200, blank=True)
    area = FreeCharField(max_length=60, blank=True)
    city_tier = models.CharField(max_length=12, choices=CityTier.choices, default=CityTier.CITY)
    time_zone = models.CharField(max_length=60, default="Asia/Shanghai")
    opening_hours = models.JSONField(default=dict, blank=True)

    objects = StoreQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ref"], name="merchants_store_ref"),
            models.UniqueConstraint(fields=["provider", "id"], name="merchants_store_tenant"),
        ]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """A person at a merchant; without a store, for all of its stores."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="contacts")
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="contacts")
    store = models.ForeignKey(
        Store, on_delete=models.CASCADE, related_name="contacts", null=True, blank=True
    )
    ref = models.CharField(max_length=12, default=contact_ref)
    name = FreeCharField(max_length=60)
    phone = models.CharField(max_length=20)
    email = models.EmailField(blank=True)
    language = models.CharField(max_length=10, default="zh-hans")
    is_primary = models.BooleanField(default=False)

    objects = ContactQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ref"], name="merchants_contact_ref")]
        indexes = [
            # Read by the desk's search and by `/find`: whole numbers and last digits.
            models.Index(fields=["provider", "phone"], name="merchants_contact_phone"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person who signs in on behalf of a merchant."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "merchant"], name="merchants_membership_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id}@{self.merchant_id}"
