"""Filing a report: the draft, and the one ticket of a walk."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import translation

from diagnostics.models import DiagnosisRun
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.errors import IllegalMoveError
from posdoctor.core.refs import create_with_ref
from posdoctor.core.scrub import scrub
from posdoctor.core.uploads import CleanFile
from terminals.lifecycle import TerminalState
from terminals.models import Terminal
from tickets.actions.parts import (
    MAX_FILES,
    attach,
    drop_file,
    record,
)
from tickets.actions.refusals import TooManyFilesError
from tickets.events import EventKind
from tickets.lifecycle import (
    Impact,
    first_priority,
)
from tickets.models import Attachment, Message, ReportDraft, Ticket
from tickets.sla import actions as sla


@transaction.atomic
def save_draft(
    actor: Actor,
    *,
    run_id: int,
    now: datetime,
    files: Iterable[CleanFile] = (),
    **fields: Any,
) -> ReportDraft:
    """Keeps what a merchant typed so far; `fields` are columns of ReportDraft.

    Locks the run. Raises TooManyFilesError (the words are kept by the caller), NotAllowedError,
    IllegalMoveError once the report is filed; a hidden run is DoesNotExist.
    """
    run = DiagnosisRun.objects.visible_to(actor).lock(run_id)
    require(actor, Permission.TICKET_REPORT)
    filed = Ticket.objects.filter(run=run).first()
    if filed:
        # A slow upload that the report overtook: nobody would ever read or clear this draft.
        raise IllegalMoveError(filed.status, "drafted")
    draft, _ = ReportDraft.objects.update_or_create(
        run=run,
        defaults={**fields, "provider_id": run.provider_id, "updated_at": now},
    )
    files = list(files)
    if draft.attachments.count() + len(files) > MAX_FILES:
        raise TooManyFilesError
    for file in files:
        attach(file, provider_id=run.provider_id, draft=draft, at=now)
    return draft


@transaction.atomic
def drop_draft_file(actor: Actor, *, run_id: int, key: str) -> None:
    """Takes a photo out of a draft again. An unknown key changes nothing."""
    run = DiagnosisRun.objects.visible_to(actor).lock(run_id)
    require(actor, Permission.TICKET_REPORT)
    for attachment in Attachment.objects.filter(draft__run=run, ticket__isnull=True, key=key):
        drop_file(attachment)


@transaction.atomic
def report(
    actor: Actor,
    *,
    run_id: int,
    contact_phone: str,
    impact: str,
    now: datetime,
    terminals_down: int = 1,
    contact_name: str = "",
    note: str = "",
    source: str = Ticket.Source.STICKER,
) -> Ticket:
    """Files the report of a walk, with all its evidence and the draft's photos.

    Locks the run: two taps in parallel, and any later one, give the same ticket. Records
    `ticket.reported`. Raises NotAllowedError; a hidden run is DoesNotExist.
    """
    # SECURITY: masked before anything is cut: the rest of a card would look like no card.
    note = scrub(note)
    run = DiagnosisRun.objects.visible_to(actor).lock(run_id)
    require(actor, Permission.TICKET_REPORT)
    existing = Ticket.objects.filter(run=run).first()
    if existing:
        return existing
    terminal = Terminal.objects.select_related("model", "store").get(pk=run.terminal_id)
    assert terminal.store is not None  # active and stopped terminals have one
    symptom = run.flow_version.symptom if run.flow_version else ""
    # A report without a walk on a machine that an earlier walk stopped is no less grave.
    is_security = (
        run.state == DiagnosisRun.State.STOP_USE or terminal.state == TerminalState.STOPPED
    )
    down = max(1, terminals_down) if impact == Impact.ALL else terminals_down
    store_id = terminal.store.pk
    ticket = create_with_ref(
        lambda: Ticket(
            provider_id=run.provider_id,
            merchant_id=terminal.store.merchant_id,  # type: ignore[union-attr]
            store_id=store_id,
            terminal=terminal,
            run=run,
            symptom=symptom,
            title=_title(run, note),
            source=source,
            language=run.language,
            priority=first_priority(
                impact,
                terminals_down=down,
                terminals_at_store=_terminals_at(store_id),
                is_security=is_security,
            ),
            impact=impact,
            terminals_down=down,
            is_security=is_security,
            contact_name=contact_name,
            contact_phone=contact_phone,
            attention_at=now,
            opened_at=now,
            last_activity_at=now,
            last_words=note[:200],
        )
    )
    sla.start(provider_id=ticket.provider_id, ticket_id=ticket.pk, priority=ticket.priority, at=now)
    record(ticket, EventKind.REPORTED, actor, now, run=run.ref, state=run.state)
    attachments = Attachment.objects.filter(draft__run=run, ticket__isnull=True)
    if note or attachments.exists():
        message = Message.objects.create(
            provider_id=ticket.provider_id,
            ticket=ticket,
            kind=Message.Kind.MERCHANT,
            author_name=contact_name,
            body=note,
            created_at=now,
        )
        attachments.update(ticket=ticket, message=message, draft=None)
    ReportDraft.objects.filter(run=run).delete()
    return ticket


def _terminals_at(store_id: int) -> int:
    in_use = [TerminalState.ACTIVE, TerminalState.STOPPED]
    return max(1, Terminal.objects.filter(store_id=store_id, state__in=in_use).count())


def _title(run: DiagnosisRun, note: str) -> str:
    """What the desk reads first: the merchant's own words, else the symptom."""
    words = (note or run.screen_text).strip().splitlines()
    if words and words[0].strip():
        return words[0].strip()[:80]
    with translation.override(run.language):
        return run.symptom_title
