"""Provider (the tenant), User (a person), Seat (their role), Team, ApiToken, AccountEvent."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from posdoctor.accounts.querysets import (
    AccountEventQuerySet,
    ApiTokenQuerySet,
    ProviderQuerySet,
    SeatQuerySet,
    TeamQuerySet,
)
from posdoctor.accounts.roles import SEAT_ROLES, Role
from posdoctor.core.fields import FreeCharField
from posdoctor.core.refs import new_ref


def user_ref() -> str:
    """A fresh `U-` reference: what forms and addresses carry instead of the id."""
    return new_ref("U", 8)


def team_ref() -> str:
    """A fresh `G-` reference."""
    return new_ref("G", 6)


def api_token_ref() -> str:
    """A fresh `K-` reference."""
    return new_ref("K", 8)


class Provider(models.Model):
    """A service provider: the tenant. Every tenant-owned row carries its id."""

    slug = models.SlugField(unique=True, max_length=40)
    name = FreeCharField(max_length=120)
    name_en = FreeCharField(max_length=120, blank=True)
    hotline = models.CharField(max_length=40)
    time_zone = models.CharField(max_length=60, default="Asia/Shanghai")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProviderQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """The name in the reader's language, as far as there is one."""
        return in_reader_language(self.name, self.name_en)


def in_reader_language(name: str, name_en: str) -> str:
    """The English name for readers of English, where there is one."""
    chinese = (get_language() or "zh").startswith("zh")
    return name if chinese else name_en or name


