"""What frames every page: names in the reader's language, links that exist, no database id."""

import re

import pytest
from django.urls import reverse

from posdoctor.accounts.models import Seat
from terminals.models import Terminal
from tests.builders import make_team, make_ticket, make_user
from tests.conftest import Persona

IN_CHINESE, IN_ENGLISH = "蜀汇支付", "Shuhui Pay"


def seat_of(persona: Persona) -> Seat:
    """The persona's seat, which is there."""
    assert persona.seat is not None
    return persona.seat


def test_the_provider_is_named_in_the_readers_language(
    desk: Persona, terminal: Terminal, anonymous: Persona
):
    sticker = reverse("diagnostics:sticker", args=[terminal.sticker_code])
    slip = reverse("tickets:print", args=[make_ticket(terminal).ref])
    inbox, profile = reverse("tickets:inbox"), reverse("accounts:me")
    pages = [(anonymous, sticker), (desk, inbox), (desk, profile), (desk, slip)]
    for persona, page in pages:
        chinese, english = (
            persona.client.get(page, {"lang": code}, follow=True).text for code in ("zh-hans", "en")
        )
        assert IN_CHINESE in chinese, page
        assert IN_ENGLISH not in chinese, page
        assert IN_ENGLISH in english, page
        assert IN_CHINESE not in english, page


def test_a_provider_without_an_english_name_keeps_its_own(desk: Persona):
    provider = seat_of(desk).provider
    provider.name_en = ""
    provider.save()
    assert IN_CHINESE in desk.client.get(reverse("tickets:inbox") + "?lang=en").text


def test_teams_are_named_in_the_readers_language(administrator: Persona, terminal: Terminal):
    seat = seat_of(administrator)
    team = make_team(seat.provider, name="二线技术", name_en="Second line")
    plain = make_team(seat.provider, name="仓库")
    seat.teams.set([team, plain])
    ticket = make_ticket(terminal, team=team, status="open")
    paths = (reverse("accounts:users"), reverse("tickets:ticket", args=[ticket.ref]))
    for path in paths:
        chinese = administrator.client.get(path, {"lang": "zh-hans", "deed": "assign"}).text
        english = administrator.client.get(path, {"lang": "en", "deed": "assign"}).text
        for words in (chinese, english):
            assert "仓库" in words
        assert "二线技术" in chinese
        assert "Second line" not in chinese
        assert "Second line" in english
        assert "二线技术" not in english


@pytest.mark.parametrize("who", ["desk", "field", "supervisor", "administrator"])
def test_every_link_of_the_frame_opens(who: str, request: pytest.FixtureRequest):
    persona: Persona = request.getfixturevalue(who)
    page = persona.client.get(reverse("tickets:inbox")).text
    frame = page.partition('<nav class="d-nav"')[2].partition("<main")[0]
    links = {link for link in re.findall(r'href="(/[^"#]*)"', frame) if not link.startswith("/s")}
    assert reverse("accounts:me") in links
    for link in links:
        assert persona.client.get(link).status_code == 200, link
    records = {reverse("terminals:list"), reverse("merchants:list")}
    unassigned = reverse("tickets:queue", kwargs={"view": "unassigned"})
    if who == "field":
        assert not links & {*records, unassigned}
    else:
        assert {*records, unassigned} <= links


def test_a_page_names_its_reader_by_reference_never_by_id(desk: Persona):
    # An id that cannot be anything else on the page.
    user = make_user(id=987_654_321)
    Seat.objects.filter(pk=seat_of(desk).pk).update(user=user)
    desk.client.force_login(user)
    page = desk.client.get(reverse("tickets:inbox")).text
    assert f'data-user="{user.ref}"' in page
    assert "987654321" not in page.replace(",", "")
