"""Guided diagnoses through the API, up to the report."""

from typing import Any

import pytest

from diagnostics.models import DiagnosisRun
from terminals.models import Terminal
from tests.api.conftest import Caller, by_session
from tests.api.test_entry import refusal
from tests.conftest import Persona
from tickets.models import Ticket


def start(caller: Caller, terminal: Terminal, **more: Any) -> dict[str, Any]:
    body = {"terminal": terminal.ref, "symptom": "network_down", **more}
    answer = caller.post("diagnoses/", body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def answer_all(caller: Caller, run: dict[str, Any], pick: int) -> dict[str, Any]:
    """Answers every step with its `pick`-th answer until the end."""
    for _ in range(40):
        if run["next"] is None:
            return run
        step = run["next"]
        choice = step["answers"][min(pick, len(step["answers"]) - 1)]["id"]
        body = {"step": step["step"], "answer": choice}
        given = caller.post(f"diagnoses/{run['ref']}/answers/", body)
        assert given.status_code == 200, given.content
        run = given.json()
    raise AssertionError("no end")


def test_a_walk_begins_with_safety(api: Caller, terminal: Terminal):
    run = start(api, terminal)
    assert set(run) >= {"ref", "state", "next", "why", "steps_done", "stop_use"}
    assert (run["state"], run["steps_done"], run["stop_use"]) == ("running", 0, False)
    assert set(run["next"]) >= {"step", "kind", "question", "how", "answers", "minutes"}
    assert run["why"]
    assert run["outcome"] is None


def test_texts_are_in_the_language_of_the_walk(api: Caller, terminal: Terminal):
    english = start(api, terminal, language="en")["next"]["question"]
    chinese = start(api, terminal, language="zh-hans")["next"]["question"]
    assert english.isascii() or "’" in english
    assert not chinese.isascii()


@pytest.mark.parametrize("pick", [0, 1, 2])
def test_every_walk_ends(pick: int, api: Caller, terminal: Terminal):
    run = answer_all(api, start(api, terminal), pick)
    assert run["outcome"]["kind"] in {"solved", "call", "stop_use"}
    assert run["outcome"]["advice"]
    assert run["steps_done"] == len(run["answers"]) > 0


def test_probability_is_for_the_desk(api: Caller, merchant: Persona, terminal: Terminal):
    shop = by_session(merchant)
    run = start(shop, terminal)
    ended = shop.get(f"diagnoses/{answer_all(shop, run, 1)['ref']}/").json()
    causes = ended["outcome"]["causes"]
    assert causes
    assert all(set(cause) == {"id", "text"} for cause in causes)
    seen = api.get(f"diagnoses/{run['ref']}/").json()["outcome"]["causes"]
    assert all(0 <= cause["probability"] <= 1 for cause in seen)


def test_a_wrong_step_or_answer_is_422_and_changes_nothing(api: Caller, terminal: Terminal):
    run = start(api, terminal)
    path = f"diagnoses/{run['ref']}/answers/"
    step = run["next"]["step"]
    wrong_answer = api.post(path, {"step": step, "answer": "perhaps"})
    assert list(refusal(wrong_answer, 422, "invalid")["fields"]) == ["answer"]
    wrong_step = api.post(path, {"step": "no_such", "answer": "yes"})
    assert list(refusal(wrong_step, 422, "invalid")["fields"]) == ["step"]
    assert api.get(f"diagnoses/{run['ref']}/").json()["steps_done"] == 0


def test_answering_an_earlier_step_again_drops_what_followed(api: Caller, terminal: Terminal):
    run = start(api, terminal)
    path = f"diagnoses/{run['ref']}/answers/"
    first = run["next"]
    choices = [answer["id"] for answer in first["answers"]]
    second = api.post(path, {"step": first["step"], "answer": choices[-1]}).json()
    if second["next"]:
        step = second["next"]
        api.post(path, {"step": step["step"], "answer": step["answers"][0]["id"]})
    again = api.post(path, {"step": first["step"], "answer": choices[0]}).json()
    assert again["steps_done"] == 1
    assert again["answers"][0]["answer"] == choices[0]
    same = api.post(path, {"step": first["step"], "answer": choices[0]}).json()
    assert same == again


def test_wrong_terminal_or_symptom(api: Caller, outsider: Persona, terminal: Terminal):
    body = {"terminal": terminal.ref, "symptom": "network_down"}
    for caller, change, field in (
        (api, {"symptom": "nothing"}, "symptom"),
        (api, {"terminal": "P-222222"}, "terminal"),
        (by_session(outsider), {}, "terminal"),
    ):
        answer = caller.post("diagnoses/", {**body, **change})
        assert list(refusal(answer, 422, "invalid")["fields"]) == [field]
    assert not DiagnosisRun.objects.exists()


def test_the_report_is_filed_once_with_all_that_was_found(api: Caller, terminal: Terminal):
    run = answer_all(api, start(api, terminal), 1)
    path = f"diagnoses/{run['ref']}/report/"
    body = {"contact_phone": "13800005521", "impact": "some", "note": "还是不行"}
    first = api.post(path, body)
    second = api.post(path, {**body, "impact": "all"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    ticket = Ticket.objects.get()
    assert first.json()["ticket"] == ticket.ref
    assert first.json()["track_url"].endswith(f"/r/{ticket.track_token}")
    assert ticket.run.ref == run["ref"]
    assert ticket.impact == "some"
    step = run["answers"][0]
    late = api.post(
        f"diagnoses/{run['ref']}/answers/", {"step": step["step"], "answer": step["answer"]}
    )
    refusal(late, 409, "illegal_move")


def test_a_stop_answer_stops_the_terminal(api: Caller, terminal: Terminal):
    run = start(api, terminal)
    version = DiagnosisRun.objects.get().flow_version
    stops = {a.id for s in version.flow.steps for a in s.answers if a.stop}
    choice = next(a["id"] for a in run["next"]["answers"] if a["id"] in stops)
    body = {"step": run["next"]["step"], "answer": choice}
    stopped = api.post(f"diagnoses/{run['ref']}/answers/", body).json()
    assert (stopped["state"], stopped["stop_use"]) == ("stop_use", True)
    assert stopped["outcome"]["kind"] == "stop_use"
    assert api.get(f"terminals/{terminal.ref}/").json()["state"] == "stopped"


def test_symptoms_of_a_terminal(api: Caller, terminal: Terminal):
    every = api.get("symptoms/").json()["results"]
    own = api.get(f"symptoms/?terminal={terminal.ref}").json()["results"]
    assert {row["id"] for row in own} <= {row["id"] for row in every}
    assert "network_down" in {row["id"] for row in own}
    refusal(api.get("symptoms/?terminal=P-222222"), 422, "invalid")
