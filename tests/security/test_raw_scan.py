"""A whole walk with planted card data, then every table, file, line, mail and task is read raw.

The walk goes through the doors that people and programs use, with card numbers in every field.
After that nothing of the product is asked whether it kept one: PostgreSQL's own catalogue says
which tables and columns there are, and a plain detector reads them.
"""

import base64
import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django import forms
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.module_loading import import_string
from PIL import Image, PngImagePlugin
from post_office.mail import send_queued

from merchants.models import Contact, Merchant, Store
from posdoctor.accounts.models import Provider
from posdoctor.core import clock
from posdoctor.core.models import IdempotencyKey
from terminals.models import Terminal
from tests.api.conftest import by_session, by_token, issue
from tests.architecture import test_routes
from tests.architecture.test_routes import GET, OK, POST, TABLE, World, arguments
from tests.builders import PASSWORD, make_provider
from tests.conftest import Persona
from tests.security import planted
from tests.security.planted import LONG, NUMBERS, SHORT, VISA, found_in
from tests.tickets.test_report import CHECK, FORM
from tickets.models import Attachment, Message, ReportDraft, Ticket

world = test_routes.world  # the fixture

pytestmark = pytest.mark.django_db
CODE = "A2B3C4D5"
STAFF = ("administrator", "supervisor", "desk", "field")
EVERYBODY = (*STAFF, "merchant", "anonymous", "operator")


# --- Files --------------------------------------------------------------------------------------


def photo() -> SimpleUploadedFile:
    """A JPEG that tells card numbers in its name, its EXIF data, a comment and behind its end."""
    exif = Image.Exif()
    for tag in (0x010E, 0x013B, 0x8298, 0x9286):  # description, artist, copyright, user comment
        exif[tag] = f"card {VISA}"
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "#1d55d4").save(
        out, "JPEG", exif=exif, comment=f"PAN {VISA}".encode()
    )
    content = out.getvalue() + f"{LONG}".encode()
    return SimpleUploadedFile(f"小票 {SHORT[1]} CVV 739.jpg", content, "image/jpeg")


def drawing() -> SimpleUploadedFile:
    """A PNG with a text chunk."""
    about = PngImagePlugin.PngInfo()
    about.add_text("Comment", LONG)
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "#1d55d4").save(out, "PNG", pnginfo=about)
    return SimpleUploadedFile(f"{SHORT[3]}.png", out.getvalue(), "image/png")


def log(encoding: str = "utf-8", name: str = f"trace-{VISA}.log") -> SimpleUploadedFile:
    """A text file of a terminal."""
    lines = "\r\n".join([*SHORT, LONG, f'{{"pan":"{VISA}","cardCvv":"739"}}'])
    return SimpleUploadedFile(name, lines.encode(encoding, "replace"), "text/plain")


# --- What is read afterwards --------------------------------------------------------------------


class Witness:
    """Log lines as they are written, and what was put into the queue."""

    def __init__(self) -> None:
        self.lines = io.StringIO()
        self.tasks: list[Any] = []
        self.answers: list[tuple[str, str]] = []

    def told(self, response: Any, *, body: bool = True) -> Any:
        """Keeps the headers of an answer, and its body where that is no form come back."""
        asked = response.wsgi_request
        where = f"{asked.method} {asked.resolver_match.route if asked.resolver_match else '?'}"
        texts = [planted.as_json(dict(response.headers)), *map(str, response.cookies.values())]
        if body and not response.streaming:
            texts.append(response.content.decode("utf-8", "replace"))
        self.answers += [(f"{where} {response.status_code}", text) for text in texts]
        return response


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    found = Witness()
    # As in production: a mail is a row until a worker sends it.
    monkeypatch.setattr(settings, "EMAIL_BACKEND", "post_office.EmailBackend")
    outside = "django.core.mail.backends.locmem.EmailBackend"
    monkeypatch.setitem(settings.POST_OFFICE, "BACKENDS", {"default": outside})
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    streams = [h for h in handlers if type(h) is logging.StreamHandler]
    assert streams, "the product's own handlers write the lines"
    for handler in streams:
        monkeypatch.setattr(handler, "stream", found.lines)

    def send_task(*args: Any, **options: Any) -> None:
        found.tasks.append((args, {k: v for k, v in options.items() if k != "producer"}))

    monkeypatch.setattr(current_app, "send_task", send_task)
    return found


