"""Pages and API of minimum versions: what is expected, who is behind, who may say so."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from html import unescape

import pytest

from posdoctor.accounts.models import Provider
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from terminals.models import MinimumVersion, Terminal
from tests.api.conftest import Caller, by_session, by_token, issue
from tests.builders import (
    make_membership,
    make_minimum,
    make_model,
    make_provider,
    make_seat,
    make_store,
    make_terminal,
)
from tests.conftest import Persona, signed_in

PAGE = "/settings/versions/"
LIST = "/desk/terminals/"
FIELDS = {"app_version": "3.2.14", "firmware": "", "since": "2026-01-31"}


def page_of(terminal: Terminal, deed: str = "") -> str:
    return f"{PAGE}{terminal.model.slug}/{deed}"


def cells(page: str, model: str) -> list[str]:
    """The texts of a model's row, without marks."""
    row = next(part for part in page.split("<tr>") if f"/{model}/" in part)
    texts = [part.partition("</td>")[0] for part in row.split("<td")[1:]]
    return [
        " ".join(unescape("".join(bit.partition(">")[2] for bit in f"<{text}".split("<"))).split())
        for text in texts
    ]


@pytest.fixture
def estate(provider: Provider) -> list[Terminal]:
    """Of one model: two behind, one as expected, one unknown, one behind in repair."""
    model = make_model(slug="m920")
    shop = make_store(provider)
    return [
        make_terminal(shop, model=model, app_version="3.2.9", serial="OLD0001"),
        make_terminal(shop, model=model, app_version="3.1", firmware="V1", serial="OLD0002"),
        make_terminal(shop, model=model, app_version="3.2.14", serial="NEW0001"),
        make_terminal(shop, model=model, serial="WHO0001"),
        make_terminal(shop, model=model, app_version="1.0", state="in_repair", serial="FIX0001"),
    ]


# --- Pages ---------------------------------------------------------------------------


def test_the_table_counts_per_model(supervisor: Persona, provider: Provider, estate):
    make_terminal(make_store(provider), model=make_model(slug="m910"))
    make_terminal(make_store(provider), model=make_model(slug="mgone"), state="retired")
    make_terminal(make_store(), model=estate[0].model, app_version="1.0")
    make_minimum(estate[0], app_version="3.2.14")
    page = supervisor.client.get(PAGE).text
    assert cells(page, "m920")[2:] == ["4", "2", "1"]
    assert "3.2.14" in cells(page, "m920")[1]
    assert cells(page, "m910")[2:] == ["1", "–", "–"]
    assert "/mgone/" not in page


def test_before_its_day_nobody_is_counted(supervisor: Persona, estate):
    tomorrow = clock.now().date() + timedelta(days=2)
    make_minimum(estate[0], app_version="3.2.14", since=tomorrow)
    assert cells(supervisor.client.get(PAGE).text, "m920")[2:] == ["4", "–", "–"]
    assert not supervisor.client.get(LIST, {"version": "behind"}).context["page"].terminals
    assert "低于最低版本" not in supervisor.client.get(f"{LIST}{estate[0].ref}/").text


def test_the_table_costs_the_same_for_many_terminals(
    supervisor: Persona,
    estate,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]],
):
    for number in range(40):
        make_terminal(make_store(estate[0].provider), app_version=f"3.{number}")
        make_minimum(Terminal.objects.latest("pk"), app_version="3.2.14")
    supervisor.client.get(PAGE)
    with django_assert_max_num_queries(10):
        assert supervisor.client.get(PAGE).status_code == 200


def test_without_terminals_the_page_says_what_to_do(supervisor: Persona):
    page = supervisor.client.get(PAGE).text
    assert "/desk/terminals/new" in page
    assert "<table" not in page


