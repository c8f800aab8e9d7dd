"""Shapes of people, teams, providers and of oneself."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from posdoctor.accounts.forms import EmailField, known_time_zone
from posdoctor.accounts.models import ApiToken, User
from posdoctor.accounts.policies import Permission
from posdoctor.accounts.roles import SEAT_ROLES, Role
from posdoctor.core.api.schema import PageQuery
from posdoctor.core.api.shapes import FormText, Input, Shape

SEAT_ROLE_CHOICES = [(role.value, role.value) for role in SEAT_ROLES]


class PersonRef(Shape):
    """A person by reference and name."""

    ref = serializers.CharField()
    name = serializers.CharField()


class TeamRef(Shape):
    """A team by reference and name."""

    ref = serializers.CharField()
    name = serializers.CharField(source="label")


class Team(Shape):
    """A team: people who share a queue."""

    ref = serializers.CharField()
    name = serializers.CharField()
    name_en = serializers.CharField()


class TeamInput(Input):
    """Names of a team."""

    name = serializers.CharField(max_length=60)
    name_en = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")


class Person(Shape):
    """A colleague. `email` is shown to administrators, null to others."""

    ref = serializers.CharField(source="user.ref")
    name = serializers.CharField(source="user.name")
    email = serializers.SerializerMethodField()
    role = serializers.ChoiceField(choices=SEAT_ROLE_CHOICES)
    teams = TeamRef(many=True, source="teams.all")
    is_active = serializers.BooleanField()

    def get_email(self, seat: Any) -> str | None:
        """An address is a colleague's own data."""
        return str(seat.user.email) if self.context["with_email"] else None


class PeopleQuery(PageQuery):
    """Which people."""

    role = serializers.ChoiceField(choices=SEAT_ROLE_CHOICES, required=False)
    is_active = serializers.BooleanField(required=False, allow_null=True, default=None)


class InviteInput(Input):
    """A new colleague. `teams` are references."""

    email = FormText(EmailField, max_length=254)
    name = serializers.CharField(max_length=80)
    role = serializers.ChoiceField(choices=SEAT_ROLE_CHOICES)
    teams = serializers.ListField(
        child=serializers.CharField(max_length=12), max_length=50, required=False, default=list
    )


class PersonInput(Input):
    """Role and teams of a colleague."""

    role = serializers.ChoiceField(choices=SEAT_ROLE_CHOICES)
    teams = serializers.ListField(child=serializers.CharField(max_length=12), max_length=50)


class ProviderRef(Shape):
    """A provider by short name."""

    slug = serializers.CharField()
    name = serializers.CharField(source="label")
    time_zone = serializers.CharField()


class Provider(Shape):
    """A provider as the operator sees it: nothing of what happens inside."""

    slug = serializers.CharField()
    name = serializers.CharField()
    name_en = serializers.CharField()
    hotline = serializers.CharField()
    time_zone = serializers.CharField()
    is_active = serializers.BooleanField()
    seat_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class ProviderInput(Input):
    """A new provider and its first administrator, who gets an invitation."""

    slug = serializers.RegexField(r"^[a-z0-9_-]{1,40}$", max_length=40)
    name = serializers.CharField(max_length=120)
    name_en = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    hotline = serializers.CharField(max_length=40)
    time_zone = serializers.CharField(max_length=60, required=False, default="Asia/Shanghai")
    administrator_name = serializers.CharField(max_length=80)
    administrator_email = FormText(EmailField, max_length=254)

    def validate_time_zone(self, name: str) -> str:
        """A name that the time zone database knows."""
        return known_time_zone(name)


class Token(Shape):
    """The token that this request came with."""

    ref = serializers.CharField()
    name = serializers.CharField()
    can_write = serializers.BooleanField()
    areas = serializers.ListField(child=serializers.ChoiceField(choices=ApiToken.Area.values))
    expires_at = serializers.DateTimeField()


class Me(Shape):
    """Who asks: person, role, provider, rights and, where one was sent, the token."""

    ref = serializers.CharField()
    name = serializers.CharField()
    email = serializers.CharField()
    language = serializers.ChoiceField(choices=[code for code, _name in settings.LANGUAGES])
    theme = serializers.ChoiceField(choices=[(v, v) for v in User.Theme.values], allow_blank=True)
    has_shortcuts = serializers.BooleanField()
    has_alert_mails = serializers.BooleanField(help_text="Of people who work for a provider")
    role = serializers.ChoiceField(choices=[(role.value, role.value) for role in Role])
    provider = ProviderRef(allow_null=True)
    permissions = serializers.ListField(
        child=serializers.ChoiceField(choices=[right.value for right in Permission])
    )
    token = Token(allow_null=True)


class MeInput(Input):
    """One's own profile."""

    name = serializers.CharField(max_length=80)
    language = serializers.ChoiceField(choices=[code for code, _name in settings.LANGUAGES])
    theme = serializers.ChoiceField(choices=[(v, v) for v in User.Theme.values], allow_blank=True)
    has_shortcuts = serializers.BooleanField()
    has_alert_mails = serializers.BooleanField(help_text="For people who work for a provider")
