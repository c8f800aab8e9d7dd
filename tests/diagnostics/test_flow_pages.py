"""The authors' pages: what is typed is never lost, what is wrong leads to its field."""

import dataclasses
import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from diagnostics.actions import comparing, drafts, publishing
from diagnostics.authoring import edits
from diagnostics.authoring.likelihood import LIKELIHOODS, number_of, row_of, word_of
from diagnostics.authoring.places import place_of
from diagnostics.flow import parse, validate
from diagnostics.forms.flow_words import problem_words
from diagnostics.models import DiagnosisRun, DiagnosisStep, FlowDraft, FlowVersion
from diagnostics.views.flows import problems_url
from posdoctor.accounts.actor import Actor
from posdoctor.core import clock
from tests.builders import T0, actor_of
from tests.conftest import Persona

pytestmark = pytest.mark.django_db
SYMPTOM = "no_power"
CHECK = "charge_led_off"
FIX = "restart"


@pytest.fixture
def lead(supervisor: Persona) -> Actor:
    assert supervisor.seat is not None
    return actor_of(supervisor.seat)


@pytest.fixture
def second(administrator: Persona) -> Actor:
    assert administrator.seat is not None
    return actor_of(administrator.seat)


@pytest.fixture
def draft(lead: Actor) -> FlowDraft:
    return drafts.start(lead, symptom=SYMPTOM, now=T0)


def url(route: str, *parts: str) -> str:
    return reverse(f"diagnostics:{route}", args=[SYMPTOM, *parts])


def typed(page: Any) -> dict[str, Any]:
    """What a browser would send from the form of this page without a change."""
    form = page.context["form"]
    data: dict[str, Any] = {}
    for name, field in form.fields.items():
        value = form[name].value()
        if isinstance(value, list):
            data[name] = [str(one) for one in value]
        elif value is True:
            data[name] = "on"
        elif value not in {None, False}:
            data[name] = str(value)
        assert field is not None
    return data


def step_of(draft: FlowDraft, name: str = CHECK) -> dict[str, Any]:
    found = edits.find(FlowDraft.objects.get(pk=draft.pk).document, "steps", name)
    assert found is not None
    return found


# --- Likelihoods ---------------------------------------------------------------------


@pytest.mark.parametrize(("word", "number"), LIKELIHOODS.items())
def test_each_word_names_its_own_number(word: str, number: float) -> None:
    assert word_of(number) == word
    assert number_of(word, None) == number


@pytest.mark.parametrize(
    ("number", "word"),
    [(0.0, "never"), (0.04, "rarely"), (0.3, "sometimes"), (0.5, "often"), (1.0, "nearly_always")],
)
def test_a_number_between_shows_as_the_nearest_word_and_stays(number: float, word: str) -> None:
    assert word_of(number) == word
    assert number_of(word, number) == number


def test_an_unchanged_row_stays_exact_and_a_changed_one_sums_to_one() -> None:
    row = [0.031209, 0.132, 0.836791]
    words = [word_of(number) for number in row]
    assert row_of(words, row) == row
    changed = row_of(["often", *words[1:]], row)
    assert changed[0] == 0.7
    assert sum(changed) == pytest.approx(1, abs=1e-5)
    assert changed[1] / changed[2] == pytest.approx(row[1] / row[2], rel=1e-4)
    every = row_of(["often", "often", "often"], row)
    assert every == pytest.approx([1 / 3] * 3, abs=1e-5)


# --- Editing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "parts"),
    [
        ("flow_texts", ()),
        ("flow_step", ("safety",)),
        ("flow_step", (CHECK,)),
        ("flow_step", (FIX,)),
        ("flow_fault", ("other",)),
        ("flow_fault", ("pw_aged",)),
    ],
)
def test_saving_an_untouched_page_changes_nothing(
    draft: FlowDraft, supervisor: Persona, route: str, parts: tuple[str, ...]
) -> None:
    page = supervisor.client.get(url(route, *parts))
    answer = supervisor.client.post(url(route, *parts), typed(page))
    assert answer.status_code == 302
    after = FlowDraft.objects.get()
    assert (after.revision, after.digest) == (draft.revision, draft.digest)


def test_words_and_a_likelihood_are_saved(draft: FlowDraft, supervisor: Persona) -> None:
    before = step_of(draft)
    data = typed(supervisor.client.get(url("flow_step", CHECK)))
    data |= {"text_zh": "灯亮着吗？", "row_pw_aged_" + before["answers"][0]["id"]: "often"}
    supervisor.client.post(url("flow_step", CHECK), data)
    after = step_of(draft)
    assert after["text"] == {"zh": "灯亮着吗？", "en": before["text"]["en"]}
    assert word_of(after["given"]["pw_aged"][0]) == "often"
    untouched = {fault: row for fault, row in before["given"].items() if fault != "pw_aged"}
    assert {fault: after["given"][fault] for fault in untouched} == untouched


