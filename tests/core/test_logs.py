"""No line holds card data or people's data; every line is one object."""

import json
import logging
import time
from collections.abc import Callable

import pytest
from celery import current_app
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from post_office import mail
from pytest_django import Settings

from posdoctor.accounts.models import User
from posdoctor.core import logs, views
from terminals.models import Terminal
from tests.builders import make_ticket
from tests.conftest import Persona
from tests.core.conftest import Lines

CARD = "4111111111111111"
PHONE = "13800005521"
EMAIL = "wang.laoban@example.cn"
NAME = "王老板的姓名"
TYPED = "电话簿里没有的话"
logger = logging.getLogger("tests.logs")


@pytest.mark.parametrize(
    "text",
    [
        PHONE, "138 0000 5521", "138-0000-5521", "+8613800005521", "008613800005521",
        "１３８００００５５２１", "tel:13800005521", "x13800005521y", "(028) 8765 4321",
        "028-87654321", "02887654321", "010-8765 4321", "+44 20 7123 4567", EMAIL,
        "wang.laoban%40example.cn", "王wang.laoban＠example.com.cn",
    ],
)  # fmt: skip
def test_phones_and_addresses_are_masked(text: str) -> None:
    masked = logs.mask(f"before '{text}' after")
    assert sum(character.isdigit() for character in masked) == 0
    assert "laoban" not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET /r/Zk3xTq9 gone", "GET /r/[removed] gone"),
        ("/t/A2B3C4D5/report?lang=en", "/t/[removed]/report?[removed]"),
        ("at /desk/search?q=laowang", "at /desk/search?[removed]"),
        ("/account/reset/1a-c9x-33/", "/account/reset/[removed]/"),
        ("redis://:s3cret@queue:6379/0", "redis://[removed]@queue:6379/0"),
        ("postgres://posdoctor:s3cret@db:5432/x", "postgres://[removed]@db:5432/x"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [removed]"),
        ("Cookie: sessionid=abc123; x=1", "Cookie: sessionid=[removed]; x=1"),
        ("Invalid request from ip=203.0.113.9: no", "Invalid request from ip=[removed] no"),
        ("bad\nDETAIL:  Failing row contains (1, 王)", "bad\nDETAIL: [removed]"),
    ],
)
def test_secrets_in_addresses_are_masked(text: str, masked: str) -> None:
    assert logs.mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "GET /r/<token> 200 12 ms nobody",
        "/desk/t/<ticket_ref:ref>/ 404",
        "Task tickets.sweep[2f1c9a52-0d3e-4a77-9b1e-1389f0a1b2c3] received",
        "tick: 500 clocks, 500 alerts, 12.3 s late",
        "2026-11-21T16:49:33.892+00:00",
        "succeeded in 0.012345678901s",
        "1763743773892 milliseconds",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert logs.mask(text) == text


