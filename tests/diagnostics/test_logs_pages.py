"""Logs at the desk, by command and by the API: who may, what is kept, what is refused."""

import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

from diagnostics.actions import logs as actions
from diagnostics.log_reader import MAX_BYTES, RejectedLog
from diagnostics.models import DiagnosisRun, LogAnalysis, UnknownCode
from merchants.models import Contact
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from posdoctor.core.errors import NotAllowedError
from posdoctor.core.models import DoorCount
from terminals.models import Terminal
from tests.api.conftest import by_token, issue
from tests.builders import T0, actor_of, make_terminal
from tests.conftest import Persona

CARD = "6222021234567890"
LOG = f"""2026-11-20 10:21:33 IP: 192.168.1.5
2026-11-20 10:21:33 Mask: 255.255.255.0
2026-11-20 10:21:33 Gateway: 192.168.2.1
2026-11-20 10:22:33 签到失败 应答码: 77 card {CARD}
"""


@pytest.fixture
def analysis(desk: Persona, terminal: Terminal) -> LogAnalysis:
    return actions.analyse_log(
        actor_of(desk.seat),
        log=LOG,
        terminal=terminal,
        source=LogAnalysis.Source.PASTE,
        now=T0,
    )


def hand_in(client: Client, **form: Any) -> Any:
    return client.post(reverse("diagnostics:logs"), {"terminal": "", "text": "", **form})


# --- Deeds ------------------------------------------------------------------------------


def test_what_was_found_is_kept_and_the_log_is_not(analysis: LogAnalysis, desk: Persona):
    analysis.refresh_from_db()
    assert analysis.ref.startswith("L-")
    assert (analysis.made_by_id, analysis.made_by_name) == (desk.user.pk, desk.user.name)
    assert analysis.findings["evidence"] == ["bad_ip", "code_batch"]
    assert analysis.findings["masked"]["pan"] == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT diagnostics_loganalysis::text FROM diagnostics_loganalysis")
        (row,) = cursor.fetchone()
    assert CARD not in row
    assert "签到失败 应答码" not in row


@pytest.mark.parametrize("role", [Role.FIELD, Role.MERCHANT, Role.REPORTER, Role.OPERATOR, None])
@pytest.mark.django_db
def test_others_than_the_desk_may_not(role: Role | None, terminal: Terminal):
    actor = Actor(role=role, provider_id=terminal.provider_id, user_id=1)
    with pytest.raises(NotAllowedError):
        actions.analyse_log(
            actor, log=LOG, terminal=terminal, source=LogAnalysis.Source.PASTE, now=T0
        )
    assert not LogAnalysis.objects.exists()


def test_rows_are_seen_by_the_own_desk_alone(
    analysis: LogAnalysis, desk: Persona, supervisor: Persona, outsider: Persona, field: Persona
):
    def seen(persona: Persona) -> bool:
        return LogAnalysis.objects.visible_to(actor_of(persona.seat)).exists()

    assert seen(desk)
    assert seen(supervisor)
    assert not seen(outsider)
    assert not seen(field)
    assert not LogAnalysis.objects.visible_to(Actor()).exists()


def test_the_database_refuses_a_terminal_of_another_provider(analysis: LogAnalysis):
    analysis.terminal = make_terminal()
    analysis.save()
    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_check_begins_with_what_the_log_answers(analysis: LogAnalysis, desk: Persona):
    run = actions.check_from_log(
        actor_of(desk.seat),
        analysis_id=analysis.pk,
        symptom="cannot_sign_in",
        language="en",
        now=T0,
    )
    assert (run.terminal_id, run.language) == (analysis.terminal_id, "en")
    assert {(answer, source) for _step, answer, source in run.given} >= {("code_batch", "log")}
    assert any(step == "bad_ip" for step, _answer, _source in run.given)


def test_codes_that_no_table_has_wait_for_the_desk(desk: Persona, terminal: Terminal):
    log = "\n".join(["签到失败 应答码: 8Z", "签到失败 应答码: 8Z", "签到失败 应答码: 77"])
    more = "\n".join(f"应答码: {n % 10}{'xyz'[n // 10]}" for n in range(30))
    for text in (log, f"{log}\n{more}"):
        actions.analyse_log(
            actor_of(desk.seat), log=text, terminal=terminal,
            source=LogAnalysis.Source.PASTE, now=T0,
        )  # fmt: skip
    waiting = UnknownCode.objects.order_by("first_seen_at", "pk")
    assert [(row.code, row.times) for row in waiting][:1] == [("8Z", 2)]
    assert waiting.count() == 10  # a log of nothing but codes does not fill the queue
    assert {row.model_id for row in waiting} == {terminal.model_id}


