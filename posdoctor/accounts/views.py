"""Pages of one's own profile, of people and teams, and of providers."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from posdoctor.accounts import actions
from posdoctor.accounts.access import hidden_without
from posdoctor.accounts.forms import (
    InviteForm,
    ProfileForm,
    ProviderForm,
    SeatForm,
    TeamForm,
    ThemeForm,
    TokenForm,
)
from posdoctor.accounts.middleware import SEAT_KEY, ActorRequest, seats_of
from posdoctor.accounts.models import ApiToken, Provider, Seat, Team, User
from posdoctor.accounts.policies import Permission
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from posdoctor.core.errors import DomainError

GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])
for_administrators = hidden_without(Permission.PEOPLE_MANAGE)
for_operators = hidden_without(Permission.PROVIDER_CREATE)


# --- Oneself -------------------------------------------------------------------------


@login_not_required
@require_safe
def home(request: ActorRequest) -> HttpResponse:
    """Sends everybody where they work; passers-by get a page that says how to report."""
    if not isinstance(request.user, User):
        return render(request, "accounts/front.html")
    target = _place_of(request)
    if target is None:
        return render(request, "accounts/no_seat.html")
    known = "lang" in request.GET or request.COOKIES.get("django_language")
    return redirect(target if known else f"{target}?lang={request.user.language}")


def _place_of(request: ActorRequest) -> str | None:
    """The address of the actor's own first page; None for a person without any role."""
    if request.actor.provider_id is not None:
        return reverse("tickets:inbox")
    if request.actor.role == Role.OPERATOR:
        return reverse("accounts:providers")
    assert isinstance(request.user, User)
    return reverse("tickets:mine") if request.user.memberships.exists() else None


@GET_OR_POST
def me(request: ActorRequest) -> HttpResponse:
    """One's own profile: for everybody who is signed in, whatever the role."""
    user = request.user
    assert isinstance(user, User)
    seats = seats_of(user)
    initial = ProfileForm.initial_of(user)
    form = ProfileForm(request.POST or None, initial=initial, has_seat=bool(seats))
    if form.is_valid():
        actions.change_me(request.actor, **form.cleaned_data)
        messages.success(request, _("Profile saved"))
        return redirect(f"{reverse('accounts:me')}?lang={form.cleaned_data['language']}")
    context = {"form": form, "seats": seats, "frame": _frame(request)}
    return render(request, "accounts/me.html", context, status=_status(form))


@hidden_without(Permission.TOKEN_ISSUE)
@never_cache
@GET_OR_POST
def tokens(request: ActorRequest) -> HttpResponse:
    """One's own API tokens of the seat in use; a new one is shown this once."""
    form = TokenForm(request.POST or None)
    now, secret = clock.now(), ""
    if form.is_valid():
        try:
            token, secret = actions.issue_token(request.actor, now=now, **form.arguments())
        except actions.TooManyTokensError:
            form.add_error(None, _("You have 20 tokens. Revoke one first."))
        else:
            form = TokenForm()
            messages.success(request, _("Token %(name)s made") % {"name": token.name})
    rows = ApiToken.objects.visible_to(request.actor).kept_on_lists(now)
    context = {"form": form, "tokens": rows, "secret": secret}
    return render(request, "accounts/tokens.html", context, status=_status(form))


@hidden_without(Permission.TOKEN_ISSUE)
@require_POST
def revoke_token(request: ActorRequest, ref: str) -> HttpResponse:
    """Ends one of one's own tokens at once."""
    rows = ApiToken.objects.visible_to(request.actor)
    token = get_object_or_404(rows, ref=ref.upper())
    actions.revoke_token(request.actor, ref=token.ref, now=clock.now())
    messages.success(request, _("Token %(name)s revoked") % {"name": token.name})
    return redirect("accounts:tokens")


@require_POST
def theme(request: ActorRequest) -> HttpResponse:
    """Switches one's own look and goes back to where the switch was."""
    form = ThemeForm(request.POST)
    if form.is_valid():
        actions.change_theme(request.actor, theme=form.cleaned_data["theme"])
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(back if safe else reverse("accounts:me"))


@require_POST
def choose_seat(request: ActorRequest) -> HttpResponse:
    """Puts another of one's own seats into the session, by the provider's slug.

    A seat that is gone by now changes nothing.
    """
    assert isinstance(request.user, User)
    wanted = request.POST.get("provider", "")
    seat = next((s for s in seats_of(request.user) if s.provider.slug == wanted), None)
    if seat:
        request.session[SEAT_KEY] = seat.pk
    return redirect("accounts:home")


# --- People and teams ----------------------------------------------------------------


@for_administrators
@require_GET
def people(request: ActorRequest) -> HttpResponse:
    """Everybody with a seat, active ones first."""
    seats = Seat.objects.visible_to(request.actor).with_people().prefetch_related("teams")
    rows = sorted(seats, key=lambda seat: not seat.is_active)
    return render(request, "accounts/people.html", {"seats": rows})


@for_administrators
@GET_OR_POST
def invite(request: ActorRequest) -> HttpResponse:
    """Asks for address, name, role and teams, then queues the invitation."""
    form = InviteForm(request.POST or None, teams=_teams(request))
    if form.is_valid():
        try:
            seat = actions.invite(request.actor, now=clock.now(), **form.cleaned_data)
        except DomainError as error:
            _explain(form, error, field="email")
        else:
            text = _("Invitation to %(email)s is on its way")
            messages.success(request, text % {"email": seat.user.email})
            return redirect("accounts:users")
    return render(request, "accounts/invite.html", {"form": form}, status=_status(form))


