"""Codes by HTTP: looked up, unknown ones kept for the desk, defined by leads of one provider."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from diagnostics.actions import codes as actions
from diagnostics.codes import bundled, checks_in
from diagnostics.models import DiagnosisRun, OwnCode, UnknownCode
from diagnostics.views import codes as views
from posdoctor.accounts.actor import NOBODY, Actor, reporter
from posdoctor.accounts.models import Provider
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from posdoctor.core.errors import NotAllowedError
from posdoctor.core.models import DoorCount
from terminals.models import Terminal
from tests.builders import (
    actor_of,
    make_own_code,
    make_seat,
    make_store,
    make_terminal,
    make_unknown_code,
)
from tests.conftest import Persona, signed_in

PAN = "6222021234567890128"


def code_page(terminal: Terminal) -> str:
    return reverse("diagnostics:code", args=[terminal.sticker_code])


def ask(client: Client, page: str, words: str) -> Any:
    """What a person sees who types the words."""
    response = client.post(page, {"q": words})
    assert response.status_code == 303
    return client.get(response["Location"])


# --- Merchants -----------------------------------------------------------------------


@pytest.mark.parametrize("words", ["Ａ O", "ａo", "MAC 校验错", "校验错，请 重新签到"])
def test_a_machines_page_says_what_a_misread_code_means(
    words: str, terminal: Terminal, anonymous: Persona
):
    page = ask(anonymous.client, code_page(terminal), words)
    assert "MAC" in page.content.decode()
    assert page.context["check"] == "cannot_sign_in"
    assert not UnknownCode.objects.exists()


def test_from_the_page_the_check_begins_with_the_words(terminal: Terminal, anonymous: Persona):
    page = ask(anonymous.client, code_page(terminal), "77")
    assert page.context["asked"] == "77"
    begin = reverse("diagnostics:begin", args=[terminal.sticker_code, page.context["check"]])
    assert begin in page.content.decode()
    response = anonymous.client.post(begin, {"words": page.context["asked"]})
    assert response.status_code == 303
    assert DiagnosisRun.objects.get().screen_text == "77"
    assert checks_in(DiagnosisRun.objects.get().screen_text) == ("code_batch",)


@pytest.mark.parametrize(
    "words", ["主密钥不存在", "密钥注入失败", "PED Tampered", "HASH校验和错误", "77"]
)
@pytest.mark.parametrize("symptom", ["cannot_sign_in", "app_firmware", "tamper_locked"])
def test_words_alone_never_end_a_walk_or_stop_a_machine(
    words: str, symptom: str, terminal: Terminal, anonymous: Persona
):
    begin = reverse("diagnostics:begin", args=[terminal.sticker_code, symptom])
    response = anonymous.client.post(begin, {"words": words})
    page = anonymous.client.get(response["Location"])
    assert page.status_code == 200
    assert page.context["step"].id == "safety"
    terminal.refresh_from_db()
    assert terminal.state == "active"


def test_the_start_page_leads_there(terminal: Terminal, anonymous: Persona):
    start = anonymous.client.get(f"/t/{terminal.sticker_code}").content.decode()
    more = anonymous.client.get(f"/t/{terminal.sticker_code}/more").content.decode()
    assert code_page(terminal) in start
    assert code_page(terminal) in more


def test_reading_a_page_writes_nothing(terminal: Terminal, anonymous: Persona):
    for address in (code_page(terminal), "/codes/"):
        for query in ("", "?q=77", "?q=E-9X", "?q=", "?q=" + "7" * 500, "?q=%00%FF"):
            assert anonymous.client.get(address + query).status_code == 200, address + query
    assert not UnknownCode.objects.exists()
    assert not DoorCount.objects.exists()


@pytest.mark.parametrize("words", ["", "   ", "7" * 121])
def test_nothing_to_look_up_is_said_so(words: str, terminal: Terminal, anonymous: Persona):
    for address in (code_page(terminal), "/codes/"):
        response = anonymous.client.post(address, {"q": words})
        assert response.status_code == 422
        assert response.context["form"].errors


def test_what_must_stop_offers_the_report_and_no_check(terminal: Terminal, anonymous: Persona):
    page = ask(anonymous.client, code_page(terminal), "PED Tampered")
    assert page.context["must_stop"]
    assert not page.context["check"]
    assert 'role="alert"' in page.content.decode()


def test_own_words_hide_no_danger(terminal: Terminal, anonymous: Persona):
    make_own_code(terminal.provider, code="", words="PED Tampered", symptom="cannot_sign_in")
    page = ask(anonymous.client, code_page(terminal), "PED Tampered")
    assert page.context["found"][0].entry.is_own
    assert page.context["must_stop"]
    assert not page.context["check"]


def test_a_card_number_reaches_neither_the_address_nor_the_queue(
    terminal: Terminal, anonymous: Persona
):
    response = anonymous.client.post(code_page(terminal), {"q": f"卡 {PAN} 不行"})
    assert PAN not in response["Location"]
    assert PAN not in anonymous.client.get(response["Location"]).content.decode()
    rows = UnknownCode.objects.values_list("code", "words")
    assert not any(PAN in text for row in rows for text in row)


def test_one_code_with_several_meanings_says_so(terminal: Terminal, anonymous: Persona):
    page = ask(anonymous.client, code_page(terminal), "58")
    assert page.context["has_collision"]
    assert len(page.context["found"]) == 2
    assert not ask(anonymous.client, code_page(terminal), "77").context["has_collision"]


def test_without_a_machine_the_shipped_codes_are_shown(
    provider: Provider, other_provider: Provider, anonymous: Persona
):
    make_own_code(provider, code="77")
    page = ask(anonymous.client, "/codes/", "77")
    assert [meaning.entry.scheme for meaning in page.context["found"]] == ["unionpay_pos"]
    ask(anonymous.client, "/codes/", "E-9X")
    # With several providers nobody knows whose machine it is.
    assert not UnknownCode.objects.exists()


def test_the_only_provider_shows_its_own_without_a_machine(provider: Provider, anonymous: Persona):
    make_own_code(provider, code="77")
    page = ask(anonymous.client, "/codes/", "77")
    assert [meaning.entry.scheme for meaning in page.context["found"]] == ["own", "unionpay_pos"]
    ask(anonymous.client, "/codes/", "E-9X")
    assert UnknownCode.objects.get().provider == provider


def test_a_question_that_is_too_long_shows_no_card_number(anonymous: Persona):
    page = anonymous.client.get("/codes/", {"q": f"{PAN} {'x' * 200}"}).text
    assert PAN not in page


# --- The queue -----------------------------------------------------------------------


def test_what_nobody_knows_is_counted_once_however_it_is_typed(
    terminal: Terminal, anonymous: Persona
):
    for words in ("E70X", "e7Ox", "Ｅ７０Ｘ", "E7 0X"):
        page = ask(anonymous.client, code_page(terminal), words)
        assert not page.context["found"]
    row = UnknownCode.objects.get()
    assert (row.times, row.code, row.words, row.state) == (4, "E70X", "", "open")
    assert row.provider == terminal.provider
    assert row.model == terminal.model
    assert row.last_seen_at > row.first_seen_at


@pytest.mark.parametrize(
    ("words", "code", "text", "scheme"),
    [
        ("Z9", "Z9", "", "unionpay_pos"),
        ("请找 市场部", "", "请找 市场部", "pos_local"),
        ("PLEASE REBOOT", "", "PLEASE REBOOT", ""),
    ],
)
def test_a_code_and_words_are_told_apart(
    words: str, code: str, text: str, scheme: str, terminal: Terminal, anonymous: Persona
):
    ask(anonymous.client, code_page(terminal), words)
    row = UnknownCode.objects.get()
    assert (row.code, row.words, row.scheme) == (code, text, scheme)


@pytest.mark.parametrize("words", ["13877770077", "1 3877-770077", "?", "Q", PAN])
def test_numbers_of_people_and_machines_are_not_kept(
    words: str, terminal: Terminal, anonymous: Persona
):
    anonymous.client.post(code_page(terminal), {"q": words})
    assert not UnknownCode.objects.exists()


def test_a_flood_from_one_address_fills_little_and_look_ups_go_on(
    terminal: Terminal, anonymous: Persona
):
    for number in range(views.UNKNOWN_BY_ADDRESS.limit + 5):
        ask(anonymous.client, code_page(terminal), f"QX{number}Y")
    assert UnknownCode.objects.count() == views.UNKNOWN_BY_ADDRESS.limit
    assert ask(anonymous.client, code_page(terminal), "77").context["found"]


def test_a_full_queue_still_counts_what_it_knows(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(actions, "MOST_OPEN", 2)
    actor = reporter(provider_id=terminal.provider_id)

    def note(text: str) -> UnknownCode | None:
        return actions.note_unknown(actor, text=text, model_id=None, now=clock.now())

    assert note("E1X")
    assert note("E2X")
    assert note("E3X") is None
    again = note("E2X")
    assert again
    assert again.times == 2
    assert UnknownCode.objects.count() == 2


def test_a_dismissed_one_stays_away_and_a_dropped_definition_brings_its_code_back(
    terminal: Terminal, provider: Provider
):
    lead = actor_of(make_seat(provider, Role.SUPERVISOR))
    shop = reporter(provider_id=provider.pk)
    now = clock.now()
    row = actions.note_unknown(shop, text="E70X", model_id=None, now=now)
    assert row
    actions.dismiss(lead, ref=row.ref)
    actions.note_unknown(shop, text="E70X", model_id=None, now=now)
    assert not UnknownCode.objects.visible_to(lead).waiting().exists()
    UnknownCode.objects.update(state=UnknownCode.State.DEFINED)
    actions.note_unknown(shop, text="E70X", model_id=None, now=now)
    assert UnknownCode.objects.visible_to(lead).waiting().get() == row


# --- Definitions ---------------------------------------------------------------------

VALUES = {
    "code": "E70X", "words": "请找市场部\n门店关闭", "scheme": "own", "meaning_zh": "门店未开通",
    "meaning_en": "Shop not opened", "merchant_zh": "请联系我们开通。",
    "merchant_en": "Contact us to open it.", "desk_zh": "", "desk_en": "",
    "check_id": "code_registration", "symptom": "cannot_sign_in",
}  # fmt: skip


def test_a_lead_defines_what_waits_and_the_merchants_read_it(
    terminal: Terminal, anonymous: Persona, supervisor: Persona
):
    ask(anonymous.client, code_page(terminal), "E7OX")
    waiting = UnknownCode.objects.get()
    desk = supervisor.client.get("/desk/codes/")
    assert desk.context["waiting"] == [waiting]
    address = f"/desk/codes/new?for={waiting.ref}"
    assert address in desk.content.decode()
    form = supervisor.client.get(address).context["form"]
    assert form.initial["code"] == "E7OX"
    response = supervisor.client.post(address, VALUES)
    assert response.status_code == 302, response.context["form"].errors
    waiting.refresh_from_db()
    assert waiting.state == UnknownCode.State.DEFINED
    row = OwnCode.objects.get()
    assert row.changed_by_name == supervisor.user.name
    for typed in ("e7ox", "请找 市场部", "门店关闭"):
        page = ask(anonymous.client, code_page(terminal), typed)
        (meaning,) = page.context["found"]
        assert meaning.meaning == "门店未开通"
        assert page.context["check"] == "cannot_sign_in"
    catalogue = OwnCode.objects.visible_to(reporter(provider_id=terminal.provider_id)).catalogue()
    assert checks_in("代码 E70X", catalogue) == ("code_registration",)


def test_a_definition_is_seen_by_its_provider_alone(
    terminal: Terminal, other_provider: Provider, anonymous: Persona, supervisor: Persona
):
    make_own_code(terminal.provider, code="E70X", words="请找市场部")
    foreign = make_terminal(make_store(other_provider))
    stranger = signed_in(make_seat(other_provider, Role.SUPERVISOR).user)
    for typed in ("E70X", "请找市场部"):
        assert ask(anonymous.client, code_page(terminal), typed).context["found"]
        assert not ask(anonymous.client, code_page(foreign), typed).context["found"]
        assert supervisor.client.get("/desk/codes/", {"q": typed}).context["found"]
        assert not stranger.get("/desk/codes/", {"q": typed}).context["found"]
    assert not stranger.get("/desk/codes/").context["own"]
    assert list(OwnCode.objects.visible_to(NOBODY)) == []
    ref = OwnCode.objects.get().ref
    assert stranger.get(f"/desk/codes/{ref}/").status_code == 404
    assert stranger.post(f"/desk/codes/{ref}/drop").status_code == 404
    waiting = UnknownCode.objects.filter(provider=other_provider).first()
    assert waiting
    assert supervisor.client.get(f"/desk/codes/new?for={waiting.ref}").status_code == 404
    assert supervisor.client.post(f"/desk/codes/new?for={waiting.ref}", VALUES).status_code == 404
    assert supervisor.client.post(f"/desk/codes/waiting/{waiting.ref}/dismiss").status_code == 404


def test_a_definition_is_changed_and_removed(provider: Provider, supervisor: Persona):
    supervisor.client.post("/desk/codes/new", VALUES)
    row = OwnCode.objects.get()
    changed = {**VALUES, "meaning_zh": "门店停业", "stop_use": "on"}
    assert supervisor.client.post(f"/desk/codes/{row.ref}/", changed).status_code == 302
    row.refresh_from_db()
    assert (row.meaning_zh, row.stop_use) == ("门店停业", True)
    assert supervisor.client.post(f"/desk/codes/{row.ref}/drop").status_code == 302
    assert not OwnCode.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "", "words": ""}, "code"),
        ({"code": "!!!"}, "code"),
        ({"words": "\n".join(f"第{n}行" for n in range(9))}, "words"),
        ({"words": "一"}, "words"),
        ({"meaning_en": ""}, "meaning_en"),
        ({"merchant_zh": ""}, "merchant_zh"),
        ({"scheme": "nobody"}, "scheme"),
        ({"check_id": "battery_swollen"}, "check_id"),
        ({"symptom": "nothing"}, "symptom"),
    ],
)
def test_a_definition_that_is_not_whole_is_refused_in_words(
    change: dict[str, str], field: str, supervisor: Persona
):
    response = supervisor.client.post("/desk/codes/new", VALUES | change)
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert not OwnCode.objects.exists()


def test_the_same_code_is_defined_once(supervisor: Persona):
    assert supervisor.client.post("/desk/codes/new", VALUES).status_code == 302
    again = supervisor.client.post("/desk/codes/new", VALUES | {"code": "e7oＸ"})
    assert again.status_code == 422
    assert OwnCode.objects.count() == 1


def test_definitions_are_the_leads_business(provider: Provider, desk: Persona):
    row, waiting = make_own_code(provider), make_unknown_code(provider)
    page = desk.client.get("/desk/codes/")
    assert page.status_code == 200
    assert f"for={waiting.ref}" not in page.content.decode()
    assert "/desk/codes/new" not in page.content.decode()
    actor = actor_of(desk.seat)
    now = clock.now()
    for deed in (
        lambda: actions.define(actor, values=VALUES | {"stop_use": False}, now=now),
        lambda: actions.redefine(actor, ref=row.ref, values=VALUES, now=now),
        lambda: actions.drop(actor, ref=row.ref),
        lambda: actions.dismiss(actor, ref=waiting.ref),
    ):
        with pytest.raises(NotAllowedError):
            deed()
    with pytest.raises(NotAllowedError):
        actions.note_unknown(Actor(role=Role.OPERATOR), text="E70X", model_id=None, now=clock.now())


def test_an_empty_desk_page_says_what_comes_here(supervisor: Persona):
    page = supervisor.client.get("/desk/codes/").content.decode()
    assert 'class="empty"' in page
    nothing = supervisor.client.get("/desk/codes/", {"q": "E-9X"})
    assert nothing.context["found"] == []


# --- API -----------------------------------------------------------------------------


def rows(client: Client, **query: str) -> list[dict[str, Any]]:
    response = client.get("/api/v1/response-codes/", query)
    assert response.status_code == 200, response.content
    return list(response.json()["results"])


def test_the_api_lists_all_codes_those_that_collide_first(desk: Persona):
    found = rows(desk.client)
    assert len(found) == len(bundled().entries)
    flags = [row["collides"] for row in found]
    assert flags == sorted(flags, reverse=True)
    assert sum(flags) == 17


def test_the_api_narrows_by_scheme_code_and_text(desk: Persona):
    assert [row["scheme"] for row in rows(desk.client, code="５8")] == ["unionpay_pos", "gicc"]
    assert [row["scheme"] for row in rows(desk.client, code="58", scheme="gicc")] == ["gicc"]
    assert {row["scheme"] for row in rows(desk.client, scheme="emv")} == {"emv"}
    by_text = rows(desk.client, text="签到失败 77，通讯 超时")
    assert {row["id"] for row in by_text} == {"77", "comm_timeout"}
    assert [row["id"] for row in rows(desk.client, text="77 通讯超时", code="77")] == ["77"]
    assert rows(desk.client, code="E-9X") == []
    assert desk.client.get("/api/v1/response-codes/?codes=58").status_code == 422


def test_the_api_tells_merchants_no_desk_text_and_each_their_own_providers_codes(
    provider: Provider, other_provider: Provider, merchant: Persona, desk: Persona
):
    make_own_code(provider)
    make_own_code(other_provider, meaning_en="Of others")
    (row,) = rows(merchant.client, code="E7")
    assert row["meaning_en"] == "Shop not opened"
    assert "desk" not in row
    (row,) = rows(desk.client, code="E7")
    assert row["desk"]
    assert (row["scheme"], row["checks"], row["code"]) == ("own", [], "E7")