def test_what_logs_said_goes_after_half_a_year(analysis: LogAnalysis):
    assert actions.purge_logs(now=T0 + timedelta(days=180)) == 0
    assert actions.purge_logs(now=T0 + timedelta(days=180, seconds=1)) == 1
    assert not LogAnalysis.objects.exists()


def test_no_check_without_a_terminal(analysis: LogAnalysis, desk: Persona):
    LogAnalysis.objects.update(terminal=None)
    with pytest.raises(actions.NoTerminalError):
        actions.check_from_log(
            actor_of(desk.seat), analysis_id=analysis.pk, symptom="declines", language="", now=T0
        )


# --- Pages ------------------------------------------------------------------------------


def test_a_pasted_log_becomes_a_page(desk: Persona, terminal: Terminal):
    response = hand_in(desk.client, terminal=terminal.serial.lower(), text=LOG)
    assert response.status_code == 303
    page = desk.client.get(response["Location"])
    assert page.status_code == 200
    text = page.content.decode()
    assert "77" in text
    assert "192.168.2.1" in text
    assert CARD not in text
    assert page.context["suggestions"][0]["id"] == "cannot_sign_in"
    assert page.context["problems"]


def test_an_uploaded_archive_is_read(desk: Persona):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("pos.log", LOG)
    response = hand_in(desk.client, file=SimpleUploadedFile("pos.zip", out.getvalue()))
    made = LogAnalysis.objects.get()
    assert response["Location"] == reverse("diagnostics:log", args=[made.ref])
    assert (made.source, made.terminal) == ("upload", None)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, "text"),
        ({"text": "  \n "}, "text"),
        ({"text": "x", "terminal": "P-000000"}, "terminal"),
        ({"text": "x", "file": SimpleUploadedFile("a.log", b"y")}, "file"),
        ({"file": SimpleUploadedFile("a.zip", b"PK\x03\x04broken")}, "file"),
        ({"file": SimpleUploadedFile("a.log", b"")}, "file"),
        ({"file": SimpleUploadedFile("a.png", b"\x89PNG\r\n\x1a\n\0\0")}, "file"),
        ({"text": "a" * 300_001}, "text"),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field(desk: Persona, form: Any, field: str):
    response = hand_in(desk.client, **form)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not LogAnalysis.objects.exists()


def test_two_terminals_that_fit_are_not_one(desk: Persona, terminal: Terminal):
    make_terminal(terminal.store, serial=f"{terminal.serial}X")
    response = hand_in(desk.client, terminal=terminal.serial, text=LOG)
    # The whole serial of one of them is part of the other's.
    assert list(response.context["form"].errors) == ["terminal"]


def test_a_terminal_of_others_is_not_known(desk: Persona):
    response = hand_in(desk.client, terminal=make_terminal().ref, text=LOG)
    assert list(response.context["form"].errors) == ["terminal"]


def test_a_file_that_is_too_large_is_refused_before_it_is_read(desk: Persona):
    large = SimpleUploadedFile("a.log", b"a" * (MAX_BYTES + 1))
    response = hand_in(desk.client, file=large)
    assert list(response.context["form"].errors) == ["file"]
    response = desk.client.post(reverse("diagnostics:logs"), CONTENT_LENGTH=str(99 * 1024 * 1024))
    assert response.status_code == 413


def test_a_form_without_its_token_is_refused(desk: Persona):
    client = Client(enforce_csrf_checks=True)
    client.cookies = desk.client.cookies
    assert hand_in(client, text=LOG).status_code == 403
    assert not LogAnalysis.objects.exists()


def test_a_log_that_says_nothing_has_a_page_too(desk: Persona):
    response = hand_in(desk.client, text="hello\nnothing of use to anybody here at all\n")
    page = desk.client.get(response["Location"])
    assert page.context["is_empty"]
    assert page.context["suggestions"] == []


def test_the_button_begins_a_check_led_by_the_desk(analysis: LogAnalysis, desk: Persona):
    Contact.objects.update(language="en")
    response = desk.client.post(
        reverse("diagnostics:check_log", args=[analysis.ref]), {"symptom": "cannot_sign_in"}
    )
    run = DiagnosisRun.objects.get()
    assert response.status_code == 303
    assert response["Location"] == reverse("tickets:new_step", args=[run.ref])
    assert (run.language, run.browser_key) == ("en", "")
    assert desk.client.get(response["Location"]).status_code == 200