def rows() -> Iterator[tuple[str, str]]:
    """Every row of every table of this database as (table, text), bytes as they are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.oid::regclass::text FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT LIKE 'pg\\_%'"
            " AND n.nspname <> 'information_schema' ORDER BY 1"
        )
        tables = [table for (table,) in cursor.fetchall()]
        for table in tables:
            cursor.execute(f"SELECT to_jsonb(t)::text, t::text FROM {table} t")  # noqa: S608
            for as_json, as_text in cursor.fetchall():
                yield table, as_json
                yield table, as_text
        cursor.execute(
            "SELECT a.attrelid::regclass::text, quote_ident(a.attname)"
            " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
            " WHERE a.atttypid = 'bytea'::regtype AND c.relkind = 'r' AND NOT a.attisdropped"
            " AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'pg_toast')"
        )
        for table, column in cursor.fetchall():
            cursor.execute(f"SELECT {column} FROM {table}")  # noqa: S608
            for (content,) in cursor.fetchall():
                yield f"{table}.{column}", bytes(content or b"").decode("utf-8", "replace")
        # What PostgreSQL itself keeps of values: the statistics of columns.
        cursor.execute("ANALYZE")
        cursor.execute("SELECT to_jsonb(s)::text FROM pg_catalog.pg_stats s")
        yield from (("pg_stats", text) for (text,) in cursor.fetchall())


def places(witness: Witness) -> Iterator[tuple[str, str]]:
    """Everything that stays, or left the house, as (where, text)."""
    yield from rows()
    for session in Session.objects.all():
        yield "session", planted.as_json(SessionStore().decode(session.session_data))
    for path in Path(settings.MEDIA_ROOT).rglob("*"):
        yield "file name", str(path)
        if path.is_file():
            yield f"file {path.suffix}", path.read_bytes().decode("utf-8", "replace")
    for line in witness.lines.getvalue().splitlines():
        yield "log line", line
    yield "log", witness.lines.getvalue()
    for task in witness.tasks:
        yield "task", planted.as_json(task)
    yield from (("mail", text) for sent in mail.outbox for text in mail_texts(sent))
    yield from witness.answers


def mail_texts(sent: mail.EmailMessage) -> Iterator[str]:
    """A mail as it goes out, and each of its parts decoded."""
    message = sent.message()
    yield message.as_string()
    for part in message.walk():
        payload = part.get_payload(decode=True)
        yield payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def leaks(witness: Witness) -> dict[str, list[str]]:
    """Where something planted was found, and what."""
    found: dict[str, set[str]] = {}
    for place, text in places(witness):
        if hits := found_in(text):
            found.setdefault(place, set()).update(hits)
    return {place: sorted(hits) for place, hits in sorted(found.items())}


# --- The detector itself ------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("shape", ["{}", "x{}y", '{{"a": "{}"}}', "/desk?q={}", "卡{}。"])
def test_the_detector_finds_what_is_planted(number: str, shape: str) -> None:
    assert found_in(shape.format(number))
    assert found_in(shape.format(" ".join(number)))
    full_width = "".join(chr(ord(digit) + 0xFEE0) for digit in number)
    assert found_in(shape.format(full_width))
    assert found_in(json.dumps(full_width))
    assert not found_in(shape.format(f"{number[:6]}******{number[-4:]}"))


def test_the_detector_reads_what_is_wrapped() -> None:
    assert all(found_in(text) for text in (*SHORT, LONG))
    assert found_in(f"\\x{LONG.encode().hex()}")
    assert found_in(base64.b64encode(LONG.encode()).decode())
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE kept (a bytea, b jsonb, c text[])")
        cursor.execute("INSERT INTO kept VALUES (%s, '{}', '{}')", [VISA.encode()])
        cursor.execute("SELECT to_jsonb(t)::text FROM kept t")
        assert found_in(cursor.fetchone()[0])


def test_the_scan_reads_columns_files_lines_tasks_and_mails(witness: Witness) -> None:
    assert leaks(witness) == {}
    IdempotencyKey.objects.create(
        caller="x", key="x", method="POST", path="/", digest="", body=VISA.encode(),
        created_at=clock.now(),
    )  # fmt: skip
    Provider.objects.filter(pk=make_provider().pk).update(hotline=SHORT[2])
    session = SessionStore()
    session["typed"] = SHORT[3]
    session.save()
    cache.set("typed", {"words": VISA})
    path = Path(settings.MEDIA_ROOT) / "scan.txt"
    path.write_text(LONG, encoding="utf-8")
    witness.lines.write(f"asked for {VISA}\n")
    witness.tasks.append(("core.x", [VISA]))
    mail.EmailMessage("x", SHORT[3], "a@example.cn", ["b@example.cn"]).send()
    send_queued()
    try:
        assert set(leaks(witness)) >= {
            "core_idempotencykey", "core_idempotencykey.body", "accounts_provider", "session",
            "core_cache", "file .txt", "log line", "task", "mail", "post_office_email",
        }  # fmt: skip
    finally:
        path.unlink()


# --- The walk -----------------------------------------------------------------------------------


class Fields(HTMLParser):
    """What a page's forms would send: names with a value that the page offers, if it does."""

    def __init__(self) -> None:
        super().__init__()
        self.offered: dict[str, str] = {}
        self.free: set[str] = set()
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "select":
            self.select = name
        elif tag == "option" and self.select and given.get("value"):
            self.offered.setdefault(self.select, given["value"])
        elif tag == "input" and kind in {"radio", "checkbox", "hidden", "date", "number"}:
            self.offered.setdefault(name, given.get("value") or "1")
        elif tag == "textarea" or (tag == "input" and kind not in {"file", "submit"}):
            self.free.add(name)


