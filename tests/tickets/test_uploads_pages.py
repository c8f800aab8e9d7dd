"""Photos on the merchant's pages: sent, refused, kept, shown only to whom they belong."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from PIL import Image

from diagnostics.models import DiagnosisRun
from posdoctor.core import clock, doors
from terminals.models import Terminal
from tests.builders import make_message, make_ticket
from tests.conftest import Persona, signed_in
from tests.tickets.test_report import CHECK, FORM, english, file_report, fill
from tests.tickets.test_track import at, unlocked
from tickets.models import Attachment, Message, Ticket
from tickets.views import files


def picture(name: str = "屏幕.jpg", size: int = 40) -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (size, size), "#1d55d4").save(out, "JPEG")
    return SimpleUploadedFile(name, out.getvalue(), "image/jpeg")


def broken(name: str = "坏的.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"\xff\xd8\xff\xe0 not a picture", "image/jpeg")


def send(client: Client, *photos: SimpleUploadedFile, **form: str):
    data = {"contact_phone": "13800005521", "impact": "all", "photos": list(photos), **form}
    return client.post(FORM, data)


def kept(client: Client) -> list[str]:
    """Keys of the draft's photos, as the form shows them."""
    return [photo.key for photo in client.get(FORM).context["photos"]]


# --- On the way to a report ----------------------------------------------------------


def test_photos_go_with_the_report(terminal: Terminal, anonymous: Persona):
    client = anonymous.client
    look = send(client, picture(), picture("小票.jpg"))
    assert look.status_code == 303
    page = client.get(look["Location"])
    assert len(page.context["photos"]) == 2
    done = client.post(CHECK, {"run": page.context["run"].ref})
    ticket = Ticket.objects.get()
    assert ticket.attachments.count() == 2
    assert set(ticket.attachments.values_list("message_id", flat=True)) == {
        Message.objects.get().pk
    }
    track = client.get(done["Location"]).content.decode()
    for attachment in ticket.attachments.all():
        assert reverse("tickets:track_file", args=[ticket.track_token, attachment.key]) in track


def test_a_bad_photo_is_named_and_the_good_ones_stay(terminal: Terminal, anonymous: Persona):
    page = send(english(anonymous.client), picture(), broken(), note="timeout")
    words = page.content.decode()
    assert page.status_code == 422
    assert "坏的.jpg can’t be opened, take it again" in words
    assert '<a href="#id_photos">坏的.jpg' in words
    assert len(kept(anonymous.client)) == 1
    assert "timeout" in words
    # The form goes on without it.
    assert fill(anonymous.client).status_code == 303


def test_photos_are_kept_when_something_else_is_wrong(terminal: Terminal, anonymous: Persona):
    assert send(anonymous.client, picture(), contact_phone="").status_code == 422
    assert len(kept(anonymous.client)) == 1


def test_the_sixth_photo_is_left_out_in_words(terminal: Terminal, anonymous: Persona):
    page = send(english(anonymous.client), *[picture(f"{n}.jpg") for n in range(6)])
    assert page.status_code == 422
    assert "Up to 5 photos fit. 1 was left out." in page.content.decode()
    assert len(kept(anonymous.client)) == 5
    page = send(english(anonymous.client), picture())
    assert "1 was left out" in page.content.decode()
    assert Attachment.objects.count() == 5


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("a.html", b"<!doctype html><script>alert(1)</script>"),
    ],
)
def test_a_page_in_disguise_is_never_shown_as_one(
    name: str, content: bytes, terminal: Terminal, anonymous: Persona
):
    send(anonymous.client, SimpleUploadedFile(name, content, "image/png"))
    for attachment in Attachment.objects.all():
        address = reverse("tickets:report_photo", args=["A2B3C4D5", attachment.key])
        response = anonymous.client.get(address)
        assert response["Content-Type"].startswith("text/plain")
        assert response["Content-Disposition"].startswith("attachment")
        assert "sandbox" in response["Content-Security-Policy"]


def test_a_photo_can_be_taken_out_and_typed_words_stay(
    terminal: Terminal, anonymous: Persona, django_capture_on_commit_callbacks: Callable[..., Any]
):
    client = anonymous.client
    send(client, picture(), contact_phone="")
    (key,) = kept(client)
    path = Path(Attachment.objects.get().file.path)
    assert path.exists()
    drop = reverse("tickets:report_drop_photo", args=["A2B3C4D5", key])
    run = client.get(FORM).context["run"]
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(drop, {"run": run.ref, "note": "typed meanwhile", "impact": ""})
    assert response.status_code == 303
    assert kept(client) == []
    assert not path.exists()
    assert "typed meanwhile" in client.get(FORM).content.decode()


def test_photos_of_a_draft_are_for_its_browser_alone(
    terminal: Terminal, anonymous: Persona, desk: Persona
):
    send(anonymous.client, picture(), contact_phone="")
    (key,) = kept(anonymous.client)
    address = reverse("tickets:report_photo", args=["A2B3C4D5", key])
    assert anonymous.client.get(address).status_code == 200
    stranger = signed_in(None)
    fill(stranger)
    for client in (stranger, desk.client):
        assert client.get(address).status_code == 404
    # Nor can a stranger take it out.
    stranger.post(reverse("tickets:report_drop_photo", args=["A2B3C4D5", key]))
    assert kept(anonymous.client) == [key]