def test_the_list_shows_those_that_were_counted(desk: Persona, estate):
    make_minimum(estate[0], app_version="3.2.14")

    def serials(**query: str) -> list[str]:
        page = desk.client.get(LIST, {"version": "behind", **query}).context["page"]
        return [terminal.serial for terminal in page.terminals]

    assert serials() == ["OLD0001", "OLD0002"]
    assert serials(model="m920") == ["OLD0001", "OLD0002"]
    assert serials(state="in_repair") == ["FIX0001"]
    assert serials(q="OLD0002") == ["OLD0002"]


def test_a_foreign_minimum_touches_nobody(desk: Persona, estate):
    foreign = make_terminal(make_store(make_provider()), model=estate[0].model)
    make_minimum(foreign, app_version="3.2.14")
    assert not desk.client.get(LIST, {"version": "behind"}).context["page"].terminals


def test_a_lead_sets_changes_and_removes_a_minimum(supervisor: Persona, terminal: Terminal):
    url = page_of(terminal)
    assert 'value="20' in supervisor.client.get(url).text  # today, where nothing is known
    answer = supervisor.client.post(url, FIELDS, follow=True)
    assert "最低版本已保存" in answer.text
    minimum = MinimumVersion.objects.get()
    assert (minimum.app_version, minimum.firmware) == ("3.2.14", "")
    assert str(minimum.since) == "2026-01-31"
    assert minimum.changed_by_name == supervisor.user.name
    page = supervisor.client.get(url).text
    assert 'value="3.2.14"' in page
    assert 'value="2026-01-31"' in page
    supervisor.client.post(url, FIELDS | {"app_version": "", "firmware": "V2"})
    assert MinimumVersion.objects.get().firmware == "V2"
    assert supervisor.client.get(page_of(terminal, "drop")).status_code == 405
    supervisor.client.post(page_of(terminal, "drop"))
    assert not MinimumVersion.objects.exists()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"app_version": "", "firmware": " "}, "请填写应用版本或固件"),
        ({"app_version": "latest"}, "版本里要有数字"),
        ({"firmware": "4111 1111 1111 1111"}, "卡号"),
        ({"since": "soon"}, "2026-11-20"),
        ({"since": ""}, "2026-11-20"),
        ({"app_version": "1" * 31}, "30"),
        ({"firmware": "a\0b1"}, ""),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_stays(
    supervisor: Persona, terminal: Terminal, typed: dict[str, str], says: str
):
    answer = supervisor.client.post(page_of(terminal), FIELDS | {"firmware": "V7"} | typed)
    assert answer.status_code == 422
    assert says in answer.text
    if "firmware" not in typed:
        assert 'value="V7"' in answer.text
    assert not MinimumVersion.objects.exists()


def test_the_page_of_a_model_shows_its_versions(supervisor: Persona, estate):
    make_minimum(estate[0], app_version="3.2.14")
    known = supervisor.client.get(page_of(estate[0])).context["known"]
    assert {(one.app_version, one.firmware, one.terminals): says for one, says in known} == {
        ("3.2.9", "", 1): True,
        ("3.1", "V1", 1): True,
        ("3.2.14", "", 1): False,
        ("", "", 1): None,
    }


def test_others_have_no_such_page(desk: Persona, field: Persona, terminal: Terminal):
    for persona in (desk, field):
        for url in (PAGE, page_of(terminal)):
            assert persona.client.get(url).status_code == 404
        assert persona.client.post(page_of(terminal), FIELDS).status_code == 404
        assert persona.client.post(page_of(terminal, "drop")).status_code == 404
        assert PAGE not in persona.client.get("/desk/").text
    assert not MinimumVersion.objects.exists()


def test_another_providers_lead_sees_and_drops_only_the_own(
    other_provider: Provider, terminal: Terminal
):
    make_minimum(terminal, app_version="8.8.8")
    lead = signed_in(make_seat(other_provider, Role.SUPERVISOR).user)
    assert "8.8.8" not in lead.get(PAGE).text
    assert "8.8.8" not in lead.get(page_of(terminal)).text
    lead.post(page_of(terminal, "drop"))
    assert MinimumVersion.objects.get().app_version == "8.8.8"
    assert lead.get(f"{PAGE}nosuch/").status_code == 404


