"""Addresses of oneself, of people, teams and providers."""

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from posdoctor.accounts import actions
from posdoctor.accounts.api import shapes
from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken, Provider, Seat, Team, User
from posdoctor.accounts.policies import Permission, may, require
from posdoctor.core.api.errors import Refusals, invalid
from posdoctor.core.api.paging import Order, page_of
from posdoctor.core.api.schema import PageQuery, documented, page_shape
from posdoctor.core.api.shapes import NothingInput, read

PEOPLE_ORDER = Order(("user__name", "user__ref"))
TEAM_ORDER = Order(("name", "ref"))
PROVIDER_ORDER = Order(("name", "slug"))
_REFUSALS: Refusals = {
    "already_here": (
        "email",
        _("This person is already in the list. Open them there instead."),
    ),
    "address_taken": (
        "email",
        _("This address signs in to something else here. Use another one."),
    ),
    "last_administrator": ("role", _("Make somebody else an administrator first")),
    "own_seat": ("role", _("Ask another administrator to change your own role or access")),
    "name_taken": ("name", _("This name is taken. Choose another one.")),
}


class PeopleView(ApiView):
    """Everything about colleagues."""

    area = ApiToken.Area.PEOPLE.value
    refusals: ClassVar[Refusals] = _REFUSALS

    def shown(self, seat: Seat) -> Any:
        """A seat as the caller may see it."""
        context = {"with_email": may(self.actor, Permission.PEOPLE_MANAGE)}
        return shapes.Person(seat, context=context).data

    def seat(self, ref: str) -> Seat:
        """The colleague's seat; 404."""
        seats = Seat.objects.visible_to(self.actor).with_people().prefetch_related("teams")
        return self.row(seats, user__ref=ref.upper())

    def known_teams(self, refs: list[str]) -> list[str]:
        """The same references; a 422 where one is no team of the provider."""
        teams = Team.objects.visible_to(self.actor).filter(ref__in=refs)
        if len(set(refs)) > teams.count():
            raise invalid({"teams": [_("There is no such team")]})
        return refs


class Myself(ApiView):
    """`me/`"""

    @documented("me_read", gives=shapes.Me)
    def get(self, request: Request) -> Response:
        """Who I am and what I may do."""
        return Response(self._me(request))

    @documented("me_change", takes=shapes.MeInput, gives=shapes.Me)
    def patch(self, request: Request) -> Response:
        """Change my own profile."""
        user = request.user
        assert isinstance(user, User)
        given = read(shapes.MeInput, request.data, partial=True)
        if "has_alert_mails" in given and self.actor.provider_id is None:
            raise invalid({"has_alert_mails": [_("Alert mails are for people of a provider")]})
        names = ("name", "language", "theme", "has_shortcuts")
        values = {name: getattr(user, name) for name in names} | given
        actions.change_me(self.actor, **values)
        user.refresh_from_db()
        return Response(self._me(request))

    def _me(self, request: Request) -> Any:
        provider = Provider.objects.visible_to(self.actor).filter(pk=self.actor.provider_id or 0)
        user = request.user
        assert isinstance(user, User)
        plain = (
            "ref", "name", "email", "language", "theme", "has_shortcuts", "has_alert_mails",
        )  # fmt: skip
        return shapes.Me(
            {
                **{name: getattr(user, name) for name in plain},
                "role": self.actor.role,
                "provider": provider.first(),
                "permissions": [right.value for right in Permission if may(self.actor, right)],
                "token": request.auth if isinstance(request.auth, ApiToken) else None,
            }
        ).data


class People(PeopleView):
    """`people/`"""

    @documented("people_list", query=shapes.PeopleQuery, gives=page_shape(shapes.Person))
    def get(self, request: Request) -> Response:
        """Colleagues of the own provider, by name."""
        asked = read(shapes.PeopleQuery, request.query_params)
        seats = Seat.objects.visible_to(self.actor).with_people().prefetch_related("teams")
        if "role" in asked:
            seats = seats.filter(role=asked["role"])
        if asked["is_active"] is not None:
            seats = seats.filter(is_active=asked["is_active"])
        return Response(page_of(request, asked, seats, PEOPLE_ORDER, self.shown))

    @documented("people_invite", takes=shapes.InviteInput, gives=shapes.Person, status=201)
    def post(self, request: Request) -> Response:
        """Invite a person; the mail to them is on its way."""
        require(self.actor, Permission.PEOPLE_MANAGE)
        values = read(shapes.InviteInput, request.data)
        self.known_teams(values["teams"])
        seat = actions.invite(self.actor, now=self.now, **values)
        return Response(self.shown(self.seat(seat.user.ref)), status=201)


class Person(PeopleView):
    """`people/{ref}/`"""

    @documented("people_read", gives=shapes.Person)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002
        """One colleague."""
        return Response(self.shown(self.seat(ref)))

    @documented("people_change", takes=shapes.PersonInput, gives=shapes.Person)
    def patch(self, request: Request, ref: str) -> Response:
        """Change role or teams."""
        seat = self.seat(ref)
        require(self.actor, Permission.PEOPLE_MANAGE)
        given = read(shapes.PersonInput, request.data, partial=True)
        now = {"role": seat.role, "teams": [team.ref for team in seat.teams.all()]}
        values = now | given
        self.known_teams(values["teams"])
        actions.change_seat(self.actor, user_ref=seat.user.ref, now=self.now, **values)
        return Response(self.shown(self.seat(ref)))