def test_a_huge_request_is_refused_in_words_before_anything_parses_it(
    terminal: Terminal, anonymous: Persona, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "MAX_REQUEST_BYTES", 600_000)
    monkeypatch.setattr(HttpRequest, "parse_file_upload", None)
    heavy = SimpleUploadedFile("a.jpg", bytes(700_000), "image/jpeg")
    response = send(anonymous.client, heavy)
    assert response.status_code == 413
    assert b"<h1>" in response.content
    assert not DiagnosisRun.objects.exists()


def test_five_photos_of_the_largest_size_fit_into_one_request():
    assert files.MAX_REQUEST_BYTES > 5 * 10 * 1024 * 1024


@pytest.mark.parametrize("length", ["x", "-1", ""])
def test_a_senseless_length_is_no_crash(length: str, terminal: Terminal, anonymous: Persona):
    response = anonymous.client.post(FORM, {}, CONTENT_LENGTH=length)
    assert response.status_code in {400, 413, 422}


def test_too_many_files_at_once_are_refused_in_words(terminal: Terminal, anonymous: Persona):
    assert send(anonymous.client, *[picture(f"{n}.jpg") for n in range(9)]).status_code == 413


def test_the_guard_keeps_the_form_token_check(terminal: Terminal, db: None):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(FORM, {"contact_phone": "13800005521", "impact": "all"}).status_code == 403
    assert not Ticket.objects.exists()
    strict.get(FORM)
    token = strict.cookies["csrftoken"].value
    form = {"contact_phone": "13800005521", "impact": "all", "csrfmiddlewaretoken": token}
    assert strict.post(FORM, form).status_code == 303


def test_uploads_per_address_are_limited_and_words_survive(terminal: Terminal, anonymous: Persona):
    for _ in range(doors.UPLOADS_BY_ADDRESS.limit):
        doors.knock(doors.UPLOADS_BY_ADDRESS, "127.0.0.1", now=clock.now())
    page = send(english(anonymous.client), picture(), note="timeout")
    assert page.status_code == 422
    assert "Too many photos in one hour" in page.content.decode()
    assert "timeout" in page.content.decode()
    assert not Attachment.objects.exists()


# --- On the status link --------------------------------------------------------------


def test_words_go_out_with_the_good_photos(terminal: Terminal):
    ticket = make_ticket(terminal, status="open")
    client = english(unlocked(ticket))
    response = client.post(
        at(ticket, "track_words"), {"body": "see photo", "photos": [picture(), broken()]}
    )
    assert response.status_code == 303
    assert Message.objects.get().attachments.count() == 1
    assert "坏的.jpg can’t be opened" in client.get(at(ticket)).content.decode()


def test_only_bad_photos_are_no_message(terminal: Terminal):
    ticket = make_ticket(terminal, status="open")
    page = english(unlocked(ticket)).post(at(ticket, "track_words"), {"photos": [broken()]})
    assert page.status_code == 422
    assert "坏的.jpg can’t be opened" in page.content.decode()
    assert not Message.objects.exists()


def test_files_are_served_to_those_with_proof_alone(
    terminal: Terminal, anonymous: Persona, merchant: Persona, other_merchant: Persona,
    desk: Persona, outsider: Persona,
):  # fmt: skip
    send(anonymous.client, picture("屏幕 1.jpg"))
    ticket = file_report(anonymous.client)
    attachment = ticket.attachments.get()
    track = reverse("tickets:track_file", args=[ticket.track_token, attachment.key])
    at_desk = reverse("tickets:file", args=[ticket.ref, attachment.key])
    shown = anonymous.client.get(track)
    assert shown.status_code == 200
    assert shown["Content-Type"] == "image/jpeg"
    assert shown["Content-Disposition"].startswith("inline")
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert shown["Cache-Control"].startswith("private")
    assert "sandbox" in shown["Content-Security-Policy"]
    assert Image.open(io.BytesIO(shown.content)).size == (40, 40)
    assert merchant.client.get(track).status_code == 200
    assert desk.client.get(at_desk).status_code == 200
    for client in (signed_in(None), other_merchant.client, outsider.client, desk.client):
        assert client.get(track).status_code == 404
    for client in (outsider.client, merchant.client, other_merchant.client):
        assert client.get(at_desk).status_code == 404
    assert signed_in(None).get(at_desk).status_code == 302


def test_a_file_of_a_note_is_not_for_merchants(
    terminal: Terminal, merchant: Persona, desk: Persona
):
    ticket = make_ticket(terminal, status="open")
    note = make_message(ticket, "note")
    attachment = Attachment.objects.create(
        provider=ticket.provider, ticket=ticket, message=note, name="inner.txt",
        content_type="text/plain", extension=".txt", size=2, sha256="0" * 64,
        created_at=clock.now(),
    )  # fmt: skip
    attachment.file.save("x.txt", ContentFile(b"ok"))
    track = reverse("tickets:track_file", args=[ticket.track_token, attachment.key])
    assert unlocked(ticket).get(track).status_code == 404
    assert merchant.client.get(track).status_code == 404
    served = desk.client.get(reverse("tickets:file", args=[ticket.ref, attachment.key]))
    assert served.status_code == 200
    assert served["Content-Disposition"].startswith("attachment")


def test_a_file_of_another_report_does_not_exist_here(terminal: Terminal, anonymous: Persona):
    send(anonymous.client, picture())
    first = file_report(anonymous.client)
    second = file_report(anonymous.client)
    key = first.attachments.get().key
    for wrong in (key, "x" * 22, "nothing"):
        address = reverse("tickets:track_file", args=[second.track_token, wrong])
        assert anonymous.client.get(address).status_code == 404