@for_administrators
@GET_OR_POST
def person(request: ActorRequest, ref: str) -> HttpResponse:
    """One colleague: role, teams, access, and sending the invitation again."""
    seats = Seat.objects.visible_to(request.actor).with_people()
    seat = get_object_or_404(seats, user__ref=ref.upper())
    if request.POST.get("deed"):
        return _deed(request, seat)
    form = SeatForm(request.POST or None, initial=SeatForm.initial_of(seat), teams=_teams(request))
    if form.is_valid():
        chosen = {"teams": [], **form.cleaned_data}
        try:
            actions.change_seat(request.actor, user_ref=seat.user.ref, now=clock.now(), **chosen)
        except DomainError as error:
            _explain(form, error, field="role")
        else:
            messages.success(request, _("Role and teams saved"))
            return redirect("accounts:person", ref=seat.user.ref)
    context = {"form": form, "person": seat, "is_self": seat.user_id == request.actor.user_id}
    return render(request, "accounts/person.html", context, status=_status(form))


def _deed(request: ActorRequest, seat: Seat) -> HttpResponse:
    """What the other buttons of the page name: access away, back, the invitation again."""
    deeds = {
        "deactivate": (
            actions.deactivate,
            _("Access ended. Open tickets of this person wait for a new owner."),
        ),
        "activate": (actions.activate, _("Access is back")),
        "invite": (
            actions.repeat_invitation,
            _("Invitation to %(email)s is on its way") % {"email": seat.user.email},
        ),
    }
    if request.POST["deed"] not in deeds:
        return HttpResponseBadRequest()
    deed, done = deeds[request.POST["deed"]]
    try:
        deed(request.actor, user_ref=seat.user.ref, now=clock.now())
    except DomainError as error:
        messages.error(request, _words(error))
    else:
        messages.success(request, done)
    return redirect("accounts:person", ref=seat.user.ref)


@for_administrators
@GET_OR_POST
def teams(request: ActorRequest) -> HttpResponse:
    """The teams, and adding one."""
    form = TeamForm(request.POST or None)
    if form.is_valid():
        try:
            actions.add_team(request.actor, now=clock.now(), **form.cleaned_data)
        except DomainError as error:
            _explain(form, error, field="name")
        else:
            messages.success(request, _("Team added"))
            return redirect("accounts:teams")
    rows = Team.objects.visible_to(request.actor).with_list_columns()
    return render(
        request, "accounts/teams.html", {"form": form, "teams": rows}, status=_status(form)
    )


@for_administrators
@GET_OR_POST
def team(request: ActorRequest, ref: str) -> HttpResponse:
    """Renames one team."""
    found = get_object_or_404(Team.objects.visible_to(request.actor), ref=ref.upper())
    form = TeamForm(request.POST or None, initial={"name": found.name, "name_en": found.name_en})
    if form.is_valid():
        try:
            actions.rename_team(
                request.actor, team_ref=found.ref, now=clock.now(), **form.cleaned_data
            )
        except DomainError as error:
            _explain(form, error, field="name")
        else:
            messages.success(request, _("Team renamed"))
            return redirect("accounts:teams")
    return render(
        request, "accounts/team.html", {"form": form, "team": found}, status=_status(form)
    )


# --- Providers -----------------------------------------------------------------------


@for_operators
@require_GET
def providers(request: ActorRequest) -> HttpResponse:
    """The operator's list: names and numbers of seats, nothing of what happens inside."""
    rows = Provider.objects.visible_to(request.actor).with_list_columns()
    return render(request, "accounts/providers.html", {"providers": rows})


@for_operators
@GET_OR_POST
def new_provider(request: ActorRequest) -> HttpResponse:
    """Creates a provider and invites its first administrator."""
    form = ProviderForm(request.POST or None)
    if form.is_valid():
        try:
            provider = actions.create_provider(request.actor, now=clock.now(), **form.cleaned_data)
        except DomainError as error:
            taken = isinstance(error, actions.NameTakenError)
            _explain(form, error, field="slug" if taken else "administrator_email")
        else:
            text = _("%(name)s is set up; the administrator gets a mail")
            messages.success(request, text % {"name": provider.label})
            return redirect("accounts:providers")
    return render(request, "accounts/new_provider.html", {"form": form}, status=_status(form))


def _teams(request: ActorRequest) -> list[Team]:
    return list(Team.objects.visible_to(request.actor))


def _frame(request: ActorRequest) -> str:
    """The desk's navigation is for people with a seat."""
    has_seat = request.actor.provider_id is not None
    return "desk_base.html" if has_seat else "accounts/bare_base.html"


def _status(form: Form) -> int:
    return 422 if form.is_bound and form.errors else 200


def _explain(form: Form, error: DomainError, *, field: str) -> None:
    form.add_error(field, _words(error))


def _words(error: DomainError) -> str:
    """What to do about a refusal; unknown ones are raised again."""
    texts: dict[str, str] = {
        "already_here": _("This person is already in the list. Open them there instead."),
        "address_taken": _("This address signs in to something else here. Use another one."),
        "last_administrator": _("Make somebody else an administrator first"),
        "own_seat": _("Ask another administrator to change your own role or access"),
        "name_taken": _("This name is taken. Choose another one."),
    }
    if error.code not in texts:
        raise error
    return texts[error.code]
