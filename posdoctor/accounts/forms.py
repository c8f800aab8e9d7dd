"""Shape of what is typed about people, teams and providers."""

import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import get_language_info, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from posdoctor.accounts.models import ApiToken, Seat, Team, User
from posdoctor.accounts.roles import SEAT_ROLES
from posdoctor.core.forms import PlainForm, without_card_number

_EMAIL = forms.EmailInput(attrs={"autocomplete": "off", "inputmode": "email"})
_BAD_EMAIL = _("Enter an e-mail address like name@example.cn")
# Each language by its own name, so that a person lost in a foreign one finds the way back.
OWN_NAMES = [(code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]
MAX_TOKEN_DAYS = 365
TOKEN_DAYS = (7, 30, 90, MAX_TOKEN_DAYS)
# A radio needs a value to be "chosen": empty would read as "not answered".
_DEVICE = "device"
_THEMES = [(value or _DEVICE, label) for value, label in User.Theme.choices]
_ROLES = [(role.value, role.label) for role in SEAT_ROLES]


class EmailField(forms.EmailField):
    """An address in lower case; full-width letters and blanks around it are forgiven."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("error_messages", {"required": _BAD_EMAIL, "invalid": _BAD_EMAIL})
        super().__init__(widget=_EMAIL, **kwargs)

    def to_python(self, value: Any) -> str:
        """The address as it is stored."""
        address = str(super().to_python(unicodedata.normalize("NFKC", value or ""))).lower()
        return without_card_number(address)


class ProfileForm(PlainForm):
    """One's own name, language and look."""

    required_texts: ClassVar[Mapping[str, Any]] = {"name": _("Enter your name")}

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("Merchants read it above your replies."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    language = forms.ChoiceField(label=_("Language"), choices=OWN_NAMES, widget=forms.RadioSelect)
    theme = forms.ChoiceField(label=_("Appearance"), choices=_THEMES, widget=forms.RadioSelect)
    has_alert_mails = forms.BooleanField(
        label=_("Email for alerts"),
        required=False,
        help_text=_(
            "Assigned tickets, words from merchants, clocks that run out. "
            "The list behind the bell stays."
        ),
    )
    has_shortcuts = forms.BooleanField(
        label=_("Keyboard shortcuts"),
        required=False,
        help_text=_("Single keys such as R and J. They never work inside a text field."),
    )

    def __init__(self, *args: Any, has_seat: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_seat:  # alerts are for people who work on tickets
            del self.fields["has_alert_mails"]

    def clean_theme(self) -> str:
        """The stored value: empty follows the device."""
        return _stored_theme(self.cleaned_data["theme"])

    @staticmethod
    def initial_of(user: User) -> dict[str, Any]:
        """What the form shows for a stored person."""
        plain = ("name", "language", "has_shortcuts", "has_alert_mails")
        return {**{name: getattr(user, name) for name in plain}, "theme": user.theme or _DEVICE}


class ThemeForm(PlainForm):
    """Light, dark, or as the device has it."""

    theme = forms.ChoiceField(choices=_THEMES)

    def clean_theme(self) -> str:
        """The stored value: empty follows the device."""
        return _stored_theme(self.cleaned_data["theme"])


class SeatForm(PlainForm):
    """Role and teams of a colleague."""

    required_texts: ClassVar[Mapping[str, Any]] = {"role": _("Choose a role")}

    role = forms.ChoiceField(label=_("Role"), choices=_ROLES, widget=forms.RadioSelect)
    teams = forms.MultipleChoiceField(
        label=_("Teams"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, teams: list[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["teams"].choices = [(team.ref, team.label) for team in teams]  # type: ignore[attr-defined]
        if not teams:
            del self.fields["teams"]

    @staticmethod
    def initial_of(seat: Seat) -> dict[str, Any]:
        """What the form shows for a stored seat."""
        return {"role": seat.role, "teams": [team.ref for team in seat.teams.all()]}


class InviteForm(SeatForm):
    """A new colleague."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "name": _("Enter the person's name"),
        "role": _("Choose a role"),
    }

    email = EmailField(label=_("Email"), max_length=254)
    name = forms.CharField(
        label=_("Name"), max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    field_order = ["email", "name", "role", "teams"]


class TeamForm(PlainForm):
    """Names of a team in both languages."""

    required_texts: ClassVar[Mapping[str, Any]] = {"name": _("Enter the team's name")}

    name = forms.CharField(label=_("Team name"), max_length=60)
    name_en = forms.CharField(label=_("English name"), max_length=60, required=False)


class TokenForm(PlainForm):
    """A new API token."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "name": _("Say what the token is for"),
        "scope": _("Choose what the token may do"),
        "days": _("Choose how long the token works"),
    }

    name = forms.CharField(
        label=_("What for"),
        max_length=60,
        help_text=_("For example the name of the program that uses it"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        label=_("May"),
        choices=[("read", _("Read only")), ("write", _("Read and write"))],
        initial="read",
        widget=forms.RadioSelect,
    )
    areas = forms.MultipleChoiceField(
        label=_("Only these parts"),
        choices=ApiToken.Area.choices,
        required=False,
        help_text=_("Nothing chosen: everything that your role may do"),
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(
        label=_("Works for"),
        coerce=int,
        choices=[(n, ngettext_lazy("%(n)d day", "%(n)d days", "n") % {"n": n}) for n in TOKEN_DAYS],
        initial=90,
    )

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `issue_token`."""
        plain = ("name", "areas", "days")
        given = {name: self.cleaned_data[name] for name in plain}
        return {**given, "can_write": self.cleaned_data["scope"] == "write"}


class ProviderForm(PlainForm):
    """A new provider and its first administrator."""

    required_texts: ClassVar[Mapping[str, Any]] = {
        "name": _("Enter the provider's name"),
        "slug": _("Enter a short name in Latin letters"),
        "hotline": _("Enter the number that merchants call"),
        "administrator_name": _("Enter the administrator's name"),
    }

    name = forms.CharField(label=_("Provider name"), max_length=120)
    name_en = forms.CharField(label=_("English name"), max_length=120, required=False)
    slug = forms.SlugField(
        label=_("Short name"),
        max_length=40,
        help_text=_("Lower-case letters, digits and dashes. Used in files and reports."),
        error_messages={"invalid": _("Use lower-case letters, digits and dashes only")},
    )
    hotline = forms.CharField(
        label=_("Service hotline"),
        max_length=40,
        help_text=_("Merchants see and call it."),
        widget=forms.TextInput(attrs={"inputmode": "tel"}),
    )
    time_zone = forms.CharField(label=_("Time zone"), max_length=60, initial="Asia/Shanghai")
    administrator_name = forms.CharField(label=_("First administrator’s name"), max_length=80)
    administrator_email = EmailField(label=_("First administrator’s email"), max_length=254)

    def clean_slug(self) -> str:
        """Lower case."""
        return without_card_number(str(self.cleaned_data["slug"]).lower())

    def clean_hotline(self) -> str:
        """As it is called and shown."""
        return without_card_number(self.cleaned_data["hotline"])

    def clean_time_zone(self) -> str:
        """A name that the time zone database knows."""
        return known_time_zone(self.cleaned_data["time_zone"])


def _stored_theme(chosen: str) -> str:
    return "" if chosen == _DEVICE else chosen


def known_time_zone(name: str) -> str:
    """`name` as it stands; raises ValidationError where no such zone exists."""
    try:
        return ZoneInfo(name.strip()).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValidationError(_("Enter a time zone like Asia/Shanghai"), code="zone") from error