def every_form() -> Iterator[type[forms.BaseForm]]:
    """All forms of the product that are loaded."""
    waiting: list[type[forms.BaseForm]] = [forms.BaseForm]
    while waiting:
        form = waiting.pop()
        waiting += form.__subclasses__()
        if form.__module__.split(".")[0] in {
            "posdoctor", "merchants", "terminals", "diagnostics", "tickets",
        }:  # fmt: skip
            yield form


def typed(page: str, turn: int) -> dict[str, Any]:
    """A form of the page filled in: card data wherever something can be typed."""
    fields = Fields()
    fields.feed(page)
    values: dict[str, Any] = {}
    for form in every_form():
        for name, field in getattr(form, "base_fields", {}).items():
            long = (getattr(field, "max_length", None) or 0) >= len(LONG)
            values[name] = LONG if long else SHORT[(turn + len(values)) % len(SHORT)]
    for name in fields.free:
        values.setdefault(name, SHORT[turn % len(SHORT)])
    return values | {name: value for name, value in fields.offered.items() if name}


def walk_as_merchant(client: Client, witness: Witness) -> Ticket:
    """Own words at the sticker, a report with everything, words and files on the status link."""
    told = witness.told
    told(client.get(f"/t/{CODE}"))
    begin = reverse("diagnostics:begin", args=[CODE, "network_down"])
    assert told(client.post(begin, {"words": LONG[:300]})).status_code == 303
    for number in NUMBERS:
        told(client.post(FORM, {"contact_phone": number, "impact": "some"}), body=False)
    form = {
        "contact_phone": "13800005521",
        "contact_name": SHORT[1],
        "note": LONG,
        "impact": "all",
        "photos": [photo(), drawing(), log("gb18030")],
    }
    looked = told(client.post(FORM, form))
    assert looked.status_code == 303
    page = client.get(looked["Location"])
    assert ReportDraft.objects.get().attachments.count() >= 2
    done = told(client.post(CHECK, {"run": page.context["run"].ref}))
    assert done.status_code == 303
    ticket = Ticket.objects.exclude(contact_name="王建国").get()
    url = reverse("tickets:track_words", args=[ticket.track_token])
    for words in (*SHORT, LONG):
        assert told(client.post(url, {"body": words})).status_code == 303
    told(client.post(url, {"body": "", "photos": [photo()]}))
    told(client.get(reverse("tickets:track", args=[ticket.track_token])))
    return ticket