class UserManager(BaseUserManager["User"]):
    """Finds people by address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username or "")

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A person who can sign in with `email`; without a password only by reset."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person who signs in by e-mail address. Roles are in seats and memberships."""

    class Theme(models.TextChoices):
        SYSTEM = "", _("Same as the device")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    ref = models.CharField(max_length=12, default=user_ref, unique=True)
    email = models.EmailField(unique=True)
    name = FreeCharField(max_length=80)
    language = models.CharField(max_length=10, default="zh-hans")
    theme = models.CharField(max_length=5, blank=True, default="", choices=Theme.choices)
    has_shortcuts = models.BooleanField(default=True)
    has_alert_mails = models.BooleanField(default=True, db_default=True)
    is_operator = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # Set where a session's person is read: the seats in use came in the same query.
    usable_seats: "list[Seat] | None" = None

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = [
            # Two accounts that differ by case would make sign-in ambiguous.
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_ci"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_full_name(self) -> str:
        """For allauth's mails."""
        return self.name


class Team(models.Model):
    """People who share a queue, for example the second line."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="teams")
    ref = models.CharField(max_length=10, default=team_ref, unique=True)
    name = FreeCharField(max_length=60)
    name_en = FreeCharField(max_length=60, blank=True)

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "name"], name="accounts_team_name"),
            # Target of composite foreign keys: a ticket's team is of the ticket's provider.
            models.UniqueConstraint(fields=["provider", "id"], name="accounts_team_tenant"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """The name in the reader's language, as far as there is one."""
        return in_reader_language(self.name, self.name_en)


class Seat(models.Model):
    """One person's role inside one provider. A person may hold seats in several."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="seats")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="seats")
    role = models.CharField(max_length=20, choices=[(r.value, r.label) for r in SEAT_ROLES])
    teams = models.ManyToManyField(Team, related_name="seats", blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SeatQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "user"], name="accounts_seat_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=[r.value for r in SEAT_ROLES]),
                name="accounts_seat_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}@{self.provider_id}: {self.role}"

    @property
    def role_label(self) -> str:
        """The role in the reader's language."""
        return str(Role(self.role).label)


class ApiToken(models.Model):
    """A key with which a program acts as one seat; only its digest is kept.

    It ends with the seat: whoever loses the seat's power loses the token's in the same moment.
    """

    class Area(models.TextChoices):
        """Parts of the API that a token may be bound to."""

        RECORDS = "records", pgettext_lazy("api area", "Merchants and terminals")
        DIAGNOSES = "diagnoses", pgettext_lazy("api area", "Diagnoses")
        TICKETS = "tickets", pgettext_lazy("api area", "Tickets")
        PEOPLE = "people", pgettext_lazy("api area", "People and teams")

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+")
    seat = models.ForeignKey(Seat, on_delete=models.CASCADE, related_name="tokens")
    ref = models.CharField(max_length=12, default=api_token_ref, unique=True)
    name = FreeCharField(max_length=60)
    # SHA-256: the token holds 256 random bits, so there is nothing to guess slowly.
    digest = models.CharField(max_length=64, unique=True)
    # The end of the token, by which a person tells two of them apart.
    tail = models.CharField(max_length=4)
    can_write = models.BooleanField(default=False)
    # Empty: all of them.
    areas = ArrayField(models.CharField(max_length=12, choices=Area.choices), default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.ref}: {self.name}"

    @property
    def area_labels(self) -> list[str]:
        """The parts it is bound to, in the reader's language; empty for all."""
        return [str(self.Area(area).label) for area in self.areas]


class AccountEvent(models.Model):
    """What was done to people, teams and merchants' records, append-only. Names no outsider:
    `data` holds references, roles and names of changed fields, never their values.
    """

    class Kind(models.TextChoices):
        PROVIDER_CREATED = "provider_created", _("Provider created")
        PERSON_INVITED = "person_invited", _("Person invited")
        INVITATION_REPEATED = "invitation_repeated", _("Invitation sent again")
        SEAT_CHANGED = "seat_changed", _("Role or teams changed")
        PERSON_DEACTIVATED = "person_deactivated", _("Person deactivated")
        PERSON_ACTIVATED = "person_activated", _("Person activated")
        TEAM_ADDED = "team_added", _("Team added")
        TEAM_RENAMED = "team_renamed", _("Team renamed")
        MERCHANT_ADDED = "merchant_added", _("Merchant added")
        MERCHANT_EDITED = "merchant_edited", _("Merchant changed")
        STORE_ADDED = "store_added", _("Store added")
        STORE_EDITED = "store_edited", _("Store changed")
        CONTACT_ADDED = "contact_added", _("Contact added")
        CONTACT_EDITED = "contact_edited", _("Contact changed")
        CONTACT_REMOVED = "contact_removed", _("Contact removed")
        CONTACT_REVEALED = "contact_revealed", _("Phone number shown")
        POLICY_EDITED = "policy_edited", _("Promises changed")
        CALENDAR_ADDED = "calendar_added", _("Working hours added")
        CALENDAR_EDITED = "calendar_edited", _("Working hours changed")
        TOKEN_ISSUED = "token_issued", _("API token issued")
        TOKEN_REVOKED = "token_revoked", _("API token revoked")
        DELIVERY_RETRIED = "delivery_retried", _("Delivery tried again")
        FLOW_STARTED = "flow_started", _("Draft of a flow started")
        FLOW_EDITED = "flow_edited", _("Draft of a flow changed")
        FLOW_IMPORTED = "flow_imported", _("Flow brought in from a file")
        FLOW_DISCARDED = "flow_discarded", _("Draft of a flow discarded")
        FLOW_REVIEW_ASKED = "flow_review_asked", _("Approval of a flow asked for")
        FLOW_APPROVED = "flow_approved", _("Safety steps of a flow approved")
        FLOW_PUBLISHED = "flow_published", _("Flow published")
        FLOW_RESTORED = "flow_restored", _("Earlier version of a flow brought back")
        FLOW_SHIPPED = "flow_shipped", _("Shipped flow used again")
        NUMBERS_APPROVED = "numbers_approved", _("Learned numbers approved")
        NUMBERS_REJECTED = "numbers_rejected", _("Learned numbers rejected")
        NUMBERS_RESTORED = "numbers_restored", _("Earlier numbers of a flow brought back")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    actor_user_id = models.BigIntegerField(null=True)
    actor_name = FreeCharField(max_length=80, blank=True)
    actor_role = models.CharField(max_length=20)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()

    objects = AccountEventQuerySet.as_manager()

    class Meta:
        indexes = [
            # Read by the list of what changed, newest first.
            models.Index(fields=["provider", "-occurred_at"], name="accounts_event_history")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.occurred_at:%Y-%m-%d %H:%M}"