def test_an_answer_is_added_moved_and_taken_out_with_its_likelihoods(
    draft: FlowDraft, supervisor: Persona
) -> None:
    page = url("flow_step", CHECK)
    supervisor.client.post(page, typed(supervisor.client.get(page)) | {"do": "add_answer"})
    added = step_of(draft)
    assert [answer["id"] for answer in added["answers"]][-2:] == ["answer_1", "unsure"]
    assert {len(row) for row in added["given"].values()} == {3}
    first = added["answers"][0]["id"]
    supervisor.client.post(page, typed(supervisor.client.get(page)) | {"do": f"down:{first}"})
    moved = step_of(draft)
    assert moved["answers"][1]["id"] == first
    assert moved["default"][1] == added["default"][0]
    data = typed(supervisor.client.get(page)) | {"do": "drop_answer:answer_1"}
    supervisor.client.post(page, data)
    assert "answer_1" not in json.dumps(FlowDraft.objects.get().document)


def test_wrong_numbers_are_told_and_what_was_typed_stays(
    draft: FlowDraft, supervisor: Persona
) -> None:
    data = typed(supervisor.client.get(url("flow_step", CHECK)))
    data |= {"minutes": "-3", "text_zh": "灯亮着吗？"}
    page = supervisor.client.post(url("flow_step", CHECK), data)
    assert page.status_code == 422
    words = page.content.decode()
    assert "灯亮着吗？" in words
    assert 'value="-3"' in words
    assert FlowDraft.objects.get().revision == draft.revision


def test_the_second_author_keeps_every_word_and_sees_the_others(
    draft: FlowDraft, supervisor: Persona, second: Actor
) -> None:
    mine = typed(supervisor.client.get(url("flow_step", CHECK)))
    theirs = json.loads(json.dumps(step_of(draft)))
    theirs["text"] = {"zh": "充电灯是亮的吗？", "en": "Does the light show?"}
    theirs["minutes"] = 2
    drafts.save_step(second, symptom=SYMPTOM, revision=1, step=theirs, now=T0)
    mine |= {"text_zh": "灯亮着吗？", "how_zh": "看机身正面。"}
    page = supervisor.client.post(url("flow_step", CHECK), mine)
    assert page.status_code == 409
    words = page.content.decode()
    for kept in ("灯亮着吗？", "看机身正面。", "充电灯是亮的吗？"):
        assert kept in words
    form = page.context["form"]
    # What only the other one changed follows the other one.
    assert form["text_en"].value() == "Does the light show?"
    assert float(form["minutes"].value()) == 2
    assert step_of(draft)["text"]["zh"] == "充电灯是亮的吗？"
    again = supervisor.client.post(url("flow_step", CHECK), typed(page))
    assert again.status_code == 302
    both = step_of(draft)
    assert both["text"] == {"zh": "灯亮着吗？", "en": "Does the light show?"}
    assert (both["minutes"], both["how"]["zh"]) == (2, "看机身正面。")


def test_words_for_a_step_that_was_taken_out_stay_on_the_page(
    draft: FlowDraft, supervisor: Persona, second: Actor
) -> None:
    mine = typed(supervisor.client.get(url("flow_step", CHECK))) | {"text_zh": "灯亮着吗？"}
    drafts.remove(second, symptom=SYMPTOM, kind="steps", name=CHECK, now=T0)
    page = supervisor.client.post(url("flow_step", CHECK), mine)
    assert page.status_code == 409
    assert "灯亮着吗？" in page.content.decode()
    drafts.undo(second, symptom=SYMPTOM, to=1, now=T0)
    assert supervisor.client.post(url("flow_step", CHECK), mine).status_code == 302
    assert step_of(draft)["text"]["zh"] == "灯亮着吗？"


def test_words_that_come_after_the_draft_was_dropped_stay_on_the_page(
    draft: FlowDraft, supervisor: Persona, second: Actor
) -> None:
    mine = typed(supervisor.client.get(url("flow_step", CHECK))) | {"text_zh": "灯亮着吗？"}
    drafts.save_texts(
        second, symptom=SYMPTOM, revision=1, values={"hint": {"zh": "充不上", "en": "x"}}, now=T0
    )
    drafts.discard(second, symptom=SYMPTOM, revision=2, now=T0)
    # A fresh draft begins at 1 again: with the same content nothing stands in the way.
    answer = supervisor.client.post(url("flow_step", CHECK), mine)
    assert answer.status_code in {302, 409}
    fresh = FlowDraft.objects.get()
    kept = answer.content.decode() + json.dumps(fresh.document, ensure_ascii=False)
    assert "灯亮着吗？" in kept


