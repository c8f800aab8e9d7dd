"""One sender cannot take the pages away from everybody else."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.urls import reverse
from PIL import Image

from posdoctor.accounts.models import Provider
from posdoctor.core import uploads
from terminals.models import Terminal
from tests.builders import make_ticket
from tests.conftest import Persona


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    return out.getvalue()


def test_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may need 500 MB: in parallel a handful of small files would end the process."""
    decode, counting, now, most = uploads._decoded_picture, threading.Lock(), 0, 0

    def slow(data: bytes, wanted: str) -> Image.Image:
        nonlocal now, most
        with counting:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with counting:
            now -= 1
        return decode(data, wanted)

    monkeypatch.setattr(uploads, "_decoded_picture", slow)
    with ThreadPoolExecutor(6) as pool:
        files = list(pool.map(lambda _n: uploads.clean_upload("a.png", picture()), range(6)))
    assert [file.content_type for file in files] == ["image/png"] * 6
    assert most == 1


def test_a_broken_picture_does_not_hold_up_the_next() -> None:
    with pytest.raises(uploads.RejectedUpload):
        uploads.clean_upload("a.png", picture()[:40])
    assert uploads.clean_upload("a.png", picture()).width == 8


@pytest.mark.parametrize("moment", ["9999-12-31T23:30", "2100-01-01T09:00"])
def test_a_reminder_beyond_the_calendar_breaks_no_list(
    terminal: Terminal, provider: Provider, desk: Persona, moment: str
) -> None:
    """West of Greenwich the last evening of 9999 is a moment of the year 10000."""
    Provider.objects.filter(pk=provider.pk).update(time_zone="America/New_York")
    ticket = make_ticket(terminal, status="open")
    form = {"wait_for": "maker", "remind": "at", "remind_at": moment}
    refused = desk.client.post(reverse("tickets:wait", args=[ticket.ref]), form)
    assert refused.status_code == 422
    assert desk.client.get("/desk/q/all/").status_code == 200
