"""Who can sign in to the demo estate, and which stickers are worth opening."""

from collections.abc import Sequence

from django.contrib.auth.hashers import check_password

from merchants.models import Membership
from posdoctor.accounts.models import Provider, Seat, User
from posdoctor.accounts.roles import SEAT_ROLES, Role
from terminals.models import Terminal
from tickets.estate.people import DEMO_PASSWORD, OPERATOR_EMAIL

_Line = tuple[str, str, str, str]


def signins() -> list[_Line]:
    """(role, name, provider or merchant, e-mail) of everybody in the demo; empty without it."""
    operator = User.objects.filter(email=OPERATOR_EMAIL).first()
    if operator is None or not check_password(DEMO_PASSWORD, operator.password):
        return []
    lines: list[_Line] = []
    for provider in Provider.objects.order_by("pk"):
        lines += _staff(provider) + _merchants(provider)
    lines.append((Role.OPERATOR.value, operator.name, "-", operator.email))
    return lines


def _staff(provider: Provider) -> list[_Line]:
    domain = f"@{provider.slug}.example"
    seats = Seat.objects.filter(provider=provider, user__email__endswith=domain)
    rank = [role.value for role in reversed(SEAT_ROLES)]
    ordered = sorted(seats.select_related("user"), key=lambda s: (rank.index(s.role), s.pk))
    return [(seat.role, seat.user.name, provider.name, seat.user.email) for seat in ordered]


def _merchants(provider: Provider) -> list[_Line]:
    domain = f"@{provider.slug}-shops.example"
    rows = Membership.objects.filter(merchant__provider=provider, user__email__endswith=domain)
    return [
        (Role.MERCHANT.value, row.user.name, row.merchant.name, row.user.email)
        for row in rows.select_related("user", "merchant").order_by("pk")
    ]


def stickers() -> Sequence[tuple[str, str]]:
    """(code, why) of three terminals: one stopped, one Chinese shop's, one English shop's."""
    rows = Terminal.objects.select_related("store", "model").order_by("pk")
    active = rows.filter(state="active", store__isnull=False)
    found = [
        rows.filter(state="stopped").first(),
        active.filter(store__contacts__language="zh-hans").first(),
        active.filter(store__contacts__language="en").first(),
    ]
    return [
        (terminal.sticker_code, f"{terminal.store}, {terminal.model} ({terminal.state})")
        for terminal in found
        if terminal
    ]