def test_card_numbers_in_words_are_masked(draft: FlowDraft, supervisor: Persona) -> None:
    data = typed(supervisor.client.get(url("flow_step", CHECK)))
    data["how_en"] = "Type 4111 1111 1111 1111 and wait"
    supervisor.client.post(url("flow_step", CHECK), data)
    stored = json.dumps(FlowDraft.objects.get().document)
    assert "Type " in stored
    assert "1111 1111" not in stored


# --- Problems ------------------------------------------------------------------------


def spoiled(document: dict[str, Any]) -> dict[str, Any]:
    """A document with a fault of many kinds, as a file could bring it."""
    spoilt: dict[str, Any] = json.loads(json.dumps(document))
    check = next(step for step in spoilt["steps"] if step["id"] == CHECK)
    check["text"] = {"zh": "这个问题写得实在是太长太长太长了谁也看不完吧", "en": ""}
    check["answers"][0]["text"]["zh"] = "这个答案写得太长了吧"
    check["minutes"] = 0
    fix = next(step for step in spoilt["steps"] if step["id"] == FIX)
    fix["cures"] = {}
    spoilt["faults"][0]["text"]["en"] = ""
    spoilt["hint"]["zh"] = ""
    spoilt["call"]["minutes"] = -1
    spoilt["steps"][0]["answers"] = spoilt["steps"][0]["answers"][1:]
    spoilt["steps"][0]["default"] = spoilt["steps"][0]["default"][1:]
    spoilt["steps"][0]["given"] = {}
    return spoilt


def test_every_problem_is_told_in_words_and_leads_to_its_field(
    lead: Actor, supervisor: Persona
) -> None:
    shipped = FlowVersion.objects.published().get(symptom=SYMPTOM)
    drafts.bring_in(lead, text=json.dumps(spoiled(shipped.document)), now=T0)
    flow = FlowDraft.objects.get().flow
    problems = validate(flow)
    assert {"length", "language", "minutes", "cures_nothing", "limits", "safety"} <= {
        problem.code for problem in problems
    }
    for problem in problems:
        assert problem_words(problem) != problem.reason
        address, _hash, anchor = problems_url(place_of(problem, flow), SYMPTOM).partition("#")
        page = supervisor.client.get(address)
        assert page.status_code == 200
        if anchor:
            assert f'id="{anchor}"' in page.content.decode(), (problem, anchor)
    overview = supervisor.client.get(url("flow")).content.decode()
    assert overview.count('<li><a href="/settings/flows/') >= len(problems)


def test_every_rule_of_the_flow_has_words() -> None:
    from pathlib import Path  # noqa: PLC0415

    from diagnostics import flow  # noqa: PLC0415

    source = Path(flow.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'Problem\(\s*"(\w+)"', source))
    assert len(codes) > 15
    for code in codes:
        problem = flow.Problem(code, "x", "reason of the rule")
        assert problem_words(problem) != "reason of the rule", code


# --- Preview, comparing, files -------------------------------------------------------


def test_a_preview_shows_the_draft_and_stores_nothing(
    lead: Actor, draft: FlowDraft, supervisor: Persona
) -> None:
    page = supervisor.client.get(url("flow_preview"))
    seen = 0
    while b'name="step"' in page.content:
        step = page.context["step"]
        chosen = "none" if step.id == "safety" else step.answers[0].id
        if step.kind == "fix":
            chosen = "unsolved"
        page = supervisor.client.post(
            page.request["PATH_INFO"] + "?" + page.request["QUERY_STRING"],
            {"step": step.id, "answer": chosen},
            follow=True,
        )
        seen += 1
        assert seen < 20
    assert page.status_code == 200
    assert seen > 2
    assert not DiagnosisRun.objects.exists()
    assert not DiagnosisStep.objects.exists()
    assert FlowDraft.objects.get().revision == draft.revision


@pytest.mark.parametrize(
    "query", ["done=x:y", "done=safety:nothing", "on=moon", "done=" + "a:b," * 900, "done=:::,,,"]
)
def test_an_odd_preview_address_is_no_error(
    draft: FlowDraft, supervisor: Persona, query: str
) -> None:
    assert supervisor.client.get(f"{url('flow_preview')}?{query}").status_code in {200, 302}


