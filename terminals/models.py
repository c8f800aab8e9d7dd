"""TerminalModel (catalogue, shared), Terminal (one machine), its numbers and history; the versions
that a provider expects.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from merchants.models import Store
from posdoctor.accounts.models import Provider
from posdoctor.core.fields import FreeCharField, FreeTextField
from posdoctor.core.refs import STICKER_LENGTH, new_ref, random_code
from terminals.lifecycle import TerminalState
from terminals.querysets import MinimumVersionQuerySet, TerminalQuerySet
from terminals.versions import is_any_behind, is_behind


def terminal_ref() -> str:
    """A fresh `P-` reference."""
    return new_ref("P", 6)


def sticker_code() -> str:
    """A fresh sticker code: random, not the reference, replaceable."""
    return random_code(STICKER_LENGTH)


class TerminalModel(models.Model):
    """A make and model; the catalogue is shared by all providers and holds no tenant's data."""

    slug = models.SlugField(unique=True, max_length=60)
    vendor = models.CharField(max_length=60)
    vendor_zh = models.CharField(max_length=60, blank=True)
    name = models.CharField(max_length=60)
    form = models.CharField(max_length=40)
    os = models.CharField(max_length=80, blank=True)
    connections = ArrayField(models.CharField(max_length=12), default=list, blank=True)
    # What questions can apply: {"battery": true, "printer": false, ...}; null = not known.
    features = models.JSONField(default=dict, blank=True)
    # Which fields a source states: {"printer": true}; the rest is recall, editable.
    verified = models.JSONField(default=dict, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["vendor", "name"]

    def __str__(self) -> str:
        return f"{self.vendor} {self.name}"

    @property
    def label(self) -> str:
        """The maker's name in the reader's language, and the model."""
        chinese = (get_language() or "").startswith("zh")
        return f"{self.vendor_zh if chinese and self.vendor_zh else self.vendor} {self.name}"


class Terminal(models.Model):
    """One machine, known by its serial; a store holds it while it is in use."""

    class Connection(models.TextChoices):
        """How it reaches the acquirer."""

        WIFI = "wifi", _("Wi-Fi")
        CELLULAR = "cellular", _("Mobile network")
        ETHERNET = "ethernet", _("Network cable")
        BLUETOOTH = "bluetooth", _("Bluetooth")
        DIAL = "dial", _("Telephone line")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="terminals")
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="terminals", null=True, blank=True
    )
    ref = models.CharField(max_length=10, default=terminal_ref)
    serial = models.CharField(
        max_length=50, validators=[RegexValidator(r"^[0-9A-Z][0-9A-Z-]{5,49}$")]
    )
    model = models.ForeignKey(TerminalModel, on_delete=models.PROTECT, related_name="terminals")
    firmware = models.CharField(max_length=60, blank=True)
    app_version = models.CharField(max_length=30, blank=True)
    connection = models.CharField(max_length=12, choices=Connection.choices, blank=True)
    sim_iccid = models.CharField(max_length=20, blank=True)
    sim_operator = models.CharField(max_length=40, blank=True)
    counter = FreeCharField(max_length=60, blank=True)
    warranty_until = models.DateField(null=True, blank=True)
    installed_on = models.DateField(null=True, blank=True)
    state = models.CharField(
        max_length=10, choices=TerminalState.choices, default=TerminalState.IN_STOCK
    )
    sticker_code = models.CharField(max_length=STICKER_LENGTH, default=sticker_code)
    stopped_at = models.DateTimeField(null=True, blank=True)
    # The cause or safety answer that stopped it, as an id of the flow.
    stopped_for = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TerminalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ref"], name="terminals_terminal_ref"),
            models.UniqueConstraint(fields=["sticker_code"], name="terminals_sticker_once"),
            models.UniqueConstraint(fields=["provider", "serial"], name="terminals_serial_once"),
            models.UniqueConstraint(fields=["provider", "id"], name="terminals_terminal_tenant"),
            models.CheckConstraint(
                condition=models.Q(state__in=TerminalState.values), name="terminals_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state="stopped", stopped_at__isnull=False)
                | (~models.Q(state="stopped") & models.Q(stopped_at__isnull=True)),
                name="terminals_stopped_at",
            ),
            # One terminal, one serial, one merchant (银发〔2021〕259号): active means placed.
            models.CheckConstraint(
                condition=~models.Q(state__in=["active", "stopped"])
                | models.Q(store__isnull=False),
                name="terminals_in_use_has_store",
            ),
        ]
        indexes = [
            # Read by the desk's search: any part of a serial.
            GinIndex(fields=["serial"], opclasses=["gin_trgm_ops"], name="terminals_serial_trgm"),
        ]

    def __str__(self) -> str:
        return self.serial

    @property
    def tail(self) -> str:
        """The last four of the serial: what a passer-by may see."""
        return self.serial[-4:]


