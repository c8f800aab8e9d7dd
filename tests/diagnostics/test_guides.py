"""Guides to print: every symptom in both languages, in the flow's own words and order."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import Fix, Flow
from diagnostics.guides import SIGN_IN, guide_of, sign_in_card, written
from tests.builders import make_model, make_terminal

FLOWS = {flow.id: flow for flow in bundled_flows()}
LANGUAGES = {"zh": "zh-hans", "en": "en"}
each_flow = pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
each_language = pytest.mark.parametrize("language", LANGUAGES)


def texts(value: Any) -> list[dict[str, str]]:
    """Every {zh, en} of a document."""
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    if not isinstance(value, dict):
        return []
    if set(value) == {"zh", "en"}:
        return [value]
    return [text for inner in value.values() for text in texts(inner)]


def test_every_symptom_has_words_of_its_own_in_both_languages() -> None:
    assert set(written()["symptoms"]) == set(FLOWS)
    for name, own in written()["symptoms"].items():
        assert {"intro", "report"} <= set(own) <= {"intro", "looks", "report"}, name
        assert len(own["report"]) >= 2, name
    for text in texts(dict(written())):
        assert text["zh"].strip()
        assert text["en"].strip()
        assert not re.search("[\u4e00-\u9fff]", text["en"])
        # ui.md 5.3: no exclamation marks, no chatter.
        assert not re.search("[!！亲哦]", text["zh"])


@each_flow
@each_language
def test_a_guide_keeps_the_authored_order_with_safety_apart(flow: Flow, language: str) -> None:
    guide = guide_of(flow, language)
    steps = [step for step in flow.steps if step.actor == "merchant"]
    assert guide.safety is not None
    assert [line.text for line in (guide.safety, *guide.checks)] == [
        step.text.get(language) for step in steps if not isinstance(step, Fix)
    ]
    assert [line.text for line in guide.fixes] == [
        step.text.get(language) for step in steps if isinstance(step, Fix)
    ]
    # Each of the four dangers shows itself and says what to do.
    assert len([sign for sign in guide.dangers if sign.how and sign.picture]) == 4


@each_language
def test_an_answer_that_ends_the_walk_says_so_on_paper(language: str) -> None:
    guide = guide_of(FLOWS["app_firmware"], language)
    ends = [end for line in guide.checks for end in line.ends]
    third_party = FLOWS["app_firmware"].step("third_party_app")
    assert third_party is not None
    yes = third_party.answers[0]
    assert yes.advice is not None
    assert (yes.text.get(language), yes.advice.get(language)) in ends


@pytest.mark.django_db
@each_flow
@each_language
def test_every_guide_is_there_for_anybody(client: Client, flow: Flow, language: str) -> None:
    url = reverse("diagnostics:guide", args=[flow.id])
    page = client.get(url, {"lang": LANGUAGES[language]})
    assert page.status_code == 200
    content = page.content.decode()
    for step in flow.steps[1:]:
        assert step.actor != "merchant" or escape(step.text.get(language)) in content
    assert escape(flow.keep_selling.get(language)) in content
    assert content.count('class="art"') >= 4


@pytest.mark.django_db
@each_language
def test_the_list_leads_to_each_guide(client: Client, language: str) -> None:
    content = client.get(reverse("diagnostics:guides"), {"lang": LANGUAGES[language]}).content
    for name in (*FLOWS, SIGN_IN):
        assert reverse("diagnostics:guide", args=[name]).encode() in content


@pytest.mark.django_db
@each_language
def test_the_card_tells_the_two_sign_ins_apart(client: Client, language: str) -> None:
    url = reverse("diagnostics:guide", args=[SIGN_IN])
    content = client.get(url, {"lang": LANGUAGES[language]}).content.decode()
    card = sign_in_card(language)
    assert card["title"] in content
    assert len(card["cards"]) == 2
    kinds = {row["is"] for row in card["tell"]}
    assert len(kinds) == 2
    for row in card["tell"]:
        assert row["says"] in content
        assert row["do"] in content
    assert content.count("<tr>") == len(card["tell"]) + 1


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["nothing", "Sign_In", "x" * 60])
def test_an_unknown_guide_is_not_found(client: Client, name: str) -> None:
    assert client.get(reverse("diagnostics:guide", args=[name])).status_code == 404


@pytest.mark.django_db
def test_a_machine_has_the_guides_of_what_it_has(client: Client) -> None:
    """A terminal that is known to have no printer and no SIM is not asked about them."""
    lacks = {"printer": False, "sim": False, "wifi": True}
    model = make_model(features=lacks, verified=dict.fromkeys(lacks, True), form="mpos")
    terminal = make_terminal(model=model)
    terminal.provider.hotline = "400 820 0000"
    terminal.provider.save()
    code = terminal.sticker_code
    index = client.get(reverse("diagnostics:machine_guides", args=[code]), {"lang": "en"})
    assert b"cannot_print" not in index.content
    assert reverse("diagnostics:machine_guide", args=[code, "no_power"]).encode() in index.content
    hidden = client.get(reverse("diagnostics:machine_guide", args=[code, "cannot_print"]))
    assert hidden.status_code == 404
    page = client.get(
        reverse("diagnostics:machine_guide", args=[code, "network_down"]), {"lang": "en"}
    ).content.decode()
    flow = FLOWS["network_down"]
    refit, rejoin = flow.step("refit_sim"), flow.step("rejoin_wifi")
    assert refit is not None
    assert rejoin is not None
    assert refit.text.en not in page
    assert rejoin.text.en in page
    assert "400 820 0000" in page
    assert terminal.serial not in page


@pytest.mark.django_db
def test_no_guide_of_a_machine_that_is_not_in_use(client: Client) -> None:
    code = make_terminal(state="retired").sticker_code
    assert client.get(reverse("diagnostics:machine_guides", args=[code])).status_code == 404
    url = reverse("diagnostics:machine_guide", args=["AAAAAAAA", SIGN_IN])
    assert client.get(url).status_code == 404


@pytest.mark.django_db
def test_the_start_page_leads_to_the_guides(client: Client) -> None:
    code = make_terminal().sticker_code
    page = client.get(reverse("diagnostics:start", args=[code]))
    assert reverse("diagnostics:machine_guides", args=[code]).encode() in page.content