def test_an_unknown_symptom_begins_nothing(analysis: LogAnalysis, desk: Persona):
    url = reverse("diagnostics:check_log", args=[analysis.ref])
    assert desk.client.post(url, {"symptom": "nonsense"}).status_code == 404
    assert not DiagnosisRun.objects.exists()


@pytest.mark.parametrize("state", ["in_stock", "in_repair", None])
def test_only_a_terminal_in_a_shop_is_checked(
    analysis: LogAnalysis, desk: Persona, state: str | None
):
    if state:
        Terminal.objects.filter(log_analyses=analysis).update(state=state)
    else:
        LogAnalysis.objects.update(terminal=None)
    page = desk.client.get(reverse("diagnostics:log", args=[analysis.ref]))
    assert not page.context["can_check"]
    url = reverse("diagnostics:check_log", args=[analysis.ref])
    assert desk.client.post(url, {"symptom": "cannot_sign_in"}).status_code == 409
    assert not DiagnosisRun.objects.exists()


def test_the_form_of_a_terminal_begins_with_it(analysis: LogAnalysis, desk: Persona):
    terminal = analysis.terminal
    page = desk.client.get(reverse("terminals:terminal", args=[terminal.ref]))
    address = f"{reverse('diagnostics:logs')}?terminal={terminal.ref}"
    assert address in page.content.decode()
    form = desk.client.get(address)
    assert form.context["form"]["terminal"].value() == terminal.ref
    assert [one.ref for one in form.context["analyses"]] == [analysis.ref]
    other = desk.client.get(f"{reverse('diagnostics:logs')}?terminal=P-ZZZZZZ")
    assert other.context["analyses"] == []


def test_reading_again_and_again_is_slowed_down(desk: Persona):
    door = actions.LOGS_BY_PERSON
    for _ in range(door.limit):
        assert hand_in(desk.client, text="code: 96").status_code == 303
    assert hand_in(desk.client, text="code: 96").status_code == 429
    DoorCount.objects.all().delete()
    assert hand_in(desk.client, text="code: 96").status_code == 303


# --- Command ----------------------------------------------------------------------------