@pytest.mark.parametrize(
    "unit",
    ["a", "1", "1 ", "a.b@", "0", "/r/", "+1", "138", "?a=", "a?", "://", "(0", "ip=", "DETAIL: "],
)
def test_a_hostile_line_is_masked_in_bearable_time(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    started = time.process_time()
    logs.mask(text)
    # 0.05 to 0.12 s for 200,000 characters here; anything worse than linear takes minutes.
    assert time.process_time() - started < 5


def test_a_line_is_one_object_with_an_exception_inside(lines: Lines) -> None:
    try:
        int(f"{CARD}\n{PHONE}")
    except ValueError:
        logger.exception("could not read\n%s", EMAIL)
    (line,) = lines.all()
    assert line["level"] == "ERROR"
    assert line["logger"] == "tests.logs"
    assert line["message"] == "could not read\n[email]"
    assert line["time"].endswith("+00:00")
    assert line["process"] == "command"
    assert "ValueError: " in line["exception"]
    assert "test_logs.py" in line["exception"]
    assert PHONE not in lines.text
    assert CARD not in lines.text


def test_fields_are_masked_and_other_extras_stay_out(lines: Lines) -> None:
    fields = {
        "card": CARD, "list": [PHONE, 13800005521, 7], "in": {"mail": EMAIL}, "ok": True,
        "none": None, "what": ValueError(EMAIL),
    }  # fmt: skip
    logger.info("typed", extra={"fields": fields, "request": TYPED, "data": TYPED})
    (line,) = lines.all()
    assert line["card"] == "411111******1111"
    assert line["list"] == ["[phone]", "[removed]", 7]
    assert line["in"] == {"mail": "[email]"}
    assert (line["ok"], line["none"], line["what"]) == (True, None, "[email]")
    assert TYPED not in lines.text


def test_a_long_text_is_cut_after_it_was_masked(lines: Lines) -> None:
    logger.info("%s%s", "x" * (logs.LONGEST_MESSAGE - 8), CARD)
    (line,) = lines.all()
    assert len(line["message"]) < logs.LONGEST_MESSAGE + 40
    assert "41111111" not in line["message"]


def test_the_row_that_the_database_refused_is_not_told(desk: Persona, lines: Lines) -> None:
    user = desk.user
    assert user is not None
    User.objects.filter(pk=user.pk).update(name=NAME)
    with pytest.raises(IntegrityError) as refused:
        User.objects.filter(pk=user.pk).update(ref=None)
    assert NAME in str(refused.value), "the database tells the row"
    logger.error("refused", exc_info=refused.value)
    logger.error("Task x raised: %r", refused.value)  # as Celery words it
    first, second = lines.of("tests.logs")
    assert "null value in column" in first["exception"]
    assert "null value in column" in second["message"]
    assert NAME not in lines.text


def test_no_line_of_a_round_through_the_pages_tells_who_or_what_was_typed(
    terminal: Terminal, desk: Persona, anonymous: Persona, merchant: Persona, lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ticket = make_ticket(terminal, contact_phone=PHONE, contact_name=NAME)
    token, ref, code = ticket.track_token, ticket.ref, terminal.sticker_code
    form = {"contact_phone": PHONE, "contact_name": NAME, "note": TYPED, "impact": "some"}
    someone = anonymous.client
    someone.get(f"/r/{token}?from={PHONE}")
    someone.get(f"/r/{token}x")
    someone.post(f"/r/{token}/unlock", {"digits": "0000"})
    someone.post(f"/r/{token}/words", {"words": TYPED})
    someone.get(f"/t/{code}?q={TYPED}")
    someone.post(f"/t/{code}/report", form)
    someone.post(f"/t/{code}/report", {**form, "contact_phone": "1"})
    someone.get(f"/nothing/{PHONE}/{EMAIL}/{NAME}")
    someone.post("/account/sign-in/", {"login": EMAIL, "password": TYPED})
    someone.post("/account/reset/", {"email": EMAIL})
    someone.put(f"/r/{token}")
    Client(enforce_csrf_checks=True).post(f"/r/{token}/words?to={PHONE}", {"words": TYPED})
    Client().get("/", headers={"host": f"{PHONE}.example.cn"})
    desk.client.get(reverse("tickets:search"), {"q": PHONE})
    desk.client.post(f"/desk/t/{ref}/reply", {"words": TYPED})
    desk.client.post(f"/desk/t/{ref}/resolve", {"note": TYPED})
    merchant.client.get(f"/desk/t/{ref}/")
    shown = ValueError(f"{EMAIL} {PHONE} {CARD} /r/{token}")
    monkeypatch.setattr(views, "render", raiser(shown))
    someone.raise_request_exception = False
    assert someone.get(f"/help?q={TYPED}").status_code == 500

    assert len(lines.of("posdoctor.access")) == 18
    (error,) = lines.of("django.request")
    assert error["message"] == "Internal Server Error: /help"
    assert "ValueError: [email] [phone] 411111******1111 /r/[removed]" in error["exception"]
    planted = {
        PHONE,
        EMAIL,
        NAME,
        TYPED,
        CARD,
        token,
        ref,
        code,
        "example.cn",
        "from=",
        "127.0.0.1",
    }
    told = lines.text
    assert {secret for secret in planted if secret in told} == set()


def raiser(error: Exception) -> Callable[..., None]:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    return fail


def test_an_access_line_tells_route_status_time_and_role(
    terminal: Terminal, desk: Persona, anonymous: Persona, lines: Lines
) -> None:
    ticket = make_ticket(terminal)
    desk.client.get(f"/desk/t/{ticket.ref}/")
    anonymous.client.get("/nothing")
    first, second = lines.of("posdoctor.access")
    assert first["level"] == "INFO"
    assert (first["method"], first["status"], first["role"]) == ("GET", 200, "desk")
    assert first["route"] == "/desk/t/<ticket_ref:ref>/"
    assert first["milliseconds"] >= 0
    assert (second["route"], second["status"], second["role"]) == ("(no page)", 404, "nobody")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/static/css/none.css"])
def test_machines_that_ask_every_few_seconds_leave_no_line_at_info(
    path: str, client: Client, db: None, lines: Lines
) -> None:
    client.get(path)
    assert [line["level"] for line in lines.of("posdoctor.access")] == ["DEBUG"]


def test_a_failed_task_tells_no_argument(lines: Lines) -> None:
    @current_app.task(name="tests.mail")
    def write(_to: str, *, _words: str) -> None:
        raise ValueError(f"refused: {EMAIL}")

    try:
        write.apply(args=[EMAIL], kwargs={"_words": TYPED})
    finally:
        current_app.tasks.pop("tests.mail")
    assert any(line["level"] == "ERROR" for line in lines.of("celery.app.trace"))
    assert EMAIL not in lines.text
    assert TYPED not in lines.text


def test_a_mail_that_is_refused_tells_no_address(
    db: None, lines: Lines, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    queued = mail.send(recipients=[EMAIL], subject=TYPED, message=TYPED, priority="medium")
    backend = "django.core.mail.backends.locmem.EmailBackend.send_messages"
    monkeypatch.setattr(backend, raiser(OSError(f"550 no such mailbox <{EMAIL}>")))
    settings.POST_OFFICE = {
        **settings.POST_OFFICE,
        "BACKENDS": {"default": backend.rpartition(".")[0]},
    }
    queued.dispatch()
    assert any(line["level"] == "ERROR" for line in lines.of("post_office"))
    assert EMAIL not in lines.text
    assert TYPED not in lines.text


@pytest.mark.parametrize(
    ("argv", "kind"),
    [
        (["/opt/venv/bin/gunicorn", "posdoctor.wsgi"], "web"),
        (["/x/gunicorn/__main__.py", "posdoctor.wsgi"], "web"),
        (["/opt/venv/bin/celery", "--quiet", "-A", "posdoctor", "worker"], "worker"),
        (["/x/celery/__main__.py", "-A", "posdoctor", "beat"], "beat"),
        (["manage.py", "run_ticker"], "ticker"),
        (["manage.py", "migrate"], "command"),
        ([], "command"),
    ],
)
def test_a_process_knows_its_kind(argv: list[str], kind: str) -> None:
    assert logs._kind_of(argv) == kind


def test_a_line_for_eyes_is_one_line_and_masked() -> None:
    record = logging.LogRecord(
        "a", logging.INFO, "f", 1, "typed %s\n2026 ERROR forged", (PHONE,), None
    )
    assert logs.CardDataFilter().filter(record)
    line = logs.LineFormatter().format(record)
    assert line.endswith("INFO a typed [phone]\\n2026 ERROR forged")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT must be json or line, not 'yaml'"):
        logs.configuration(form="yaml", level="INFO")


def test_every_handler_of_the_configuration_masks() -> None:
    found = logs.configuration(form="json", level="INFO")
    assert all(handler["filters"] == ["card_data"] for handler in found["handlers"].values())
    json.dumps(found)