class _PersonDeed(PeopleView):
    """A deed on one colleague without input."""

    deed: ClassVar[Any]

    def do(self, request: Request, ref: str) -> Response:
        """Runs the deed and shows the person as they are now."""
        seat = self.seat(ref)
        require(self.actor, Permission.PEOPLE_MANAGE)
        read(NothingInput, request.data)
        type(self).deed(self.actor, user_ref=seat.user.ref, now=self.now)
        return Response(self.shown(self.seat(ref)))


class InviteAgain(_PersonDeed):
    """`people/{ref}/invite/`"""

    deed = staticmethod(actions.repeat_invitation)

    @documented("people_invite_again", takes=NothingInput, gives=shapes.Person)
    def post(self, request: Request, ref: str) -> Response:
        """Send the invitation once more, with a fresh link."""
        return self.do(request, ref)


class Deactivate(_PersonDeed):
    """`people/{ref}/deactivate/`"""

    deed = staticmethod(actions.deactivate)

    @documented("people_deactivate", takes=NothingInput, gives=shapes.Person)
    def post(self, request: Request, ref: str) -> Response:
        """End a person's access at once, that of their tokens too."""
        return self.do(request, ref)


class Activate(_PersonDeed):
    """`people/{ref}/activate/`"""

    deed = staticmethod(actions.activate)

    @documented("people_activate", takes=NothingInput, gives=shapes.Person)
    def post(self, request: Request, ref: str) -> Response:
        """Give a deactivated person their access back."""
        return self.do(request, ref)


class Teams(PeopleView):
    """`teams/`"""

    @documented("teams_list", query=PageQuery, gives=page_shape(shapes.Team))
    def get(self, request: Request) -> Response:
        """Teams of the own provider, by name."""
        asked = read(PageQuery, request.query_params)
        rows = Team.objects.visible_to(self.actor)
        shown = page_of(request, asked, rows, TEAM_ORDER, lambda team: shapes.Team(team).data)
        return Response(shown)

    @documented("teams_add", takes=shapes.TeamInput, gives=shapes.Team, status=201)
    def post(self, request: Request) -> Response:
        """Add a team."""
        require(self.actor, Permission.PEOPLE_MANAGE)
        values = read(shapes.TeamInput, request.data)
        team = actions.add_team(self.actor, now=self.now, **values)
        return Response(shapes.Team(team).data, status=201)


class OneTeam(PeopleView):
    """`teams/{ref}/`"""

    @documented("teams_read", gives=shapes.Team)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002
        """One team."""
        return Response(shapes.Team(self._team(ref)).data)

    @documented("teams_rename", takes=shapes.TeamInput, gives=shapes.Team)
    def patch(self, request: Request, ref: str) -> Response:
        """Give a team other names."""
        team = self._team(ref)
        require(self.actor, Permission.PEOPLE_MANAGE)
        values = {"name": team.name, "name_en": team.name_en}
        values |= read(shapes.TeamInput, request.data, partial=True)
        renamed = actions.rename_team(self.actor, team_ref=team.ref, now=self.now, **values)
        return Response(shapes.Team(renamed).data)

    def _team(self, ref: str) -> Team:
        return self.row(Team.objects.visible_to(self.actor), ref=ref.upper())


class Providers(ApiView):
    """`providers/`, for the platform operator; hidden from everyone else."""

    area = ApiToken.Area.PEOPLE.value
    refusals: ClassVar[Refusals] = {
        **_REFUSALS,
        "name_taken": ("slug", _("This name is taken. Choose another one.")),
        "already_here": ("administrator_email", _REFUSALS["already_here"][1]),
        "address_taken": ("administrator_email", _REFUSALS["address_taken"][1]),
    }

    @documented("providers_list", query=PageQuery, gives=page_shape(shapes.Provider))
    def get(self, request: Request) -> Response:
        """Providers by name, with the number of people in each."""
        self.hide_without(Permission.PROVIDER_CREATE)
        asked = read(PageQuery, request.query_params)
        rows = Provider.objects.visible_to(self.actor).with_list_columns()
        shown = page_of(request, asked, rows, PROVIDER_ORDER, lambda p: shapes.Provider(p).data)
        return Response(shown)

    @documented("providers_add", takes=shapes.ProviderInput, gives=shapes.Provider, status=201)
    def post(self, request: Request) -> Response:
        """Create a provider and invite its first administrator."""
        self.hide_without(Permission.PROVIDER_CREATE)
        values = read(shapes.ProviderInput, request.data)
        made = actions.create_provider(self.actor, now=self.now, **values)
        rows = Provider.objects.visible_to(self.actor).with_list_columns()
        return Response(shapes.Provider(self.row(rows, pk=made.pk)).data, status=201)