def work_at_the_desk(client: Client, ticket: Ticket, witness: Witness) -> None:
    """Replies, notes, reasons and the resolution."""

    def post(name: str, **form: Any) -> None:
        url = reverse(f"tickets:{name}", args=[ticket.ref])
        assert witness.told(client.post(url, form)).status_code == 303, name

    for text in (*SHORT, LONG):
        post("reply", text=text)
        post("note", text=text)
    post("note", text="", attachments=[photo(), log(), log("gb18030", f"{SHORT[6]}.csv")])
    post("priority", priority="urgent", reason=LONG[:280])
    post("wait", wait_for="acquirer", remind="tomorrow")
    post("resume")
    resolution = {"cause": "other", "certainty": "sure", "fixed_by": "desk", "proof": "told"}
    post("resolve", note=LONG, **resolution)
    post("reopen", words=LONG)
    post("cancel", reason=LONG[:280])


def keep_records(client: Client, world: World, witness: Witness) -> None:
    """Records with card data in their free fields; refused in those with a shape of their own."""
    told, terminal, store = witness.told, world.terminal, world.store
    merchant = store.merchant
    url = reverse("merchants:edit", args=[merchant.ref])
    form = {"name": SHORT[2], "number": "821651058120998", "fee_class": merchant.fee_class}
    assert told(client.post(url, form)).status_code == 302
    url = reverse("merchants:store", args=[store.ref])
    form = {
        "name": SHORT[3], "address": LONG[:190], "area": SHORT[1], "city_tier": "city",
        "time_zone": "Asia/Shanghai",
    }  # fmt: skip
    assert told(client.post(url, form)).status_code == 302
    contact = store.contacts.get()
    url = reverse("merchants:contact", args=[contact.ref])
    form = {"name": SHORT[0], "phone": "13900001111", "language": "zh-hans", "store": store.ref}
    assert told(client.post(url, form)).status_code == 302
    refused = {
        "email": [f"{VISA}@example.cn", f"{SHORT[2]}@example.cn"],
        "phone": [*NUMBERS, f"+{planted.AMEX}"],
    }
    for name, wrong in refused.items():
        for value in wrong:
            assert told(client.post(url, form | {name: value}), body=False).status_code == 422, (
                value
            )
    url = reverse("terminals:edit", args=[terminal.ref])
    form = {
        "serial": terminal.serial, "model": terminal.model.slug, "store": store.ref,
        "counter": SHORT[4], "firmware": SHORT[1], "app_version": VISA, "sim_operator": SHORT[5],
    }  # fmt: skip
    assert told(client.post(url, form)).status_code == 302
    wrong_codes = {"serial": [VISA, SHORT[1], SHORT[3]], "sim_iccid": [planted.UNIONPAY_19]}
    for name, wrong in wrong_codes.items():
        for value in wrong:
            assert told(client.post(url, form | {name: value}), body=False).status_code == 422, (
                value
            )
    url = reverse("terminals:stop", args=[terminal.ref])
    assert told(client.post(url, {"reason": LONG[:480]})).status_code in {302, 303}


