"""Deeds on people, seats, tokens, teams and providers. Each writes change and event together."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from allauth.account import app_settings as allauth_settings
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from post_office import mail

from posdoctor.accounts import tokens
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import AccountEvent, ApiToken, Provider, Seat, Team, User
from posdoctor.accounts.policies import Permission, require
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import DomainError
from posdoctor.core.outbox import SEND_MAIL, wake
from posdoctor.core.refs import create_with_ref

logger = logging.getLogger(__name__)


class AlreadyHereError(DomainError):
    """The person has a seat here, active or not."""

    code = "already_here"


class AddressTakenError(DomainError):
    """The address signs in as a merchant or as the operator.

    A seat would outrank that role, and an administrator could push a stranger out of it.
    """

    code = "address_taken"


class LastAdministratorError(DomainError):
    """Nobody would be left to manage people."""

    code = "last_administrator"


class OwnSeatError(DomainError):
    """Nobody takes away their own role or access by a slip."""

    code = "own_seat"


class NameTakenError(DomainError):
    """Another team or provider has this name."""

    code = "name_taken"


class TooManyTokensError(DomainError):
    """The seat has as many usable tokens as one may have."""

    code = "too_many_tokens"


MAX_TOKENS = 20
# Each use writes the row at most this often.
USE_KEPT_TO = timedelta(minutes=1)

# --- People --------------------------------------------------------------------------


@transaction.atomic
def invite(
    actor: Actor, *, email: str, name: str, role: str, now: datetime, teams: Iterable[str] = ()
) -> Seat:
    """Gives a person a seat and queues the mail with which they sign in for the first time.

    Creates the person without a password where the address is new; a known person keeps
    name and password. `teams` are references. Records `person_invited`.
    Raises NotAllowedError, AlreadyHereError, AddressTakenError.
    """
    require(actor, Permission.PEOPLE_MANAGE)
    provider = _lock_provider(actor)
    seat = _add_seat(provider, email=email, name=name, role=role)
    seat.teams.set(Team.objects.visible_to(actor).filter(ref__in=list(teams)))
    record(actor, AccountEvent.Kind.PERSON_INVITED, provider_id=provider.pk, at=now,
           person=seat.user.ref, role=role)  # fmt: skip
    _mail_invitation(seat, inviter=actor.name)
    return seat


@transaction.atomic
def repeat_invitation(actor: Actor, *, user_ref: str, now: datetime) -> Seat:
    """Queues the invitation once more, with a fresh link. Records `invitation_repeated`."""
    seat = Seat.objects.visible_to(actor).with_people().get(user__ref=user_ref)
    require(actor, Permission.PEOPLE_MANAGE)
    record(actor, AccountEvent.Kind.INVITATION_REPEATED, provider_id=seat.provider_id, at=now,
           person=user_ref)  # fmt: skip
    _mail_invitation(seat, inviter=actor.name)
    return seat


@transaction.atomic
def change_seat(
    actor: Actor, *, user_ref: str, role: str, teams: Iterable[str], now: datetime
) -> Seat:
    """Sets role and teams (references). Locks the provider's people. Records `seat_changed`.

    Raises NotAllowedError, OwnSeatError for one's own role, LastAdministratorError.
    """
    seat = _lock_seat(actor, user_ref)
    role_before = seat.role
    if role != role_before:
        _keep_administrator(actor, seat)
        seat.role = role
        seat.save(update_fields=["role"])
    before = set(seat.teams.values_list("ref", flat=True))
    seat.teams.set(Team.objects.visible_to(actor).filter(ref__in=list(teams)))
    after = set(seat.teams.values_list("ref", flat=True))
    if role != role_before or before != after:
        changes = {"role": [role_before, role], "teams": [sorted(before), sorted(after)]}
        record(actor, AccountEvent.Kind.SEAT_CHANGED, provider_id=seat.provider_id, at=now,
               person=user_ref, **changes)  # fmt: skip
    return seat


@transaction.atomic
def deactivate(actor: Actor, *, user_ref: str, now: datetime) -> Seat:
    """Takes the seat's power away at once, in open sessions too: it is read at each request.

    Safe to repeat. Raises NotAllowedError, OwnSeatError, LastAdministratorError.
    """
    seat = _lock_seat(actor, user_ref)
    if not seat.is_active:
        return seat
    _keep_administrator(actor, seat)
    seat.is_active = False
    seat.save(update_fields=["is_active"])
    # A seat that comes back later comes without the programs of before.
    seat.tokens.filter(revoked_at__isnull=True).update(revoked_at=now)
    record(actor, AccountEvent.Kind.PERSON_DEACTIVATED, provider_id=seat.provider_id, at=now,
           person=user_ref)  # fmt: skip
    return seat


@transaction.atomic
def activate(actor: Actor, *, user_ref: str, now: datetime) -> Seat:
    """Gives a deactivated seat back. Safe to repeat. Raises NotAllowedError."""
    seat = _lock_seat(actor, user_ref)
    if seat.is_active:
        return seat
    seat.is_active = True
    seat.save(update_fields=["is_active"])
    record(actor, AccountEvent.Kind.PERSON_ACTIVATED, provider_id=seat.provider_id, at=now,
           person=user_ref)  # fmt: skip
    return seat


def change_me(
    actor: Actor, *, name: str, language: str, theme: str, has_shortcuts: bool, **switches: bool
) -> None:
    """Writes one's own profile. Everybody who is signed in may.

    `switches`: has_alert_mails, for people with a seat.
    """
    _own_row(actor).update(
        name=name, language=language, theme=theme, has_shortcuts=has_shortcuts, **switches
    )


def change_theme(actor: Actor, *, theme: str) -> None:
    """Sets one's own light or dark look; empty follows the device."""
    _own_row(actor).update(theme=theme)


