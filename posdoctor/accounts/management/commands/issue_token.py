"""Prints an API token for a person's seat; nothing else on standard output."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from posdoctor.accounts import actions
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.forms import MAX_TOKEN_DAYS
from posdoctor.accounts.models import ApiToken, Seat
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from posdoctor.core.errors import DomainError


class Command(BaseCommand):
    """`bin/manage issue_token EMAIL [--provider SLUG] [--scope read|write] [--days N]`"""

    help = "Prints an API token that acts as this person's seat. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, for which provider, what it may do, for how long."""
        parser.add_argument("email")
        parser.add_argument("--provider", help="short name, where the person has several seats")
        parser.add_argument("--scope", choices=["read", "write"], default="write")
        parser.add_argument(
            "--area",
            action="append",
            default=[],
            choices=ApiToken.Area.values,
            help="bind it to this part of the API; may be given several times",
        )
        parser.add_argument("--days", type=int, default=90, help=f"1 to {MAX_TOKEN_DAYS}")
        parser.add_argument("--name", default="issue_token", help="shown on the profile page")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issues the token and prints its secret."""
        if not 1 <= options["days"] <= MAX_TOKEN_DAYS:
            raise CommandError(f"--days takes 1 to {MAX_TOKEN_DAYS}")
        seat = _seat(options["email"], options["provider"])
        actor = Actor(
            role=Role(seat.role),
            provider_id=seat.provider_id,
            user_id=seat.user_id,
            name=seat.user.name,
            via="system",
        )
        try:
            _token, secret = actions.issue_token(
                actor,
                name=options["name"][:60],
                can_write=options["scope"] == "write",
                areas=options["area"],
                days=options["days"],
                now=clock.now(),
            )
        except DomainError as error:
            raise CommandError(f"refused: {error.code}") from error
        self.stdout.write(secret)


def _seat(email: str, slug: str | None) -> Seat:
    seats = Seat.objects.active().filter(user__email__iexact=email).order_by("pk")
    found = list(seats.select_related("user", "provider"))
    if slug:
        found = [seat for seat in found if seat.provider.slug == slug]
    if not found:
        raise CommandError(f"{email} has no active seat" + (f" at {slug}" if slug else ""))
    if len(found) > 1:
        names = ", ".join(seat.provider.slug for seat in found)
        raise CommandError(f"{email} has several seats, name one with --provider: {names}")
    return found[0]