def test_a_terminals_page_marks_what_is_behind(desk: Persona, provider: Provider):
    terminal = make_terminal(make_store(provider), app_version="3.2.14", firmware="V1.0.8")
    url = f"{LIST}{terminal.ref}/"
    assert "低于最低版本" not in desk.client.get(url).text
    make_minimum(terminal, app_version="3.2.14", firmware="V1.0.9")
    page = desk.client.get(url).text
    assert page.count("低于最低版本") == 1
    assert "V1.0.9" in page


# --- API -----------------------------------------------------------------------------


@pytest.fixture
def lead(supervisor: Persona) -> Caller:
    return by_session(supervisor)


def put(caller: Caller, slug: str, body: object = None, **headers: str):
    return caller.put(f"minimum-versions/{slug}/", FIELDS if body is None else body, **headers)


def test_the_api_sets_lists_and_drops(lead: Caller, estate):
    told = put(lead, "m920").json()
    assert told["model"]["id"] == "m920"
    assert (told["app_version"], told["firmware"], told["since"]) == ("3.2.14", "", "2026-01-31")
    assert (told["in_use"], told["behind"], told["unknown"]) == (4, 2, 1)
    assert lead.get("minimum-versions/").json()["results"] == [told]
    found = lead.get("terminals/", {"version": "behind"}).json()["results"]
    assert [row["serial"] for row in found] == ["OLD0001", "OLD0002"]
    found = lead.get("terminals/", {"version": "behind", "state": "in_repair"}).json()["results"]
    assert [row["serial"] for row in found] == ["FIX0001"]
    assert lead.delete("minimum-versions/m920/").status_code == 204
    assert lead.delete("minimum-versions/m920/").status_code == 404
    assert lead.get("minimum-versions/").json()["results"] == []


def test_the_api_pages_by_model(lead: Caller, provider: Provider):
    for slug in ("c3", "a1", "b2"):
        shop = make_store(provider)
        make_minimum(make_terminal(shop, model=make_model(slug=slug)), app_version="1.0")
    first = lead.get("minimum-versions/", {"page_size": 2}).json()
    second = lead.client.get(first["next"]).json()
    slugs = [row["model"]["id"] for row in first["results"] + second["results"]]
    assert slugs == ["a1", "b2", "c3"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "since"),
        ({"since": "2026-01-31"}, "app_version"),
        ({"since": "2026-01-31", "firmware": "latest"}, "firmware"),
        ({"since": "x", "firmware": "V1"}, "since"),
        (FIELDS | {"provider": 1}, "provider"),
    ],
)
def test_the_api_says_what_is_wrong(lead: Caller, estate, body: dict[str, object], field: str):
    answer = put(lead, "m920", body)
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [field]
    assert put(lead, "nosuch").status_code == 404


def test_a_repeated_put_answers_as_before(lead: Caller, estate):
    first = put(lead, "m920", idempotency_key="k1")
    Terminal.objects.update(app_version="9.9")
    again = put(lead, "m920", idempotency_key="k1")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert put(lead, "m920").json()["behind"] == 0


def test_scopes_and_roles_of_the_api(supervisor: Persona, desk: Persona, estate):
    only_reads = by_token(issue(supervisor, can_write=False))
    elsewhere = by_token(issue(supervisor, areas=("tickets",)))
    assert only_reads.get("minimum-versions/").status_code == 200
    for caller in (only_reads, elsewhere):
        assert put(caller, "m920").json()["code"] == "token_scope"
    desk_caller = by_session(desk)
    assert desk_caller.get("minimum-versions/").status_code == 404
    assert put(desk_caller, "m920").status_code == 404
    make_minimum(estate[0], app_version="3.2.14")
    assert desk_caller.delete("minimum-versions/m920/").status_code == 404
    member = by_session(Persona("member", signed_in(make_membership(estate[0].store).user)))
    found = member.get("terminals/", {"version": "behind"}).json()["results"]
    assert found == []  # what a provider expects is its own business
    assert MinimumVersion.objects.count() == 1
