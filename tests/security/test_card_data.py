"""A card number that is cut, renamed or typed into the wrong field reaches no column."""

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.core import serializers
from django.urls import reverse

from diagnostics.models import DiagnosisRun
from posdoctor.core import clock
from terminals.models import Terminal, TerminalEvent
from tests.builders import make_run, make_ticket
from tests.conftest import Persona
from tickets.models import ReportDraft, Ticket

CARD = "4111111111111111"
# Fifteen digits give the sixteenth away: it is a check digit.
GIVEN_AWAY = CARD[:12]
FULL_WIDTH = CARD.translate({ord("0") + n: chr(0xFF10 + n) for n in range(10)})


def everything() -> str:
    """All rows of our tables as text, without blanks."""
    ours = {"accounts", "merchants", "terminals", "diagnostics", "tickets", "post_office"}
    models = [model for model in apps.get_models() if model._meta.app_label in ours]
    models = [model for model in models if model._meta.model_name != "flowversion"]
    rows = [row for model in models for row in model._default_manager.all()]
    return serializers.serialize("json", rows, ensure_ascii=False).replace(" ", "")


@pytest.mark.parametrize("length", range(60, 200, 7))
def test_a_cut_subject_or_last_line_holds_no_part_of_a_card(
    terminal: Terminal, desk: Persona, length: int
) -> None:
    run = make_run(terminal)
    form = {"contact_phone": "13800005521", "impact": "some", "contact": "new"}
    response = desk.client.post(
        reverse("tickets:new_report", args=[run.ref]), {**form, "note": f"{'故' * length}{CARD}"}
    )
    assert response.status_code == 303
    assert GIVEN_AWAY not in everything()


@pytest.mark.parametrize("length", range(180, 200, 4))
def test_words_of_a_follow_up_hold_no_part_of_a_card(
    terminal: Terminal, desk: Persona, length: int
) -> None:
    long_ago = clock.now() - timedelta(days=40)
    ticket = make_ticket(terminal, status="closed", resolved_at=long_ago, closed_at=long_ago)
    words = {"words": f"{'故' * length}{CARD}"}
    response = desk.client.post(reverse("tickets:reopen", args=[ticket.ref]), words)
    assert response.status_code == 303
    assert Ticket.objects.filter(previous=ticket).exists()
    assert GIVEN_AWAY not in everything()


@pytest.mark.parametrize("typed", [CARD, "6222 0212 3456 7890 123", FULL_WIDTH])
def test_a_card_in_the_phone_field_is_not_kept_with_the_draft(
    terminal: Terminal, anonymous: Persona, typed: str
) -> None:
    url = reverse("tickets:report", args=[terminal.sticker_code])
    form = {"contact_phone": typed, "contact_name": "", "note": "", "impact": "some"}
    assert anonymous.client.post(url, form).status_code == 422
    kept = ReportDraft.objects.get().contact_phone
    assert sum(character.isdigit() for character in kept) <= 10, kept


def test_a_card_in_a_terminals_record_reaches_neither_record_nor_history(
    terminal: Terminal, desk: Persona
) -> None:
    assert terminal.store is not None
    form = {
        "serial": terminal.serial, "model": terminal.model.slug, "store": terminal.store.ref,
        "counter": f"收银台 {CARD}", "firmware": CARD, "app_version": CARD, "sim_operator": CARD,
    }  # fmt: skip
    response = desk.client.post(reverse("terminals:edit", args=[terminal.ref]), form)
    assert response.status_code == 302
    assert TerminalEvent.objects.filter(terminal=terminal, kind="edited").exists()
    assert CARD not in json.dumps(list(TerminalEvent.objects.values_list("data", flat=True)))
    assert CARD not in everything()


def test_masking_that_lengthens_a_text_is_no_error(terminal: Terminal, anonymous: Persona) -> None:
    words = {"words": ("CVV 123 " * 40)[:300]}
    url = reverse("diagnostics:begin", args=[terminal.sticker_code, "network_down"])
    assert anonymous.client.post(url, words).status_code == 303
    assert "123" not in DiagnosisRun.objects.get().screen_text


def test_a_name_that_masking_lengthens_is_kept(terminal: Terminal, anonymous: Persona) -> None:
    url = reverse("tickets:report", args=[terminal.sticker_code])
    name = f"{'王' * 52}CVV 123"
    form = {"contact_phone": "13800005521", "contact_name": name, "note": "", "impact": "some"}
    assert anonymous.client.post(url, form).status_code == 303
    assert "123" not in ReportDraft.objects.get().contact_name


@pytest.mark.parametrize("path", ["/desk/search", "/desk/q/all/", "/desk/new"])
@pytest.mark.parametrize("length", [66, 70])
def test_a_search_that_is_cut_shows_no_part_of_a_card(
    desk: Persona, path: str, length: int
) -> None:
    page = desk.client.get(path, {"q": f"{'z' * length}{CARD}"})
    assert page.status_code == 200
    assert GIVEN_AWAY[:10] not in page.content.decode()