def call_the_api(desk: Persona, administrator: Persona, world: World, witness: Witness) -> None:
    """Writes with keys, names and files that are card numbers; errors that quote them."""
    told, api = witness.told, by_token(issue(administrator, name=SHORT[1]))
    key = {"Idempotency-Key": VISA}
    merchant = {
        "number": "821651058120777", "name": SHORT[0],
        "store": {"name": SHORT[1], "address": LONG[:190], "area": SHORT[2]},
        "contact": {"name": SHORT[3], "phone": "13900002222"},
    }  # fmt: skip
    for _ in range(2):
        assert told(api.post("merchants/", merchant, **key)).status_code == 201
    assert IdempotencyKey.objects.exists()
    told(api.post("merchants/", merchant | {"number": VISA}))
    told(api.post("merchants/", merchant | {"contact": {"name": "x", "phone": VISA}}))
    told(api.post("merchants/", {VISA: VISA, LONG: [LONG]}))
    told(api.post("terminals/", {"serial": VISA, "model": "pax_a920", "state": "in_stock"}))
    told(api.post("people/", {"name": LONG[:70], "email": f"{VISA}@example.cn", "role": "desk"}))
    told(api.post("teams/", {"name": SHORT[4], "name_en": SHORT[2]}))
    told(api.post(f"log-analyses/?name={VISA}", {"text": LONG, "name": SHORT[1]}))
    report = {"terminal": world.terminal.ref, "contact_phone": "13800005521", "impact": "all"}
    made = told(api.post("tickets/", {**report, "note": LONG, "contact_name": SHORT[6]}, **{
        "Idempotency-Key": f"r-{VISA}"
    }))  # fmt: skip
    assert made.status_code == 201
    ref = made.json()["ref"]
    told(api.form(f"tickets/{ref}/note/", {"body": LONG, "attachments": [log(), photo()]}))
    told(api.post(f"tickets/{ref}/reply/", {"body": LONG}))
    told(api.post(f"tickets/{VISA}/reply/", {"body": LONG}))
    told(api.get("tickets/", {"q": VISA, VISA: VISA}))
    told(api.get(f"tickets/{ref}/timeline/"))
    told(by_session(desk).post("tickets/", VISA))
    raw = desk.client.post("/api/v1/tickets/", LONG.encode(), content_type="application/json")
    told(raw)


def knock_at_doors(witness: Witness) -> None:
    """Sign-in, lost passwords, unknown addresses, strange headers; nobody is signed in."""
    told = witness.told
    client = Client(
        raise_request_exception=False,
        headers={"user-agent": LONG.replace("\n", " "), "referer": f"http://x/{VISA}?c={VISA}",
                 "x-request-id": VISA, "accept-language": VISA, "x-forwarded-for": VISA},
    )  # fmt: skip
    for login in (*NUMBERS, f"{VISA}@example.cn", SHORT[3], LONG):
        told(client.post(reverse("account_login"), {"login": login, "password": VISA}), body=False)
        told(client.post(reverse("account_reset_password"), {"email": login}), body=False)
    for path in (f"/{VISA}", f"/t/{VISA}", f"/T/{VISA}/more", f"/r/{VISA}", f"/desk/t/{VISA}/",
                 f"/api/v1/{VISA}/", f"/static/{VISA}.css", f"/guides/{VISA}/",
                 f"/desk/search?q={VISA}", f"/?{VISA}={VISA}&lang={VISA}"):  # fmt: skip
        told(client.get(path), body=False)
        told(client.post(path, {VISA: VISA}), body=False)
    client.cookies["pd_phone"] = VISA
    client.cookies["sessionid"] = VISA
    told(client.get(f"/t/{CODE}"))
    told(client.post("/find", {"code": VISA, "phone": VISA}), body=False)


