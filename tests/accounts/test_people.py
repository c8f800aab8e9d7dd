"""Inviting, changing and deactivating people; teams; the trail that it leaves."""

import logging
import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from post_office.models import STATUS, Email

from posdoctor.accounts import actions
from posdoctor.accounts.models import AccountEvent, Seat, Team, User
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import NotAllowedError
from tests.builders import (
    PASSWORD,
    T0,
    actor_of,
    make_membership,
    make_provider,
    make_seat,
    make_store,
    make_team,
)
from tests.conftest import Persona

NEW = {"email": "wang.fang@posdoctor.example", "name": "王芳", "role": "desk"}


def user_of(persona: Persona) -> User:
    """The signed-in person, who is there."""
    assert persona.user is not None
    return persona.user


def seat_of(persona: Persona) -> Seat:
    """The persona's seat, which is there."""
    assert persona.seat is not None
    return persona.seat


def kinds() -> list[str]:
    return list(AccountEvent.objects.order_by("pk").values_list("kind", flat=True))


# --- Inviting ------------------------------------------------------------------------


def test_an_invited_person_sets_a_password_and_gets_in(administrator: Persona):
    team = make_team(seat_of(administrator).provider)
    response = administrator.client.post("/settings/users/new", {**NEW, "teams": [team.ref]})
    assert response.status_code == 302
    user = User.objects.get(email=NEW["email"])
    assert not user.has_usable_password()
    seat = user.seats.get()
    assert (seat.provider, seat.role) == (seat_of(administrator).provider, Role.DESK)
    assert list(seat.teams.all()) == [team]
    # Queued with the change, not sent inside the request.
    mail = Email.objects.get()
    assert (mail.to, mail.status) == ([NEW["email"]], STATUS.queued)
    assert seat_of(administrator).provider.name in mail.message
    link = re.search(r"http://127\.0\.0\.1:8000(/\S+)", mail.message)
    assert link
    visitor = Client()
    page = visitor.get(link[1], follow=True)
    chosen = "sechs-gruene-tassen"
    done = visitor.post(page.request["PATH_INFO"], {"password1": chosen, "password2": chosen})
    assert done.status_code == 302
    user.refresh_from_db()
    assert user.check_password(chosen)
    visitor.post(reverse("account_login"), {"login": NEW["email"], "password": chosen})
    assert visitor.get("/", follow=True).request["PATH_INFO"] == "/desk/"


def test_the_mail_is_in_the_language_of_the_person(administrator: Persona):
    administrator.client.post("/settings/users/new?lang=en", NEW)
    assert "Set your password here" in Email.objects.get().message
    assert User.objects.get(email=NEW["email"]).language == "en"


def test_a_colleague_of_another_provider_just_gets_a_seat(
    administrator: Persona, outsider: Persona
):
    data = {**NEW, "email": user_of(outsider).email.upper(), "role": "administrator"}
    assert administrator.client.post("/settings/users/new", data).status_code == 302
    user_of(outsider).refresh_from_db()
    assert user_of(outsider).name != NEW["name"]  # the name is the person's own
    assert user_of(outsider).check_password(PASSWORD)
    assert user_of(outsider).seats.count() == 2
    message = Email.objects.get().message
    assert reverse("account_reset_password") not in message
    # They land where they worked before, with the role that they have there.
    assert outsider.client.get("/settings/users/").status_code == 404


@pytest.mark.parametrize("field", ["email", "name", "role"])
def test_an_invitation_needs_address_name_and_role(administrator: Persona, field: str):
    response = administrator.client.post("/settings/users/new", {**NEW, field: ""})
    assert response.status_code == 422
    assert f'id="id_{field}' in response.text
    assert NEW["email" if field != "email" else "name"] in response.text  # nothing is lost
    assert not User.objects.filter(email=NEW["email"]).exists()
    assert not Email.objects.exists()


@pytest.mark.parametrize("role", ["operator", "merchant", "system", "reporter", "root"])
def test_no_role_beyond_the_seats_can_be_given(administrator: Persona, role: str):
    response = administrator.client.post("/settings/users/new", {**NEW, "role": role})
    assert response.status_code == 422
    assert Seat.objects.count() == 1


def test_inviting_twice_makes_one_seat(administrator: Persona):
    administrator.client.post("/settings/users/new", NEW)
    again = administrator.client.post("/settings/users/new", NEW)
    assert again.status_code == 422
    assert Email.objects.count() == 1
    assert Seat.objects.filter(user__email=NEW["email"]).count() == 1


