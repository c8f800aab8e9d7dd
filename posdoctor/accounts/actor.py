"""Who acts, as one value that every action and queryset takes first."""

from dataclasses import dataclass

from posdoctor.accounts.roles import STAFF_ROLES, Role


@dataclass(frozen=True)
class Actor:
    """`provider_id` bounds everything it sees; None sees nothing (the operator: no tenant's rows).

    `ticket_id` and `run_id` are the only rows a reporter may see: those whose link and proof
    the browser showed. `via` says through which door the deed came (web, api, link, system).
    """

    role: Role | None = None
    provider_id: int | None = None
    user_id: int | None = None
    name: str = ""
    via: str = "web"
    ticket_id: int | None = None
    run_id: int | None = None

    @property
    def is_staff(self) -> bool:
        """Sees all of its provider's rows."""
        return self.role in STAFF_ROLES and self.provider_id is not None

    @property
    def is_system(self) -> bool:
        return self.role == Role.SYSTEM


NOBODY = Actor()


def reporter(*, provider_id: int, ticket_id: int | None = None, run_id: int | None = None) -> Actor:
    """The person behind a sticker's report, known only by link or cookie."""
    return Actor(
        role=Role.REPORTER, provider_id=provider_id, ticket_id=ticket_id, run_id=run_id, via="link"
    )


def system(*, provider_id: int | None = None) -> Actor:
    """The product itself: sweeps and imports. None = every provider."""
    return Actor(role=Role.SYSTEM, provider_id=provider_id, via="system")