# --- API tokens ----------------------------------------------------------------------


@transaction.atomic
def issue_token(
    actor: Actor,
    *,
    name: str,
    can_write: bool,
    areas: Iterable[str],
    days: int,
    now: datetime,
) -> tuple[ApiToken, str]:
    """A token for the actor's own seat, and its secret, which is nowhere else afterwards.

    `areas` bounds it to parts of the API (ApiToken.Area), none = all. Locks the seat. Records
    `token_issued`. Raises NotAllowedError, TooManyTokensError.
    """
    require(actor, Permission.TOKEN_ISSUE)
    seats = Seat.objects.visible_to(actor).active().filter(user=actor.user_id or 0)
    seat = seats.select_for_update(of=("self",), no_key=True).get()
    if ApiToken.objects.usable(now).filter(seat=seat).count() >= MAX_TOKENS:
        raise TooManyTokensError
    secret = tokens.new_secret()
    token = create_with_ref(
        lambda: ApiToken(
            provider_id=seat.provider_id,
            seat=seat,
            name=name,
            digest=tokens.digest_of(secret),
            tail=secret[-4:],
            can_write=can_write,
            areas=sorted(set(areas)),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
    )
    record(actor, AccountEvent.Kind.TOKEN_ISSUED, provider_id=seat.provider_id, at=now,
           token=token.ref, can_write=can_write, areas=token.areas, days=days)  # fmt: skip
    return token, secret


@transaction.atomic
def revoke_token(actor: Actor, *, ref: str, now: datetime) -> ApiToken:
    """Ends one's own token at once. Safe to repeat. A hidden one is DoesNotExist."""
    token = ApiToken.objects.visible_to(actor).select_for_update(of=("self",)).get(ref=ref)
    if token.revoked_at is None:
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
        record(actor, AccountEvent.Kind.TOKEN_REVOKED, provider_id=token.provider_id, at=now,
               token=token.ref)  # fmt: skip
    return token


def token_used(secret: str, *, now: datetime) -> ApiToken | None:
    """The usable token of this secret with seat, person and provider; None for any other text.

    Keeps when it was used, to the minute.
    """
    found = ApiToken.objects.usable(now).select_related("seat__user", "seat__provider")
    token = found.filter(digest=tokens.digest_of(secret)).first()
    if token and (token.last_used_at is None or now - token.last_used_at >= USE_KEPT_TO):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


# --- Teams ---------------------------------------------------------------------------


@transaction.atomic
def add_team(actor: Actor, *, name: str, name_en: str, now: datetime) -> Team:
    """Adds a queue that people share. Raises NotAllowedError, NameTakenError."""
    require(actor, Permission.PEOPLE_MANAGE)
    provider = _lock_provider(actor)
    if Team.objects.visible_to(actor).filter(name=name).exists():
        raise NameTakenError
    team = Team.objects.create(provider=provider, name=name, name_en=name_en)
    record(actor, AccountEvent.Kind.TEAM_ADDED, provider_id=provider.pk, at=now, team=team.ref)
    return team


@transaction.atomic
def rename_team(actor: Actor, *, team_ref: str, name: str, name_en: str, now: datetime) -> Team:
    """Gives a team other names. Raises NotAllowedError, NameTakenError; hidden: DoesNotExist."""
    team = Team.objects.visible_to(actor).get(ref=team_ref)
    require(actor, Permission.PEOPLE_MANAGE)
    _lock_provider(actor)
    if Team.objects.visible_to(actor).filter(name=name).exclude(pk=team.pk).exists():
        raise NameTakenError
    team.name, team.name_en = name, name_en
    team.save(update_fields=["name", "name_en"])
    record(actor, AccountEvent.Kind.TEAM_RENAMED, provider_id=team.provider_id, at=now,
           team=team.ref)  # fmt: skip
    return team


# --- Providers -----------------------------------------------------------------------


@transaction.atomic
def create_provider(
    actor: Actor,
    *,
    now: datetime,
    administrator_email: str,
    administrator_name: str,
    **fields: str,
) -> Provider:
    """Creates a tenant and invites its first administrator.

    `fields`: slug, name, name_en, hotline, time_zone. Records `provider_created`.
    Raises NotAllowedError, NameTakenError (slug), AddressTakenError.
    """
    require(actor, Permission.PROVIDER_CREATE)
    try:
        with transaction.atomic():
            provider = Provider.objects.create(**fields)
    except IntegrityError as error:
        raise NameTakenError from error
    seat = _add_seat(
        provider, email=administrator_email, name=administrator_name, role=Role.ADMINISTRATOR
    )
    record(actor, AccountEvent.Kind.PROVIDER_CREATED, provider_id=provider.pk, at=now,
           person=seat.user.ref)  # fmt: skip
    _mail_invitation(seat, inviter=actor.name)
    return provider


def record(actor: Actor, kind: str, *, provider_id: int, at: datetime, **data: object) -> None:
    """Writes an AccountEvent and a log line. `data`: references and field names, no values.

    Call it inside the transaction of the change.
    """
    AccountEvent.objects.create(
        provider_id=provider_id,
        kind=kind,
        actor_user_id=actor.user_id,
        actor_name=actor.name,
        actor_role=actor.role or "",
        data=data,
        occurred_at=at,
    )
    logger.info("%s provider=%s by=%s %s", kind, provider_id, actor.user_id, data)


# --- Inside --------------------------------------------------------------------------


def _own_row(actor: Actor) -> QuerySet[User]:
    """The actor's own person; nobody where no person acts."""
    return User.objects.filter(Q(pk=actor.user_id), pk__isnull=False)


def _lock_provider(actor: Actor) -> Provider:
    """The actor's provider, so that two administrators take turns.

    NO KEY: a plain FOR UPDATE would hold up every new ticket, whose foreign key looks here.
    """
    return Provider.objects.visible_to(actor).select_for_update(no_key=True).get()


def _lock_seat(actor: Actor, user_ref: str) -> Seat:
    """The colleague's seat, read after the turn is ours. Hidden: DoesNotExist."""
    Seat.objects.visible_to(actor).get(user__ref=user_ref)
    require(actor, Permission.PEOPLE_MANAGE)
    _lock_provider(actor)
    return Seat.objects.visible_to(actor).with_people().get(user__ref=user_ref)


def _keep_administrator(actor: Actor, seat: Seat) -> None:
    """Refuses to take power from oneself or from the last administrator."""
    if seat.user_id == actor.user_id:
        raise OwnSeatError
    others = (
        Seat.objects.visible_to(actor).active().filter(role=Role.ADMINISTRATOR).exclude(pk=seat.pk)
    )
    if seat.role == Role.ADMINISTRATOR and not others.exists():
        raise LastAdministratorError


def _add_seat(provider: Provider, *, email: str, name: str, role: str) -> Seat:
    user = _find_or_create(email, name)
    if user.is_operator or user.memberships.exists():
        raise AddressTakenError
    if Seat.objects.filter(provider=provider, user=user).exists():
        raise AlreadyHereError
    return Seat.objects.create(provider=provider, user=user, role=role)


def _find_or_create(email: str, name: str) -> User:
    known = User.objects.filter(email__iexact=email).first()
    if known:
        return known
    try:
        with transaction.atomic():
            language = translation.get_language() or settings.LANGUAGE_CODE
            return User.objects.create_user(email, None, name=name, language=language)
    except IntegrityError:
        # Invited elsewhere in the same moment.
        return User.objects.get(email__iexact=email)


def _mail_invitation(seat: Seat, *, inviter: str) -> None:
    """Queues the mail in this transaction, in the person's language."""
    user = seat.user
    context = {
        "name": user.name,
        "inviter": inviter,
        "provider": seat.provider,
        "sign_in_url": settings.PUBLIC_URL + reverse("account_login"),
        "password_url": "" if user.has_usable_password() else _password_url(user),
        "days": settings.PASSWORD_RESET_TIMEOUT // 86_400,
    }
    with translation.override(user.language):
        message = mail.send(
            user.email,
            settings.DEFAULT_FROM_EMAIL,
            subject=render_to_string("emails/invitation.subject.txt", context).strip(),
            message=render_to_string("emails/invitation.txt", context),
            commit=False,
        )
    message.save()
    # Not by post_office's own signal: with Redis away that raises after the commit.
    wake(SEND_MAIL)


def _password_url(user: User) -> str:
    """Where the person sets a password: the link of the sign-in package's reset flow."""
    token = allauth_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    key = {"uidb36": user_pk_to_url_str(user), "key": token}
    return settings.PUBLIC_URL + reverse("account_reset_password_from_key", kwargs=key)
