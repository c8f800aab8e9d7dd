"""Ways to hand over, icons, who skips a check, checks before a fix: changed in pages alone."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from diagnostics.actions import drafts
from diagnostics.actions.publishing import NotReadyError, publish_draft
from diagnostics.authoring.edits import MOST_EXITS, find
from diagnostics.authoring.importing import BadFileError
from diagnostics.authoring.likelihood import SKIPS
from diagnostics.authoring.places import place_of
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import parse, validate
from diagnostics.forms.flow_icons import ANSWER_ICONS, ICONS, TWINS
from diagnostics.models import FlowDraft, FlowVersion
from diagnostics.views.flows import problems_url
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import Provider
from posdoctor.accounts.roles import Role
from posdoctor.core.templatetags.pd import icon
from tests.builders import T0, actor_of, make_seat
from tests.conftest import Persona
from tests.diagnostics.test_flow_pages import typed

pytestmark = pytest.mark.django_db
SYMPTOM = "no_power"
CHECK = "charge_led_off"
FIX = "restart"
WAY = "acquirer"


@pytest.fixture
def lead(supervisor: Persona) -> Actor:
    assert supervisor.seat is not None
    return actor_of(supervisor.seat)


@pytest.fixture
def draft(lead: Actor) -> FlowDraft:
    return drafts.start(lead, symptom=SYMPTOM, now=T0)


def url(route: str, *parts: str) -> str:
    return reverse(f"diagnostics:{route}", args=[SYMPTOM, *parts])


def document() -> dict[str, Any]:
    found: dict[str, Any] = FlowDraft.objects.get().document
    return found


def way_of(name: str = WAY) -> dict[str, Any]:
    found = find(document(), "exits", name)
    assert found is not None
    return found


def step_of(name: str) -> dict[str, Any]:
    found = find(document(), "steps", name)
    assert found is not None
    return found


def names() -> list[str]:
    return [way["id"] for way in document().get("exits", [])]


def save(client: Client, name: str = WAY, **values: Any) -> Any:
    page = url("flow_exit", name)
    return client.post(page, typed(client.get(page)) | values)


def save_step(client: Client, name: str, **values: Any) -> dict[str, Any]:
    """The step as it is after its page was sent with these values."""
    page = url("flow_step", name)
    answer = client.post(page, typed(client.get(page)) | values)
    assert answer.status_code == 302, answer.context["form"].errors
    return step_of(name)


def arrange(client: Client, deed: str) -> Any:
    return client.post(url("flow_arrange"), {"do": deed})


# --- Ways to hand over ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["acquirer", "network_provider", "replacement"])
def test_saving_an_untouched_way_changes_nothing(
    draft: FlowDraft, supervisor: Persona, name: str
) -> None:
    assert save(supervisor.client, name).status_code == 302
    after = FlowDraft.objects.get()
    assert (after.revision, after.digest) == (draft.revision, draft.digest)


def test_every_part_of_a_way_is_changed_in_its_page(draft: FlowDraft, supervisor: Persona) -> None:
    answer = save(
        supervisor.client, title_zh="找银行", title_en="Call the bank", advice_zh="打银行电话。",
        advice_en="Call the bank.", minutes="12.5", otherwise="90",
        actors=["acquirer", "security"], swap="on", waits="on",
    )  # fmt: skip
    assert answer["Location"] == url("flow_exits") + f"#exit-{WAY}"
    assert way_of() == {
        "id": WAY,
        "title": {"zh": "找银行", "en": "Call the bank"},
        "advice": {"zh": "打银行电话。", "en": "Call the bank."},
        "minutes": 12.5,
        "otherwise": 90.0,
        "actors": ["acquirer", "security"],
        "swap": True,
        "waits": True,
    }
    assert names() == ["acquirer", "network_provider", "replacement"]


def end_of_preview(client: Client) -> str:
    """Where a walk of "not sure" and fixes that do not help ends: the heading that is shown."""
    page = client.get(url("flow_preview"))
    for _ in range(30):
        if b'name="step"' not in page.content:
            break
        step = page.context["step"]
        wanted = "none" if step.id == "safety" else "unsure"
        chosen = wanted if step.kind == "check" else "unsolved"
        address = page.request["PATH_INFO"] + "?" + page.request["QUERY_STRING"]
        page = client.post(address, {"step": step.id, "answer": chosen}, follow=True)
    assert page.context["outcome"].kind == "call"
    heading: str = page.content.decode().partition("<h1>")[2].partition("</h1>")[0]
    return heading


def test_minutes_of_a_way_decide_where_the_preview_ends(
    draft: FlowDraft, supervisor: Persona
) -> None:
    before = end_of_preview(supervisor.client)
    title = way_of()["title"]["zh"]
    assert before != title
    save(supervisor.client, minutes="1", otherwise="2")
    assert end_of_preview(supervisor.client) == title
    save(supervisor.client, minutes="25", otherwise="300")
    assert end_of_preview(supervisor.client) == before


def test_the_exported_file_holds_the_way_and_brings_it_back(
    draft: FlowDraft, supervisor: Persona
) -> None:
    save(supervisor.client, minutes="7")
    text = supervisor.client.get(url("flow_export")).content.decode()
    assert [way["minutes"] for way in json.loads(text)["exits"] if way["id"] == WAY] == [7]
    changed = FlowDraft.objects.get()
    supervisor.client.post(url("flow_discard"), {"revision": changed.revision})
    supervisor.client.post(reverse("diagnostics:flow_import"), {"text": text})
    assert FlowDraft.objects.get().digest == changed.digest


def test_ways_are_added_moved_taken_out_and_had_again(
    draft: FlowDraft, supervisor: Persona
) -> None:
    new = {"title_zh": "找厂家", "title_en": "Call the maker"}
    answer = supervisor.client.post(url("flow_new_exit"), new)
    assert answer["Location"] == url("flow_exit", "own_exit_1")
    assert names()[-1] == "own_exit_1"
    arrange(supervisor.client, "up:exits:own_exit_1")
    assert names() == ["acquirer", "network_provider", "own_exit_1", "replacement"]
    answer = arrange(supervisor.client, f"remove:exits:{WAY}")
    assert answer["Location"] == url("flow_exits") + "#exits"
    assert WAY not in names()
    kept = FlowDraft.objects.get().revision - 1
    answer = supervisor.client.post(url("flow_undo"), {"to": kept, "page": "exits"})
    assert answer["Location"] == url("flow_exits")
    assert names() == ["acquirer", "network_provider", "own_exit_1", "replacement"]
    page = supervisor.client.get(url("flow_exits")).content.decode()
    assert page.index("找收单机构") < page.index("找厂家") < page.index("换一台机器")


def test_a_flow_without_any_way_can_still_be_changed(draft: FlowDraft, supervisor: Persona) -> None:
    for name in names():
        arrange(supervisor.client, f"remove:exits:{name}")
    assert "exits" not in document()
    assert arrange(supervisor.client, f"up:exits:{WAY}").status_code == 302
    assert supervisor.client.get(url("flow_exits")).status_code == 200
    assert supervisor.client.get(url("flow_exit", WAY)).status_code == 404
    assert end_of_preview(supervisor.client)
    supervisor.client.post(url("flow_new_exit"), {"title_zh": "找厂家", "title_en": "Maker"})
    assert names() == ["own_exit_1"]


def test_no_more_ways_than_a_person_could_read(draft: FlowDraft, supervisor: Persona) -> None:
    new = {"title_zh": "找厂家", "title_en": "Call the maker"}
    while len(names()) < MOST_EXITS:
        assert supervisor.client.post(url("flow_new_exit"), new).status_code == 302
    assert supervisor.client.post(url("flow_new_exit"), new).status_code == 422
    assert len(names()) == MOST_EXITS


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"minutes": "0"}, "minutes"),
        ({"minutes": ""}, "minutes"),
        ({"minutes": "nan"}, "minutes"),
        ({"otherwise": "24"}, "otherwise"),
        ({"otherwise": "6000"}, "otherwise"),
        ({"actors": ["moon"]}, "actors"),
        ({"title_zh": "长" * 121}, "title_zh"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(
    draft: FlowDraft, supervisor: Persona, values: dict[str, Any], field: str
) -> None:
    page = save(supervisor.client, **values)
    assert page.status_code == 422
    assert set(page.context["form"].errors) == {field}
    assert FlowDraft.objects.get().revision == draft.revision


def spoilt(raw: dict[str, Any]) -> dict[str, Any]:
    """A flow whose ways to hand over are wrong in every manner that a file could bring."""
    flow: dict[str, Any] = json.loads(json.dumps(raw))
    ways = {way["id"]: way for way in flow["exits"]}
    ways["acquirer"]["minutes"] = 99
    ways["acquirer"]["title"]["en"] = ""
    ways["network_provider"]["actors"] = ["moon"]
    ways["network_provider"]["advice"]["zh"] = " "
    ways["replacement"]["id"] = flow["faults"][0]["id"]
    return flow


def test_a_wrong_way_is_told_in_words_and_leads_to_its_field(
    lead: Actor, supervisor: Persona
) -> None:
    shipped = FlowVersion.objects.published().get(symptom=SYMPTOM)
    drafts.bring_in(lead, text=json.dumps(spoilt(shipped.document)), now=T0)
    draft = FlowDraft.objects.get()
    found = [p for p in validate(draft.flow) if "exits" in p.where]
    assert {p.code for p in found} == {"exit_minutes", "language", "actor", "taken"}
    anchors = set()
    for problem in found:
        address, _hash, anchor = problems_url(place_of(problem, draft.flow), SYMPTOM).partition("#")
        assert "/exit/" in address
        page = supervisor.client.get(address)
        assert f'id="{anchor}"' in page.content.decode(), problem
        assert page.context["problems"]
        anchors.add(anchor)
    assert {"id_otherwise", "id_actors", "id_title_en", "id_advice_zh"} <= anchors
    assert supervisor.client.get(url("flow_exits")).content.decode().count("fl-wrong") == 1
    with pytest.raises(NotReadyError):
        publish_draft(
            lead, symptom=SYMPTOM, revision=draft.revision, against=shipped.digest, note="", now=T0
        )


def test_a_file_with_too_many_ways_is_refused(lead: Actor) -> None:
    shipped = FlowVersion.objects.published().get(symptom=SYMPTOM).document
    way = shipped["exits"][0]
    crowd = {**shipped, "exits": [{**way, "id": f"way_{n}"} for n in range(MOST_EXITS + 1)]}
    with pytest.raises(BadFileError) as error:
        drafts.bring_in(lead, text=json.dumps(crowd), now=T0)
    assert (error.value.code, error.value.where) == ("exits", "flow.exits")


@pytest.mark.parametrize("kind", ["steps", "faults", "exits", "answers"])
@pytest.mark.parametrize("name", ["a b", "../x", "Ü", "", "a" * 61, "x:y"])
def test_a_short_name_that_cannot_stand_in_an_address_is_told(
    supervisor: Persona, kind: str, name: str
) -> None:
    shipped = json.loads(json.dumps(FlowVersion.objects.published().get(symptom=SYMPTOM).document))
    parts = shipped["steps"][1]["answers"] if kind == "answers" else shipped[kind]
    parts[-1]["id"] = name
    page = supervisor.client.post(reverse("diagnostics:flow_import"), {"text": json.dumps(shipped)})
    assert page.status_code == 422
    assert f"{kind}[{len(parts) - 1}].id" in page.content.decode()
    assert not FlowDraft.objects.exists()


def test_the_second_author_keeps_their_words_about_a_way(
    draft: FlowDraft, supervisor: Persona, administrator: Persona
) -> None:
    mine = typed(supervisor.client.get(url("flow_exit", WAY)))
    save(administrator.client, minutes="20", title_zh="找收单方")
    page = supervisor.client.post(url("flow_exit", WAY), mine | {"title_zh": "找银行"})
    assert page.status_code == 409
    assert way_of()["title"]["zh"] == "找收单方"
    form = page.context["form"]
    assert (form["title_zh"].value(), float(form["minutes"].value())) == ("找银行", 20)
    supervisor.client.post(url("flow_exit", WAY), typed(page))
    assert (way_of()["title"]["zh"], way_of()["minutes"]) == ("找银行", 20)


def test_a_foreign_providers_ways_are_not_there(
    draft: FlowDraft, other_provider: Provider, supervisor: Persona
) -> None:
    supervisor.client.post(url("flow_new_exit"), {"title_zh": "找厂家", "title_en": "Maker"})
    before = document()
    seat = make_seat(other_provider, Role.ADMINISTRATOR)
    away = Client()
    away.force_login(seat.user)
    for address in (url("flow_exit", WAY), url("flow_exit", "own_exit_1"), url("flow_new_exit")):
        assert away.get(address).status_code == 404
    assert away.post(url("flow_new_exit"), {"title_zh": "x", "title_en": "x"}).status_code == 404
    assert arrange(away, f"remove:exits:{WAY}").status_code == 404
    # What ships with the product everybody may read; the draft is not in it.
    page = away.get(url("flow_exits"))
    assert page.status_code == 200
    assert "找厂家" not in page.content.decode()
    assert document() == before


def test_a_desk_hand_sees_none_of_it(draft: FlowDraft, desk: Persona) -> None:
    for address in (url("flow_exits"), url("flow_exit", WAY), url("flow_new_exit")):
        assert desk.client.get(address).status_code == 404


def test_a_published_version_keeps_its_ways(
    lead: Actor, draft: FlowDraft, supervisor: Persona
) -> None:
    save(supervisor.client, minutes="9")
    shown = supervisor.client.get(url("flow")).context
    supervisor.client.post(
        url("flow_publish"),
        {"revision": shown["draft"].revision, "against": shown["version"].digest},
    )
    version = FlowVersion.objects.exclude(provider=None).get()
    drafts.start(lead, symptom=SYMPTOM, now=T0)
    save(supervisor.client, minutes="4")
    arrange(supervisor.client, "remove:exits:replacement")
    version.refresh_from_db()
    assert [(way["id"], way["minutes"]) for way in version.document["exits"]] == [
        ("acquirer", 9), ("network_provider", 25), ("replacement", 25),
    ]  # fmt: skip
    page = supervisor.client.get(url("flow_compare")).content.decode()
    assert "找收单机构" in page
    assert "换一台机器" in page


# --- Icons ---------------------------------------------------------------------------


def test_the_icons_to_choose_are_those_of_the_shipped_flows() -> None:
    steps, answers = set(), set()
    for flow in bundled_flows():
        steps |= {step.icon for step in flow.steps}
        answers |= {answer.icon for step in flow.steps for answer in step.answers}
    assert answers - {""} == set(ANSWER_ICONS)
    # A new check begins with a magnifier.
    assert steps | answers - {""} | {"search"} == set(ICONS)
    assert all(icon(name) for name in ICONS)
    assert len({str(ICONS[name]) for name in ICONS}) == len(ICONS) - len(TWINS)


def test_icons_of_a_step_and_of_an_answer_are_chosen(draft: FlowDraft, supervisor: Persona) -> None:
    page = supervisor.client.get(url("flow_step", CHECK)).content.decode()
    assert 'type="radio" name="icon" value="plug"' in page
    assert "扳手" in page or "Wrench" in page
    answer = step_of(CHECK)["answers"][0]["id"]
    values = {"icon": "plug", f"answer_{answer}_icon": "zap-off"}
    after = save_step(supervisor.client, CHECK, **values)
    assert (after["icon"], after["answers"][0]["icon"]) == ("plug", "zap-off")
    after = save_step(supervisor.client, CHECK, **{f"answer_{answer}_icon": ""})
    assert "icon" not in after["answers"][0]


def test_an_icon_that_is_not_in_the_list_stays_until_another_is_chosen(
    lead: Actor, supervisor: Persona
) -> None:
    shipped = json.loads(json.dumps(FlowVersion.objects.published().get(symptom=SYMPTOM).document))
    check = find(shipped, "steps", CHECK)
    assert check is not None
    check["icon"], check["answers"][0]["icon"] = "no-such-thing", "<b>"
    drafts.bring_in(lead, text=json.dumps(shipped), now=T0)
    page = supervisor.client.get(url("flow_step", CHECK)).content.decode()
    assert "no-such-thing" in page
    assert 'title="&lt;b&gt;"' in page
    assert 'title="<b>"' not in page
    after = save_step(supervisor.client, CHECK, minutes="4")
    assert (after["icon"], after["answers"][0]["icon"]) == ("no-such-thing", "<b>")
    after = save_step(supervisor.client, CHECK, icon="plug")
    assert after["icon"] == "plug"
    gone = supervisor.client.get(url("flow_step", CHECK))
    again = supervisor.client.post(url("flow_step", CHECK), typed(gone) | {"icon": "no-such-thing"})
    assert again.status_code == 422
    assert set(again.context["form"].errors) == {"icon"}


# --- Who skips a check, and checks before a fix ----------------------------------------


@pytest.mark.parametrize(("word", "number"), SKIPS.items())
def test_each_word_sets_its_share_that_skips(
    draft: FlowDraft, supervisor: Persona, word: str, number: float
) -> None:
    after = save_step(supervisor.client, CHECK, skip=word)
    step = parse(document()).step(CHECK)
    assert step is not None
    assert getattr(step, "skip", None) == number
    assert ("skip" in after) == (number != 0.05)


def test_an_odd_share_that_skips_stays_and_is_shown(lead: Actor, supervisor: Persona) -> None:
    shipped = json.loads(json.dumps(FlowVersion.objects.published().get(symptom=SYMPTOM).document))
    check = find(shipped, "steps", CHECK)
    assert check is not None
    check["skip"] = 0.123
    drafts.bring_in(lead, text=json.dumps(shipped), now=T0)
    assert "12.3" in supervisor.client.get(url("flow_step", CHECK)).content.decode()
    assert save_step(supervisor.client, CHECK, minutes="4")["skip"] == 0.123
    assert save_step(supervisor.client, CHECK, skip="often")["skip"] == SKIPS["often"]


def test_checks_before_a_fix_are_ticked_and_come_before_it(
    draft: FlowDraft, supervisor: Persona
) -> None:
    page = supervisor.client.get(url("flow_step", FIX))
    offered = [value for value, _label in page.context["form"].fields["after"].choices]
    checks = [step["id"] for step in document()["steps"] if step["kind"] == "check"]
    assert offered == [name for name in checks if name != "safety"]
    first = step_of(FIX).get("after", [])
    after = save_step(supervisor.client, FIX, after=[CHECK, *first])
    assert after["after"] == [*first, CHECK]
    assert save_step(supervisor.client, FIX, after=[CHECK])["after"] == [CHECK]
    # A check that is taken out is asked before nothing.
    arrange(supervisor.client, f"remove:steps:{CHECK}")
    assert "after" not in step_of(FIX)
    assert not [p for p in validate(parse(document())) if p.code == "after"]


def test_a_check_that_does_not_exist_is_told_and_can_be_unticked(
    lead: Actor, supervisor: Persona
) -> None:
    shipped = json.loads(json.dumps(FlowVersion.objects.published().get(symptom=SYMPTOM).document))
    fix = find(shipped, "steps", FIX)
    assert fix is not None
    fix["after"] = ["gone_check"]
    drafts.bring_in(lead, text=json.dumps(shipped), now=T0)
    page = supervisor.client.get(url("flow")).content.decode()
    assert url("flow_step", FIX) + "#id_after" in page
    assert 'id="id_after"' in supervisor.client.get(url("flow_step", FIX)).content.decode()
    assert save_step(supervisor.client, FIX, minutes="4")["after"] == ["gone_check"]
    assert "after" not in save_step(supervisor.client, FIX, after=[])