class Stdin:
    """Standard input that holds these bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(data: bytes, *arguments: str) -> Any:
        with patch("sys.stdin", Stdin(data)):
            call_command("read_log", *arguments)
        return json.loads(capsys.readouterr().out)

    return run


def test_the_command_reads_standard_input_and_files(printed: Any, tmp_path: Any):
    shown = printed(LOG.encode())
    assert list(shown) == [
        "codes", "texts", "network", "versions", "times", "masked", "symptoms",
    ]  # fmt: skip
    assert [code["code"] for code in shown["codes"]] == ["77"]
    file = tmp_path / "pos.log"
    file.write_text(LOG, encoding="gb18030")
    assert printed(b"", str(file)) == shown
    assert CARD not in json.dumps(shown)


@pytest.mark.parametrize("data", [b"", b"\0" * 99, b"PK\x03\x04x", b"a" * (MAX_BYTES + 5)])
def test_the_command_refuses_in_one_line(printed: Any, data: bytes):
    with pytest.raises(CommandError) as caught:
        printed(data)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["/nowhere/at/all.log", "/", "a\0b"])
def test_the_command_says_which_file_it_cannot_read(printed: Any, name: str):
    with pytest.raises(CommandError):
        printed(b"", name)


# --- API --------------------------------------------------------------------------------


def test_the_api_gives_what_the_command_prints(desk: Persona, terminal: Terminal, printed: Any):
    caller = by_token(issue(desk))
    response = caller.post("log-analyses/", {"terminal": terminal.ref, "text": LOG})
    assert response.status_code == 201, response.content
    body = response.json()
    made = LogAnalysis.objects.get()
    assert (body["ref"], body["terminal"], made.source) == (made.ref, terminal.ref, "api")
    assert body["evidence"] == ["bad_ip", "code_batch"]
    shown = printed(LOG.encode())
    assert {name: body[name] for name in shown if name != "symptoms"} == {
        name: value for name, value in shown.items() if name != "symptoms"
    }
    assert [one["id"] for one in body["symptoms"]] == [one["id"] for one in shown["symptoms"]]


def test_the_api_takes_a_file(desk: Persona):
    upload = SimpleUploadedFile("pos.log", LOG.encode())
    response = by_token(issue(desk)).form("log-analyses/", {"file": upload})
    assert response.status_code == 201, response.content
    assert response.json()["terminal"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": " "}, "text"),
        ({"text": "x", "terminal": "P-ZZZZZZ"}, "terminal"),
        ({"text": "a" * 300_001}, "text"),
        ({"text": "x", "colour": "red"}, "colour"),
        ({"file": "x"}, "file"),
    ],
)
def test_the_api_refuses_in_one_shape(desk: Persona, body: Any, field: str):
    response = by_token(issue(desk)).post("log-analyses/", body)
    assert response.status_code == 422, response.content
    assert field in response.json()["fields"]


@pytest.mark.parametrize("data", [b"PK\x03\x04broken", b"\0\1\2" * 99, b""])
def test_the_api_refuses_files_that_are_no_logs(desk: Persona, data: bytes):
    upload = SimpleUploadedFile("a.bin", data)
    response = by_token(issue(desk)).form("log-analyses/", {"file": upload})
    assert response.status_code == 422
    assert list(response.json()["fields"]) == ["file"]
    assert not LogAnalysis.objects.exists()


def test_the_api_is_the_desks_alone_and_for_its_terminals(
    field: Persona, desk: Persona, outsider: Persona, terminal: Terminal
):
    body = {"terminal": terminal.ref, "text": LOG}
    assert by_token(issue(field)).post("log-analyses/", body).status_code == 403
    assert by_token(issue(outsider)).post("log-analyses/", body).status_code == 422
    assert by_token(issue(desk, can_write=False)).post("log-analyses/", body).status_code == 403


def test_the_api_is_slowed_down_even_where_reading_fails(desk: Persona):
    caller = by_token(issue(desk))
    for _ in range(actions.LOGS_BY_PERSON.limit):
        assert caller.post("log-analyses/", {"text": " "}).status_code == 422
    response = caller.post("log-analyses/", {"text": "code: 96"})
    assert response.status_code == 429
    assert response.headers["Retry-After"]


def test_a_large_log_does_not_wait_for_another(desk: Persona):
    """A wait would hold one of the few threads that serve everybody's pages."""
    text = ("x" * 78 + "\n") * 8000
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.log", text)
    for data in (text.encode(), archive.getvalue()):
        with actions._ONE_LARGE:
            answer = hand_in(desk.client, file=SimpleUploadedFile("a.log", data))
        assert answer.status_code == 429
        assert "正在读另一份大日志" in answer.text
    assert not LogAnalysis.objects.exists()
    assert hand_in(desk.client, file=SimpleUploadedFile("a.log", data)).status_code == 303
    with actions._ONE_LARGE:  # small ones are read meanwhile
        assert hand_in(desk.client, text=LOG).status_code == 303


def test_large_logs_have_a_door_of_their_own(desk: Persona):
    data = (("x" * 78 + "\n") * 7000).encode()
    for _ in range(6):
        assert hand_in(desk.client, file=SimpleUploadedFile("a.log", data)).status_code == 303
    assert hand_in(desk.client, file=SimpleUploadedFile("a.log", data)).status_code == 429
    assert hand_in(desk.client, text=LOG).status_code == 303


@pytest.mark.parametrize("odd", ["%00", "A%00B", "/", "../x", "%2F"])
def test_an_odd_address_is_no_fault_of_ours(desk: Persona, odd: str):
    for path in ("/desk/logs/?terminal=", "/desk/codes/new?for="):
        assert desk.client.get(f"{path}{odd}").status_code in {200, 404}


def test_a_repeat_with_the_same_key_reads_once(desk: Persona):
    caller = by_token(issue(desk))
    first = caller.post("log-analyses/", {"text": LOG}, **{"Idempotency-Key": "k1"})
    again = caller.post("log-analyses/", {"text": LOG}, **{"Idempotency-Key": "k1"})
    assert first.json() == again.json()
    assert LogAnalysis.objects.count() == 1


def test_a_refused_log_raises_out_of_the_action(desk: Persona):
    with pytest.raises(RejectedLog):
        actions.analyse_log(
            actor_of(desk.seat),
            log=b"\0\0",
            terminal=None,
            source=LogAnalysis.Source.UPLOAD,
            now=clock.now(),
        )