def test_a_comparison_is_asked_for_worked_out_and_shown(
    lead: Actor, draft: FlowDraft, supervisor: Persona
) -> None:
    step = json.loads(json.dumps(step_of(draft)))
    step["minutes"] = 9
    drafts.save_step(lead, symptom=SYMPTOM, revision=1, step=step, now=T0)
    compare = url("flow_compare")
    assert "every 2s" not in supervisor.client.get(compare).content.decode()
    supervisor.client.post(url("flow_ask_comparison"))
    waiting = supervisor.client.get(compare, headers={"HX-Request": "true"})
    assert 'hx-trigger="every 2s"' in waiting.content.decode()
    rounds = 0
    while FlowDraft.objects.get().comparison_asked_at is not None:
        comparing.compare_wanted(T0)
        rounds += 1
        assert rounds < 10
    page = supervisor.client.get(compare)
    rows = page.context["rows"]
    assert [row.label for row in rows] == ["Wi-Fi", "移动网络", "网线"]
    for row in rows:
        assert row.published is not None
        assert 0 < row.published["minutes"] <= row.draft["minutes"] < 240
        assert 1 <= len(row.draft["steps"]) <= 3
    assert comparing.compare_wanted(T0) == 0
    later = json.loads(json.dumps(step)) | {"minutes": 8}
    drafts.save_step(lead, symptom=SYMPTOM, revision=2, step=later, now=T0)
    assert supervisor.client.get(compare).context["is_old"]


def test_a_draft_with_problems_is_not_compared(
    lead: Actor, draft: FlowDraft, supervisor: Persona
) -> None:
    text = {"zh": "换一换", "en": "Swap it"}
    drafts.add_step(lead, symptom=SYMPTOM, kind="fix", text=text, after="safety", now=T0)
    supervisor.client.post(url("flow_ask_comparison"))
    assert FlowDraft.objects.get().comparison_asked_at is None


def sent(client: Client, text: str, *, as_file: bool) -> Any:
    data: dict[str, Any] = {"text": text}
    if as_file:
        data = {"file": SimpleUploadedFile("flow.json", text.encode(), "application/json")}
    return client.post(reverse("diagnostics:flow_import"), data)


@pytest.mark.parametrize("as_file", [False, True])
def test_a_saved_file_is_brought_in(
    draft: FlowDraft, supervisor: Persona, *, as_file: bool
) -> None:
    text = supervisor.client.get(url("flow_export")).content.decode()
    supervisor.client.post(url("flow_discard"), {"revision": draft.revision})
    assert not FlowDraft.objects.exists()
    assert sent(supervisor.client, text, as_file=as_file).status_code == 302
    assert FlowDraft.objects.get().digest == draft.digest
    assert parse(json.loads(text)).to_dict() == draft.document


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"id": "no_power", "surprise": 1', "JSON"),
        ('{"id": 7}', "flow.id"),
        ('{"id": "no_power", "title": "\\u0000"}', "flow.title"),
        ("[" * 90_000, ""),
        ("", ""),
    ],
)
def test_a_bad_file_is_explained_and_stays_in_the_page(
    supervisor: Persona, text: str, words: str, *, as_file: bool
) -> None:
    page = sent(supervisor.client, text, as_file=as_file)
    assert page.status_code == 422
    shown = page.content.decode()
    assert words in shown
    assert page.context["form"]["text"].value() in {text, None}
    assert not FlowDraft.objects.exists()


def test_a_file_that_is_no_text_is_no_error(supervisor: Persona) -> None:
    file = SimpleUploadedFile("flow.json", bytes(range(256)) * 40, "application/json")
    answer = supervisor.client.post(reverse("diagnostics:flow_import"), {"file": file})
    assert answer.status_code == 422


def test_a_file_of_many_megabytes_is_refused_for_its_size(supervisor: Persona) -> None:
    file = SimpleUploadedFile("flow.json", b'{"a": "' + b"x" * 3_000_000 + b'"}')
    page = supervisor.client.post(reverse("diagnostics:flow_import"), {"file": file})
    assert page.status_code in {413, 422}
    assert FlowDraft.objects.count() == 0


# --- Publishing through the pages ----------------------------------------------------