def test_operator_and_merchants_cannot_be_pulled_into_a_seat(
    administrator: Persona, operator: Persona
):
    """A seat outranks these roles: an administrator could lock a stranger out of theirs."""
    shopkeeper = make_membership(make_store(make_provider())).user
    for user in (user_of(operator), shopkeeper):
        assert user is not None
        response = administrator.client.post("/settings/users/new", {**NEW, "email": user.email})
        assert response.status_code == 422
        assert not user.seats.exists()


def test_a_team_of_another_provider_is_not_given(administrator: Persona, other_provider):
    foreign = make_team(other_provider)
    seat = actions.invite(actor_of(seat_of(administrator)), now=T0, teams=[foreign.ref], **NEW)
    assert not seat.teams.exists()


def test_the_invitation_can_be_sent_again(administrator: Persona):
    administrator.client.post("/settings/users/new", NEW)
    ref = User.objects.get(email=NEW["email"]).ref
    administrator.client.post(f"/settings/users/{ref}/", {"deed": "invite"})
    assert Email.objects.count() == 2
    assert kinds() == ["person_invited", "invitation_repeated"]


# --- Role, teams, access ---------------------------------------------------------------


def test_role_and_teams_are_changed_and_recorded(administrator: Persona, desk: Persona):
    team = make_team(seat_of(desk).provider)
    url = f"/settings/users/{user_of(desk).ref}/"
    data = {"role": "supervisor", "teams": [team.ref]}
    assert administrator.client.post(url, data).status_code == 302
    seat_of(desk).refresh_from_db()
    assert seat_of(desk).role == Role.SUPERVISOR
    assert list(seat_of(desk).teams.all()) == [team]
    event = AccountEvent.objects.get()
    assert event.kind == "seat_changed"
    assert event.data["role"] == ["desk", "supervisor"]
    administrator.client.post(url, data)
    assert AccountEvent.objects.count() == 1  # nothing changed, nothing recorded


def test_deactivating_ends_the_power_of_an_open_session_at_once(
    administrator: Persona, desk: Persona
):
    assert desk.client.get("/desk/terminals/").status_code == 200
    administrator.client.post(f"/settings/users/{user_of(desk).ref}/", {"deed": "deactivate"})
    assert desk.client.get("/desk/terminals/").status_code == 404
    assert desk.client.get("/").status_code == 200  # "no access yet", not the desk
    administrator.client.post(f"/settings/users/{user_of(desk).ref}/", {"deed": "activate"})
    assert desk.client.get("/desk/terminals/").status_code == 200
    assert kinds() == ["person_deactivated", "person_activated"]


def test_nobody_takes_away_their_own_role_or_access(administrator: Persona):
    make_seat(seat_of(administrator).provider, Role.ADMINISTRATOR)
    url = f"/settings/users/{user_of(administrator).ref}/"
    administrator.client.post(url, {"deed": "deactivate"})
    assert administrator.client.post(url, {"role": "desk"}).status_code == 422
    seat_of(administrator).refresh_from_db()
    assert seat_of(administrator).is_active
    assert seat_of(administrator).role == Role.ADMINISTRATOR
    assert "deactivate" not in administrator.client.get(url).text
    assert administrator.client.post(url, {"role": "administrator"}).status_code == 302


