"""The platform operator: providers and numbers, nothing of what happens inside."""

import pytest
from post_office.models import Email

from posdoctor.accounts.models import AccountEvent, Provider, Seat, User
from posdoctor.accounts.roles import Role
from tests.builders import make_seat, make_ticket, make_user
from tests.conftest import Persona

NEW = {
    "name": "天府收单",
    "name_en": "Tianfu Acquiring",
    "slug": "tianfu",
    "hotline": "400-000-0202",
    "time_zone": "Asia/Shanghai",
    "administrator_name": "赵刚",
    "administrator_email": "zhao.gang@posdoctor.example",
}


def test_a_new_provider_has_an_administrator_who_can_sign_in(operator: Persona):
    response = operator.client.post("/operator/new", NEW)
    assert response.status_code == 302
    provider = Provider.objects.get(slug="tianfu")
    seat = provider.seats.get()
    assert (seat.role, seat.user.email) == (Role.ADMINISTRATOR, NEW["administrator_email"])
    mail = Email.objects.get()
    assert mail.to == [NEW["administrator_email"]]
    assert "天府收单" in mail.subject
    assert AccountEvent.objects.get().kind == "provider_created"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("slug", "has blanks"),
        ("slug", "中文"),
        ("hotline", ""),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../../etc/passwd"),
        ("administrator_email", "nobody"),
    ],
)
def test_a_provider_that_cannot_be_created_leaves_nothing(
    operator: Persona, field: str, value: str
):
    response = operator.client.post("/operator/new", {**NEW, field: value})
    assert response.status_code == 422
    assert NEW["administrator_name"] in response.text
    assert not Provider.objects.exists()
    assert not Email.objects.exists()


def test_a_taken_short_name_or_address_leaves_nothing(operator: Persona):
    operator.client.post("/operator/new", NEW)
    again = operator.client.post(
        "/operator/new", {**NEW, "administrator_email": "other@posdoctor.example"}
    )
    assert again.status_code == 422
    assert operator.user is not None
    own = operator.client.post(
        "/operator/new", {**NEW, "slug": "second", "administrator_email": operator.user.email}
    )
    assert own.status_code == 422
    assert Provider.objects.count() == 1
    assert Seat.objects.count() == 1
    assert User.objects.count() == 2


def test_the_list_counts_seats_and_shows_no_tickets(operator: Persona, terminal):
    ticket = make_ticket(terminal, title="刷卡提示通讯超时")
    make_seat(terminal.provider)
    make_seat(terminal.provider, is_active=False)
    make_seat(terminal.provider, user=make_user(is_active=False))
    page = operator.client.get("/operator/").text
    assert terminal.provider.name in page
    assert 'class="num">1</td>' in page
    assert ticket.title not in page
    assert ticket.ref not in page


@pytest.mark.parametrize(
    "path", ["/desk/", "/desk/terminals/", "/desk/merchants/", "/settings/users/", "/desk/search"]
)
def test_the_operator_sees_nothing_of_a_desk(operator: Persona, path: str):
    assert operator.client.get(path).status_code == 404


def test_no_terminal_or_merchant_opens_for_the_operator(operator: Persona, terminal):
    for path in (
        f"/desk/terminals/{terminal.ref}/",
        f"/desk/merchants/{terminal.store.merchant.ref}/",
    ):
        assert operator.client.get(path).status_code == 404