def test_publishing_through_the_page_needs_a_second_person_for_safety(
    draft: FlowDraft, supervisor: Persona, administrator: Persona, desk: Persona
) -> None:
    data = typed(supervisor.client.get(url("flow_step", "safety")))
    data["answer_battery_swollen_advice_zh"] = "先别用了，给我们打电话。"
    supervisor.client.post(url("flow_step", "safety"), data)
    shown = supervisor.client.get(url("flow"))
    assert shown.context["safety"] == ["step:safety"]
    assert b"disabled" in shown.content
    form = {
        "revision": shown.context["draft"].revision,
        "against": shown.context["version"].digest,
        "note": "短一点",
    }
    supervisor.client.post(url("flow_publish"), form)
    assert not FlowVersion.objects.exclude(provider=None).exists()
    digest = {"digest": shown.context["draft"].digest}
    supervisor.client.post(url("flow_approve"), digest)
    assert not FlowDraft.objects.get().is_approved
    assert desk.client.post(url("flow_approve"), digest).status_code == 404
    administrator.client.post(url("flow_approve"), digest)
    supervisor.client.post(url("flow_publish"), form)
    version = FlowVersion.objects.exclude(provider=None).get()
    assert (version.note, version.approved_by_name) == ("短一点", administrator.user.name)


def test_who_saved_in_the_draft_is_not_offered_to_approve_it(
    draft: FlowDraft, supervisor: Persona, administrator: Persona
) -> None:
    """A harmless change of words; what the product ships changes its safety under it."""
    data = typed(supervisor.client.get(url("flow_step", CHECK))) | {"text_zh": "灯亮着吗？"}
    supervisor.client.post(url("flow_step", CHECK), data)
    flows = {version.symptom: version.flow for version in FlowVersion.objects.published()}
    flows[SYMPTOM] = dataclasses.replace(flows[SYMPTOM], stop_threshold=0.05)
    publishing.publish(flows.values(), now=clock.now())
    page = supervisor.client.get(url("flow"))
    assert page.context["safety"] == ["flow"]
    assert url("flow_approve") not in page.content.decode()
    assert url("flow_ask_review") in page.content.decode()
    supervisor.client.post(url("flow_approve"), {"digest": page.context["draft"].digest})
    assert not FlowDraft.objects.get().is_approved
    assert url("flow_approve") in administrator.client.get(url("flow")).content.decode()


def test_a_fact_that_drowns_all_others_is_said_in_words_where_it_is_put_right(
    draft: FlowDraft,
) -> None:
    document = json.loads(json.dumps(draft.document))
    name = document["faults"][0]["id"]
    document["faults"][0]["when"] = [{"if": {"connection": ["wifi"]}, "times": 21}]
    (problem,) = validate(parse(document))
    place = place_of(problem, parse(document))
    assert (place.page, place.name, place.field) == ("fault", name, "when_add")
    assert problem_words(problem) != problem.reason


def test_one_click_goes_back(lead: Actor, draft: FlowDraft, supervisor: Persona) -> None:
    data = typed(supervisor.client.get(url("flow_step", CHECK))) | {"text_zh": "灯亮着吗？"}
    supervisor.client.post(url("flow_step", CHECK), data)
    shown = supervisor.client.get(url("flow"))
    form = {
        "revision": shown.context["draft"].revision,
        "against": shown.context["version"].digest,
    }
    supervisor.client.post(url("flow_publish"), form)
    page = supervisor.client.get(url("flow_versions")).content.decode()
    assert 'value="shipped"' in page
    supervisor.client.post(url("flow_restore"), {"version": "shipped", "as": "version"})
    current = FlowVersion.objects.published_for(lead.provider_id).get(symptom=SYMPTOM)
    assert current.provider_id is None
    supervisor.client.post(url("flow_restore"), {"version": "1", "as": "version"})
    current = FlowVersion.objects.published_for(lead.provider_id).get(symptom=SYMPTOM)
    assert (current.version, current.restored_from) == (2, 1)


@pytest.mark.parametrize("revision", ["9" * 5000, "", "x", "-1", "１", "\x00"])
def test_an_odd_revision_is_a_look_at_another_draft(
    draft: FlowDraft, supervisor: Persona, revision: str
) -> None:
    for name in ("flow_publish", "flow_discard"):
        answer = supervisor.client.post(url(name), {"revision": revision}, follow=True)
        assert answer.status_code == 200
    assert FlowDraft.objects.filter(pk=draft.pk).exists()


def test_a_draft_that_is_gone_when_the_deed_begins_is_404(
    draft: FlowDraft, supervisor: Persona, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_args: object, **_more: object) -> None:
        raise FlowDraft.DoesNotExist

    monkeypatch.setattr("diagnostics.actions.drafts.discard", gone)
    answer = supervisor.client.post(url("flow_discard"), {"revision": draft.revision})
    assert answer.status_code == 404
    assert "404" in answer.text or "找不到" in answer.text