def test_the_last_administrator_stays_one(administrator: Persona):
    """Reached when a colleague's administrator seat ended between page and button."""
    other = make_seat(seat_of(administrator).provider, Role.ADMINISTRATOR)
    actor = actor_of(other)
    Seat.objects.filter(pk=other.pk).update(is_active=False)
    for deed in (
        lambda: actions.deactivate(actor, user_ref=user_of(administrator).ref, now=T0),
        lambda: actions.change_seat(
            actor, user_ref=user_of(administrator).ref, role="desk", teams=[], now=T0
        ),
    ):
        with pytest.raises(actions.LastAdministratorError):
            deed()
    seat_of(administrator).refresh_from_db()
    assert (seat_of(administrator).is_active, seat_of(administrator).role) == (
        True,
        "administrator",
    )


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_deactivate_each_other_leave_one():
    provider = make_provider()
    seats = [make_seat(provider, Role.ADMINISTRATOR) for _ in range(2)]
    start = threading.Barrier(2)
    refused = []

    def deactivate(me: Seat, other: Seat) -> None:
        try:
            start.wait(timeout=10)
            actions.deactivate(actor_of(me), user_ref=other.user.ref, now=T0)
        except actions.LastAdministratorError as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=deactivate, args=pair) for pair in (seats, list(reversed(seats)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(refused) == 1
    assert Seat.objects.active().filter(provider=provider).count() == 1


@pytest.mark.parametrize("deed", ["drop", "delete", "save "])
def test_an_unknown_deed_does_nothing(administrator: Persona, desk: Persona, deed: str):
    response = administrator.client.post(f"/settings/users/{user_of(desk).ref}/", {"deed": deed})
    assert response.status_code == 400
    assert not AccountEvent.objects.exists()


@pytest.mark.parametrize("persona", ["desk", "field", "supervisor", "outsider"])
def test_every_deed_on_people_is_the_administrators_alone(
    persona: str, provider, request: pytest.FixtureRequest
):
    """In the action too: another edge than these pages gets the same answer."""
    someone = request.getfixturevalue(persona)
    actor = actor_of(seat_of(someone))
    victim = make_seat(seat_of(someone).provider)
    team = make_team(seat_of(someone).provider)
    deeds: list[Callable[[], object]] = [
        lambda: actions.invite(actor, now=T0, **NEW),
        lambda: actions.deactivate(actor, user_ref=victim.user.ref, now=T0),
        lambda: actions.activate(actor, user_ref=victim.user.ref, now=T0),
        lambda: actions.repeat_invitation(actor, user_ref=victim.user.ref, now=T0),
        lambda: actions.change_seat(actor, user_ref=victim.user.ref, role="desk", teams=[], now=T0),
        lambda: actions.add_team(actor, name="x", name_en="", now=T0),
        lambda: actions.rename_team(actor, team_ref=team.ref, name="x", name_en="", now=T0),
    ]
    for deed in deeds:
        with pytest.raises(NotAllowedError):
            deed()
    assert not AccountEvent.objects.exists()
    assert not Email.objects.exists()


def test_people_of_another_provider_do_not_exist_here(administrator: Persona, outsider: Persona):
    page = administrator.client.get("/settings/users/")
    assert user_of(outsider).name not in page.text
    assert administrator.client.get(f"/settings/users/{user_of(outsider).ref}/").status_code == 404
    actor = actor_of(seat_of(administrator))
    with pytest.raises(Seat.DoesNotExist):
        actions.deactivate(actor, user_ref=user_of(outsider).ref, now=T0)
    seat_of(outsider).refresh_from_db()
    assert seat_of(outsider).is_active


def test_the_list_names_role_teams_and_last_sign_in(administrator: Persona, desk: Persona):
    team = make_team(seat_of(desk).provider, name="二线支持")
    seat_of(desk).teams.add(team)
    idle = make_seat(seat_of(desk).provider, is_active=False)
    User.objects.filter(pk=user_of(desk).pk).update(last_login=T0)
    page = administrator.client.get("/settings/users/?lang=en").text
    assert user_of(desk).email in page
    assert "二线支持" in page
    assert "2026-11-20 10:00" in page  # Shanghai's clock
    assert page.index(user_of(desk).email) < page.index(idle.user.email)


def test_a_list_of_many_costs_no_more_queries(
    administrator: Persona,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]],
):
    provider = seat_of(administrator).provider
    for _ in range(30):
        make_seat(provider).teams.add(make_team(provider))
    with django_assert_max_num_queries(12):
        administrator.client.get("/settings/users/")


def test_log_lines_and_events_hold_no_personal_data(
    administrator: Persona, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, logger="posdoctor.accounts"):
        administrator.client.post("/settings/users/new", NEW)
    assert "person_invited" in caplog.text
    event = AccountEvent.objects.get()
    for secret in (NEW["email"], NEW["name"]):
        assert secret not in caplog.text
        assert secret not in str(event.data)


# --- Teams -------------------------------------------------------------------------------


def test_teams_are_added_and_renamed(administrator: Persona):
    data = {"name": "二线支持", "name_en": "Second line"}
    assert administrator.client.post("/settings/teams/", data).status_code == 302
    team = Team.objects.get()
    assert administrator.client.post("/settings/teams/", data).status_code == 422
    renamed = administrator.client.post(f"/settings/teams/{team.ref}/", {"name": "三线"})
    assert renamed.status_code == 302
    team.refresh_from_db()
    assert (team.name, team.name_en) == ("三线", "")
    assert kinds() == ["team_added", "team_renamed"]


def test_a_team_of_another_provider_does_not_exist_here(administrator: Persona, other_provider):
    foreign = make_team(other_provider, name="别家")
    assert administrator.client.get(f"/settings/teams/{foreign.ref}/").status_code == 404
    assert "别家" not in administrator.client.get("/settings/teams/").text
