"""Reports that were begun and never sent do not stay."""

from datetime import timedelta

from posdoctor.accounts.actor import reporter
from posdoctor.core.uploads import clean_upload
from terminals.models import Terminal
from tests.builders import T0, make_run
from tickets import actions
from tickets.models import Attachment, ReportDraft


def test_a_draft_of_last_week_goes_with_its_photo_and_a_fresh_one_stays(
    terminal: Terminal, django_capture_on_commit_callbacks
):
    old, fresh = make_run(terminal), make_run(terminal)
    photo = clean_upload("屏幕.txt", "通讯超时".encode())
    for run, at in ((old, T0), (fresh, T0 + timedelta(days=7))):
        who = reporter(provider_id=run.provider_id, run_id=run.pk)
        actions.save_draft(who, run_id=run.pk, now=at, contact_phone="19900005521", files=[photo])
    file = Attachment.objects.get(draft__run=old).file
    with django_capture_on_commit_callbacks(execute=True):
        assert actions.purge_drafts(T0 + timedelta(days=7, minutes=1)) == 1
    assert list(ReportDraft.objects.values_list("run_id", flat=True)) == [fresh.pk]
    assert not file.storage.exists(file.name)
    assert Attachment.objects.get().draft.run_id == fresh.pk
    with django_capture_on_commit_callbacks(execute=True):
        assert actions.purge_drafts(T0 + timedelta(days=7, minutes=1)) == 0