def sweep(personas: dict[str, Persona], world: World, witness: Witness) -> None:
    """Every page of the product, by everybody who may see it, with every field filled."""
    turn = 0
    for name, methods in TABLE.items():
        url = reverse(name, kwargs=arguments(name, world))
        for who in _two_of(methods):
            client, page = personas[who].client, ""
            if methods.get(GET, {}).get(who) == OK:
                answer = witness.told(client.get(url, {"q": VISA, "text": SHORT[3], "area": VISA}))
                page = "" if answer.streaming else answer.content.decode("utf-8", "replace")
            if methods.get(POST, {}).get(who) == OK:
                turn += 1
                sent = typed(page, turn)
                # A form that comes back shows its sender what was typed.
                witness.told(client.post(url, sent), body=False)


def _two_of(methods: dict[str, dict[str, str]]) -> list[str]:
    """One of the staff and one other who may see the page, as far as there are."""
    may = [who for who in EVERYBODY if any(rule.get(who) == OK for rule in methods.values())]
    staff, others = [w for w in may if w in STAFF], [w for w in may if w not in STAFF]
    return [*staff[:1], *others[:1]]


def test_nothing_that_was_planted_is_kept_or_told(
    world: World,
    request: pytest.FixtureRequest,
    witness: Witness,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    personas = {name: request.getfixturevalue(name) for name in EVERYBODY}
    for persona in personas.values():
        persona.client.raise_request_exception = False
    with django_capture_on_commit_callbacks(execute=True):
        ticket = walk_as_merchant(personas["anonymous"].client, witness)
        work_at_the_desk(personas["desk"].client, ticket, witness)
        keep_records(personas["desk"].client, world, witness)
        call_the_api(personas["desk"], personas["administrator"], world, witness)
        knock_at_doors(witness)
        sweep(personas, world, witness)
        # Pages once more, now that everything is there.
        for path in ("/desk/q/all/", f"/desk/t/{ticket.ref}/", f"/r/{ticket.track_token}",
                     f"/desk/t/{ticket.ref}/print", "/desk/search?q=4539", "/metrics"):  # fmt: skip
            witness.told(personas["desk"].client.get(path))
        for attachment in Attachment.objects.exclude(ticket=None):
            url = reverse("tickets:file", args=[attachment.ticket.ref, attachment.key])
            witness.told(personas["desk"].client.get(url))
        told = personas["desk"].user
        assert told is not None
        Client().post(reverse("account_reset_password"), {"email": told.email})
        for path in (*settings.TICKER_SWEEPS, *settings.TICKER_THREADS):
            import_string(path)(now=clock.now())
        send_queued()
    assert leaks(witness) == {}
    _walked(witness)


def _walked(witness: Witness) -> None:
    """The walk went where it says: the masks of what was planted are there."""
    assert Message.objects.filter(body__contains=f"{VISA[:6]}******{VISA[-4:]}").count() > 10
    assert Merchant.objects.filter(name__contains="******").exists()
    assert Store.objects.filter(address__contains="******").exists()
    assert Contact.objects.filter(name__contains="******").exists()
    assert Terminal.objects.filter(counter__contains="******").exists()
    assert Attachment.objects.filter(name__contains="******").count() > 3
    assert witness.lines.getvalue().count("\n") > 100
    assert len(witness.answers) > 500
    assert witness.tasks
    assert mail.outbox


def test_a_mail_to_an_address_with_card_data_is_never_queued(witness: Witness) -> None:
    client = Client()
    for address in (f"{VISA}@example.cn", "nobody@example.cn"):
        assert client.post(reverse("account_reset_password"), {"email": address}).status_code == 302
    send_queued()
    assert [sent.to for sent in mail.outbox] == [["nobody@example.cn"]]
    assert leaks(witness) == {}


def test_a_sign_in_leaves_no_digest_that_could_be_tried_out(db: None) -> None:
    """Ten digits of a masked number are known: a plain digest would tell the other six."""
    Client().post(reverse("account_login"), {"login": f"{VISA}@example.cn", "password": PASSWORD})
    plain = hashlib.sha256(f"{VISA}@EXAMPLE.CN".encode()).hexdigest()
    assert all(plain not in text for _table, text in rows())
