"""A ticket exists for its own provider, for the engineer who has the job, and for nobody else."""

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from tests.builders import actor_of, make_message, make_run, make_store, make_terminal, make_ticket
from tests.conftest import Persona
from tickets.filters import VIEWS
from tickets.models import Attachment, Message, Ticket, TicketEvent

DEEDS = [
    "reply", "note", "take", "assign", "wait", "resume", "dispatch", "arrive", "leave", "resolve",
    "reopen", "cancel", "merge", "priority", "reveal",
]  # fmt: skip
HIDDEN_FROM = ["outsider", "merchant", "other_merchant", "operator"]


@pytest.fixture
def ticket(terminal) -> Ticket:
    return make_ticket(terminal, status="open", title="只给自己人看")


@pytest.mark.parametrize("name", DEEDS)
@pytest.mark.parametrize("who", HIDDEN_FROM)
def test_deeds_on_a_hidden_ticket_are_404_and_change_nothing(
    name: str, who: str, ticket: Ticket, request: pytest.FixtureRequest
):
    client = request.getfixturevalue(who).client
    before = Ticket.objects.filter(pk=ticket.pk).values().get()
    form = {
        "text": "x", "wait_for": "maker", "reason": "x", "priority": "low", "cause": "other",
        "certainty": "sure", "fixed_by": "desk", "proof": "told", "note": "x", "into": ticket.ref,
    }  # fmt: skip
    assert client.post(reverse(f"tickets:{name}", args=[ticket.ref]), form).status_code == 404
    assert Ticket.objects.filter(pk=ticket.pk).values().get() == before
    assert not TicketEvent.objects.exists()
    assert not Message.objects.exists()


@pytest.mark.parametrize("who", HIDDEN_FROM)
def test_pages_of_a_hidden_ticket_are_404(who: str, ticket: Ticket, request):
    client = request.getfixturevalue(who).client
    run = make_run(ticket.terminal)
    for url in (
        reverse("tickets:ticket", args=[ticket.ref]),
        reverse("tickets:print", args=[ticket.ref]),
        reverse("tickets:new_start", args=[ticket.terminal.ref]),
        reverse("tickets:new_step", args=[run.ref]),
        reverse("tickets:new_report", args=[run.ref]),
        reverse("tickets:of_terminal", args=[ticket.terminal.ref]),
        reverse("tickets:of_merchant", args=[ticket.merchant.ref]),
    ):
        assert client.get(url).status_code == 404, url
        assert client.get(url, headers={"hx-request": "true"}).status_code == 404, url


@pytest.mark.parametrize("who", ["merchant", "other_merchant", "operator"])
def test_the_desk_does_not_exist_for_people_without_a_seat(who: str, request):
    client = request.getfixturevalue(who).client
    for name in ("inbox", "search", "new"):
        assert client.get(reverse(f"tickets:{name}")).status_code == 404
    for view in VIEWS:
        assert client.get(reverse("tickets:queue", args=[view])).status_code == 404


def test_no_queue_shows_another_providers_ticket(outsider: Persona, ticket: Ticket):
    for view in VIEWS:
        for query in ("", "?status=any", f"?q={ticket.terminal.serial}"):
            page = outsider.client.get(reverse("tickets:queue", args=[view]) + query)
            assert page.status_code == 200
            assert "只给自己人看" not in page.content.decode()


def test_a_file_is_served_to_its_own_provider_only(
    desk: Persona, outsider: Persona, field: Persona, ticket: Ticket
):
    note = make_message(ticket, "note")
    file = Attachment(
        provider=ticket.provider, ticket=ticket, message=note, name="日志.txt",
        content_type="text/plain", extension=".txt", size=2, sha256="0" * 64,
        created_at=ticket.opened_at,
    )  # fmt: skip
    file.file.save("x.txt", ContentFile(b"ok"))
    url = reverse("tickets:file", args=[ticket.ref, file.key])
    assert desk.client.get(url).status_code == 200
    assert outsider.client.get(url).status_code == 404
    assert field.client.get(url).status_code == 404
    other = make_ticket(ticket.terminal)
    assert desk.client.get(reverse("tickets:file", args=[other.ref, file.key])).status_code == 404


def test_a_field_engineer_sees_the_own_jobs_and_nothing_beside_them(field: Persona, ticket: Ticket):
    mine = make_ticket(ticket.terminal, status="dispatched", assignee=field.user, title="今天的活")
    page = field.client.get(reverse("tickets:inbox")).content.decode()
    assert "今天的活" in page
    assert "只给自己人看" not in page
    assert field.client.get(reverse("tickets:ticket", args=[ticket.ref])).status_code == 404
    job = field.client.get(reverse("tickets:ticket", args=[mine.ref])).content.decode()
    assert ticket.ref not in job  # the same terminal's other ticket is not theirs
    assert "19900005521" not in job
    assert field.client.get(reverse("tickets:new")).status_code == 404
    for name in ("take", "assign", "wait", "resume", "reopen", "cancel", "merge", "priority"):
        answer = field.client.post(reverse(f"tickets:{name}", args=[mine.ref]), {})
        assert answer.status_code == 403, name


def test_a_field_engineer_may_answer_note_visit_and_resolve(field: Persona, ticket: Ticket):
    mine = make_ticket(ticket.terminal, status="dispatched", assignee=field.user)

    def post(name: str, **form: str) -> int:
        return field.client.post(reverse(f"tickets:{name}", args=[mine.ref]), form).status_code

    assert post("arrive") == 303
    assert post("reply", text="到店了") == 303
    assert post("note", text="路由器坏了") == 303
    assert (
        post(
            "resolve",
            cause="other",
            certainty="sure",
            fixed_by="field",
            proof="test_sale",
            note="换路由器",
        )
        == 303
    )
    mine.refresh_from_db()
    assert mine.status == "resolved"


def test_merging_into_another_providers_ticket_says_there_is_none(
    desk: Persona, ticket: Ticket, other_provider
):
    foreign = make_ticket(make_terminal(make_store(other_provider)))
    url = reverse("tickets:merge", args=[ticket.ref])
    answer = desk.client.post(url, {"into": foreign.ref})
    unknown = desk.client.post(url, {"into": "T-222222"})
    assert answer.status_code == unknown.status_code == 422
    assert not ticket.events.exists()


def test_owners_and_teams_are_picked_from_the_own_provider(
    desk: Persona, outsider: Persona, ticket: Ticket
):
    page = desk.client.get(reverse("tickets:ticket", args=[ticket.ref])).content.decode()
    assert desk.user.ref in page
    assert outsider.user.ref not in page
    answer = desk.client.post(
        reverse("tickets:assign", args=[ticket.ref]), {"person": outsider.user.ref}
    )
    assert answer.status_code == 422


def test_no_database_id_stands_in_a_page(desk: Persona, ticket: Ticket):
    Ticket.objects.filter(pk=ticket.pk).update(id=987_654_321)
    moved = Ticket.objects.get(pk=987_654_321)
    make_message(moved, "reply", author=desk.user)
    for url in (
        reverse("tickets:ticket", args=[moved.ref]),
        reverse("tickets:queue", args=["all"]),
    ):
        assert "987654321" not in desk.client.get(url).content.decode()


def test_the_actor_of_one_provider_finds_no_row_of_another(outsider: Persona, ticket: Ticket):
    make_message(ticket)
    assert outsider.seat
    actor = actor_of(outsider.seat)
    for model in (Ticket, Message, TicketEvent, Attachment):
        assert not model.objects.visible_to(actor).exists()