class TerminalNumber(models.Model):
    """A number printed by the acquirer (TID, ISO 8583 field 41); one serial may hold several."""

    class Kind(models.TextChoices):
        CARD = "card", _("Card")
        QR = "qr", _("QR code")

    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="numbers")
    kind = models.CharField(max_length=4, choices=Kind.choices)
    number = models.CharField(max_length=8, validators=[RegexValidator(r"^[0-9A-Z]{8}$")])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["terminal", "kind"], name="terminals_number_once_a_kind"
            )
        ]
        indexes = [models.Index(fields=["number"], name="terminals_number_search")]

    def __str__(self) -> str:
        return self.number


class TerminalEvent(models.Model):
    """What happened to a terminal, append-only: added, stopped, released, sticker replaced."""

    class Kind(models.TextChoices):
        ADDED = "added", pgettext_lazy("terminal", "Added")
        STOPPED = "stopped", _("Stopped")
        RELEASED = "released", _("Released")
        MOVED = "moved", _("State changed")
        STICKER_REPLACED = "sticker_replaced", _("Sticker replaced")
        EDITED = "edited", _("Record changed")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    actor_user_id = models.BigIntegerField(null=True)
    actor_name = FreeCharField(max_length=80, blank=True)
    actor_role = models.CharField(max_length=20)
    note = FreeTextField(blank=True)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["terminal", "-occurred_at"], name="terminals_event_history")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.occurred_at:%Y-%m-%d %H:%M}"


class MinimumVersion(models.Model):
    """The versions that a provider expects at least on its terminals of one model."""

    provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="minimum_versions"
    )
    model = models.ForeignKey(TerminalModel, on_delete=models.PROTECT, related_name="+")
    # Empty: any will do. One of them is said.
    app_version = FreeCharField(max_length=30, blank=True)
    firmware = FreeCharField(max_length=60, blank=True)
    # Before this day nobody is behind.
    since = models.DateField()
    changed_at = models.DateTimeField()
    changed_by_name = FreeCharField(max_length=80, blank=True)

    objects = MinimumVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model"], name="terminals_minimum_once_a_model"
            ),
            models.CheckConstraint(
                condition=~models.Q(app_version="", firmware=""),
                name="terminals_minimum_says_one",
            ),
        ]

    def __str__(self) -> str:
        return " / ".join(text for text in (self.app_version, self.firmware) if text)

    def has_begun(self, now: datetime) -> bool:
        """Whether its day has come, where the provider is."""
        return now.astimezone(ZoneInfo(self.provider.time_zone)).date() >= self.since

    def is_behind(self, terminal: Terminal, *, now: datetime) -> bool | None:
        """True where a known version is behind, False where all that are asked for are known and
        none is behind, else None; None before its day.
        """
        return (
            self.says_of(terminal.app_version, terminal.firmware) if self.has_begun(now) else None
        )

    def says_of(self, app_version: str, firmware: str) -> bool | None:
        """The same of two versions, whatever the day."""
        return is_any_behind(((app_version, self.app_version), (firmware, self.firmware)))

    def parts_behind(self, terminal: Terminal, *, now: datetime) -> list[str]:
        """Names of the columns that are behind."""
        asked = [name for name in ("app_version", "firmware") if getattr(self, name)]
        if not self.has_begun(now):
            return []
        return [name for name in asked if is_behind(getattr(terminal, name), getattr(self, name))]
