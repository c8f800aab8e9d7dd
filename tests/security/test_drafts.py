"""What a merchant typed on the way to a report is gone once it is filed."""

from typing import Any

import pytest
from django.urls import reverse

from diagnostics.access import actor_of
from posdoctor.core.errors import IllegalMoveError
from terminals.models import Terminal
from tests.conftest import Persona
from tickets import actions
from tickets.models import ReportDraft, Ticket
from tickets.views import report

FORM = {"contact_phone": "13800005521", "contact_name": "王", "note": "", "impact": "some"}


def test_an_upload_that_the_report_overtook_leaves_no_draft(
    terminal: Terminal, anonymous: Persona, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second tab's form is read before the first one files, and kept after it."""
    url = reverse("tickets:report", args=[terminal.sticker_code])
    check = reverse("tickets:report_check", args=[terminal.sticker_code])
    assert anonymous.client.post(url, FORM).status_code == 303
    keep = report._keep

    def filed_meanwhile(*arguments: Any) -> None:
        monkeypatch.setattr(report, "_keep", keep)
        assert anonymous.client.post(check).status_code == 303
        keep(*arguments)

    monkeypatch.setattr(report, "_keep", filed_meanwhile)
    answer = anonymous.client.post(url, FORM)
    assert answer.status_code == 303
    assert Ticket.objects.count() == 1
    assert not ReportDraft.objects.exists()
    assert "/report?run=" in answer["Location"]
    assert anonymous.client.get(answer["Location"])["Location"].startswith("/r/")


def test_a_filed_report_takes_no_draft(terminal: Terminal, anonymous: Persona) -> None:
    anonymous.client.post(reverse("tickets:report", args=[terminal.sticker_code]), FORM)
    anonymous.client.post(reverse("tickets:report_check", args=[terminal.sticker_code]))
    run = Ticket.objects.get().run
    assert run is not None
    who = actor_of(run)
    with pytest.raises(IllegalMoveError):
        actions.save_draft(who, run_id=run.pk, now=run.started_at, note="x")
