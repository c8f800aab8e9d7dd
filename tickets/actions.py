"""Deeds on tickets. Each locks the ticket, checks the right, writes state and event together."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import translation

from diagnostics.models import DiagnosisRun
from posdoctor.accounts.actor import Actor, system
from posdoctor.accounts.models import Seat, Team, User
from posdoctor.accounts.policies import Permission, require
from posdoctor.accounts.roles import STAFF_ROLES, Role
from posdoctor.core.errors import DomainError, IllegalMoveError
from posdoctor.core.refs import create_with_ref
from posdoctor.core.scrub import scrub
from posdoctor.core.uploads import CleanFile
from terminals.lifecycle import TerminalState
from terminals.models import Terminal
from tickets.events import EventKind
from tickets.lifecycle import (
    REOPEN_WITHIN,
    Impact,
    Move,
    Priority,
    TicketStatus,
    WaitFor,
    can,
    first_priority,
)
from tickets.models import Attachment, Message, ReportDraft, Ticket, TicketEvent

MAX_FILES = 5
SWEEP_BATCH = 200
PURGE_BATCH = 5_000
KEEP_DRAFTS = timedelta(days=7)
# The same words from the same person again so soon are a second tap, not a second message.
REPEAT_WITHIN = timedelta(seconds=15)
Then = Literal["keep", "wait"]


class NothingToSayError(DomainError):
    """A message without words and without files."""

    code = "nothing_to_say"


class TooManyFilesError(DomainError):
    """More files than one message or report may carry."""

    code = "too_many_files"


class UnknownPersonError(DomainError):
    """The person or team is not of this provider, or cannot sign in any more."""

    code = "unknown_person"


# --- Filing --------------------------------------------------------------------------


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
        _attach(file, provider_id=run.provider_id, draft=draft, at=now)
    return draft


@transaction.atomic
def drop_draft_file(actor: Actor, *, run_id: int, key: str) -> None:
    """Takes a photo out of a draft again. An unknown key changes nothing."""
    run = DiagnosisRun.objects.visible_to(actor).lock(run_id)
    require(actor, Permission.TICKET_REPORT)
    for attachment in Attachment.objects.filter(draft__run=run, ticket__isnull=True, key=key):
        _drop_file(attachment)


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
    _record(ticket, EventKind.REPORTED, actor, now, run=run.ref, state=run.state)
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


# --- Conversation --------------------------------------------------------------------


@transaction.atomic
def reply(
    actor: Actor,
    *,
    ticket_id: int,
    body: str,
    now: datetime,
    files: Iterable[CleanFile] = (),
    then: Then = "keep",
) -> Message:
    """Answers the merchant in public. The first answer takes a new ticket up.

    `then="wait"` waits for the merchant afterwards. Raises NothingToSayError,
    TooManyFilesError, NotAllowedError, IllegalMoveError on an ended ticket.
    """
    ticket = _locked(actor, ticket_id, Permission.TICKET_REPLY)
    if twin := _said_just_now(ticket, actor, Message.Kind.REPLY, body, now):
        return twin
    if ticket.has_ended:
        raise IllegalMoveError(ticket.status, "replied")
    message = _say(ticket, actor, Message.Kind.REPLY, body, files, now)
    if ticket.status == TicketStatus.NEW:
        _move(ticket, Move.OPEN, TicketStatus.OPEN)
        _record(ticket, EventKind.OPENED, actor, now)
    if ticket.first_reply_at is None:
        ticket.first_reply_at = now
    ticket.attention_at = None
    if then == "wait" and can(Move.WAIT, ticket.status):
        _wait(ticket, actor, WaitFor.MERCHANT, None, now)
    _record(ticket, EventKind.REPLIED, actor, now, message=message.pk)
    _save(ticket, now, words=message.body)
    return message


@transaction.atomic
def note(
    actor: Actor,
    *,
    ticket_id: int,
    body: str,
    now: datetime,
    files: Iterable[CleanFile] = (),
) -> Message:
    """Writes an internal note: no merchant ever sees it. Possible in every state."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_NOTE)
    if twin := _said_just_now(ticket, actor, Message.Kind.NOTE, body, now):
        return twin
    message = _say(ticket, actor, Message.Kind.NOTE, body, files, now)
    _record(ticket, EventKind.NOTED, actor, now, message=message.pk)
    _save(ticket, now)
    return message


@transaction.atomic
def add_words(
    actor: Actor,
    *,
    ticket_id: int,
    body: str,
    now: datetime,
    files: Iterable[CleanFile] = (),
) -> Message:
    """The merchant's words or photos. They reopen a ticket that waits for them or is resolved.

    A closed ticket takes no words: the page offers "still broken" (`reopen`) instead.
    Raises NothingToSayError, TooManyFilesError, IllegalMoveError.
    """
    ticket = _locked(actor, ticket_id, Permission.TICKET_ADD_WORDS)
    if twin := _said_just_now(ticket, actor, Message.Kind.MERCHANT, body, now):
        return twin
    if ticket.status in {TicketStatus.CLOSED, TicketStatus.CANCELLED, TicketStatus.MERGED}:
        raise IllegalMoveError(ticket.status, "merchant_wrote")
    message = _say(ticket, actor, Message.Kind.MERCHANT, body, files, now)
    _record(ticket, EventKind.MERCHANT_WROTE, actor, now, message=message.pk)
    if ticket.status == TicketStatus.RESOLVED:
        _reopen(ticket, actor, now)
    elif ticket.status == TicketStatus.WAIT_MERCHANT:
        _move(ticket, Move.RESUME, TicketStatus.OPEN)
        _record(ticket, EventKind.RESUMED, actor, now)
    ticket.attention_at = now
    _save(ticket, now, words=message.body)
    return message


# --- Work ----------------------------------------------------------------------------


@transaction.atomic
def assign(
    actor: Actor,
    *,
    ticket_id: int,
    now: datetime,
    user_id: int | None = None,
    team_id: int | None = None,
) -> Ticket:
    """Gives the ticket to a person, a team, both or (neither) nobody.

    A new ticket that gets an owner is taken up. Raises UnknownPersonError, IllegalMoveError
    on a closed, cancelled or merged ticket.
    """
    ticket = _locked(actor, ticket_id, Permission.TICKET_ASSIGN)
    if ticket.status in {TicketStatus.CLOSED, TicketStatus.CANCELLED, TicketStatus.MERGED}:
        raise IllegalMoveError(ticket.status, "assigned")
    person = _colleague(ticket.provider_id, user_id)
    team = _team(ticket.provider_id, team_id)
    if (ticket.assignee_id, ticket.team_id) == (user_id, team_id):
        return ticket
    ticket.assignee, ticket.team = person, team
    _record(
        ticket,
        EventKind.ASSIGNED,
        actor,
        now,
        user=user_id,
        user_name=person.name if person else "",
        team=team_id,
        team_name=team.name if team else "",
    )
    if person and ticket.status == TicketStatus.NEW:
        _move(ticket, Move.OPEN, TicketStatus.OPEN)
        _record(ticket, EventKind.OPENED, actor, now)
    _save(ticket, now)
    return ticket


@transaction.atomic
def take_up(actor: Actor, *, ticket_id: int, now: datetime) -> Ticket:
    """Opens a new ticket and gives it to the actor: one click at the desk."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_ASSIGN)
    if ticket.status != TicketStatus.NEW:
        raise IllegalMoveError(ticket.status, TicketStatus.OPEN)
    return assign(
        actor, ticket_id=ticket_id, now=now, user_id=actor.user_id, team_id=ticket.team_id
    )


@transaction.atomic
def wait(
    actor: Actor,
    *,
    ticket_id: int,
    wait_for: str,
    now: datetime,
    remind_at: datetime | None = None,
) -> Ticket:
    """Stops the work until the merchant or a supplier answers, at most until `remind_at`."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_WAIT)
    _wait(ticket, actor, WaitFor(wait_for), remind_at, now)
    ticket.attention_at = None
    _save(ticket, now)
    return ticket


@transaction.atomic
def resume(actor: Actor, *, ticket_id: int, now: datetime) -> Ticket:
    """Goes on working on a waiting ticket."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_WAIT)
    _move(ticket, Move.RESUME, TicketStatus.OPEN)
    _record(ticket, EventKind.RESUMED, actor, now)
    _save(ticket, now)
    return ticket


@transaction.atomic
def dispatch(actor: Actor, *, ticket_id: int, engineer_id: int, now: datetime) -> Ticket:
    """Books a visit: the ticket goes to a field engineer. Raises UnknownPersonError."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_DISPATCH)
    engineer = _colleague(ticket.provider_id, engineer_id, role=Role.FIELD)
    _move(ticket, Move.DISPATCH, TicketStatus.DISPATCHED)
    ticket.assignee = engineer
    ticket.attention_at = None
    _record(
        ticket,
        EventKind.DISPATCHED,
        actor,
        now,
        user=engineer_id,
        user_name=engineer.name if engineer else "",
    )
    _save(ticket, now)
    return ticket


@transaction.atomic
def arrive(actor: Actor, *, ticket_id: int, now: datetime) -> Ticket:
    """The engineer stands in the shop."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_ON_SITE)
    _move(ticket, Move.ARRIVE, TicketStatus.ON_SITE)
    _record(ticket, EventKind.ARRIVED, actor, now)
    _save(ticket, now)
    return ticket


@transaction.atomic
def leave(actor: Actor, *, ticket_id: int, reason: str, now: datetime) -> Ticket:
    """The visit ended without a fix, or is called off: back to the desk, with the reason."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_ON_SITE)
    _move(ticket, Move.LEAVE, TicketStatus.OPEN)
    ticket.attention_at = now
    _record(ticket, EventKind.LEFT, actor, now, reason=_clean(reason))
    _save(ticket, now)
    return ticket


@transaction.atomic
def set_priority(
    actor: Actor, *, ticket_id: int, priority: str, reason: str, now: datetime
) -> Ticket:
    """Changes the priority of an unfinished ticket, with a reason that stays in the time line."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_PRIORITY)
    if ticket.has_ended:
        raise IllegalMoveError(ticket.status, "priority")
    if ticket.priority == priority:
        return ticket
    before, ticket.priority = ticket.priority, Priority(priority)
    _record(
        ticket,
        EventKind.PRIORITY_CHANGED,
        actor,
        now,
        before=before,
        after=priority,
        reason=_clean(reason),
    )
    _save(ticket, now)
    return ticket


# --- Ending --------------------------------------------------------------------------


@transaction.atomic
def resolve(
    actor: Actor,
    *,
    ticket_id: int,
    cause: str,
    certainty: str,
    fixed_by: str,
    proof: str,
    now: datetime,
    note: str = "",
) -> Ticket:
    """Says what it was and how it was seen to work; the merchant confirms or refuses.

    `cause` is a fault id of the symptom's flow, or `other`. Raises IllegalMoveError,
    NotAllowedError; a hidden ticket is DoesNotExist.
    """
    ticket = _locked(actor, ticket_id, Permission.TICKET_RESOLVE)
    _move(ticket, Move.RESOLVE, TicketStatus.RESOLVED)
    ticket.cause, ticket.certainty = cause, certainty
    ticket.fixed_by, ticket.proof = fixed_by, proof
    ticket.resolution_note = note
    ticket.resolved_at = now
    ticket.attention_at = None
    _record(
        ticket,
        EventKind.RESOLVED,
        actor,
        now,
        cause=cause,
        certainty=certainty,
        fixed_by=fixed_by,
        proof=proof,
    )
    _save(ticket, now)
    return ticket


@transaction.atomic
def confirm(actor: Actor, *, ticket_id: int, now: datetime) -> Ticket:
    """The merchant says that it works: closed."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_CONFIRM)
    if ticket.status == TicketStatus.CLOSED:
        return ticket  # a second tap
    _move(ticket, Move.CONFIRM, TicketStatus.CLOSED)
    ticket.closed_at = now
    _record(ticket, EventKind.CONFIRMED, actor, now)
    _save(ticket, now)
    return ticket


@transaction.atomic
def reopen(actor: Actor, *, ticket_id: int, now: datetime, words: str = "") -> Ticket:
    """Still broken: opens the ticket again, or after 30 days files a linked new one.

    Returns the ticket that is now being worked on. Raises IllegalMoveError.
    """
    words = scrub(words)  # before it is cut, like a report's
    ticket = _locked(actor, ticket_id, Permission.TICKET_REOPEN)
    if not can(Move.REOPEN, ticket.status):
        raise IllegalMoveError(ticket.status, TicketStatus.OPEN)
    assert ticket.resolved_at is not None
    if now - ticket.resolved_at > REOPEN_WITHIN:
        return _follow_up(ticket, actor, now, words)
    if words:
        kind = Message.Kind.NOTE if actor.role in STAFF_ROLES else Message.Kind.MERCHANT
        _say(ticket, actor, kind, words, (), now)
    _reopen(ticket, actor, now)
    _save(ticket, now, words=words if actor.role not in STAFF_ROLES else "")
    return ticket


@transaction.atomic
def cancel(actor: Actor, *, ticket_id: int, reason: str, now: datetime) -> Ticket:
    """Ends a ticket that needs no more work: it works again, filed twice, a mistake."""
    ticket = _locked(actor, ticket_id, Permission.TICKET_CANCEL)
    _move(ticket, Move.CANCEL, TicketStatus.CANCELLED)
    ticket.closed_at = now
    ticket.attention_at = None
    _record(ticket, EventKind.CANCELLED, actor, now, reason=_clean(reason))
    _save(ticket, now)
    return ticket


@transaction.atomic
def merge_into(actor: Actor, *, ticket_id: int, target_ref: str, now: datetime) -> Ticket:
    """Ends this ticket as a double of `target_ref`, which gets a note with the reference.

    Locks both in id order. Raises IllegalMoveError (also for itself or an ended target);
    an unknown or foreign target is DoesNotExist.
    """
    visible = Ticket.objects.visible_to(actor)
    target_id = visible.values_list("pk", flat=True).get(ref=target_ref.strip().upper())
    require(actor, Permission.TICKET_MERGE)
    rows = {pk: visible.lock(pk) for pk in sorted({ticket_id, target_id})}
    ticket, target = rows[ticket_id], rows[target_id]
    if ticket_id == target_id or target.has_ended:
        raise IllegalMoveError(target.status, TicketStatus.MERGED)
    _move(ticket, Move.MERGE, TicketStatus.MERGED)
    ticket.merged_into = target
    ticket.closed_at = now
    ticket.attention_at = None
    _record(ticket, EventKind.MERGED, actor, now, into=target.ref)
    _save(ticket, now)
    _record(target, EventKind.MERGED, actor, now, other=ticket.ref)
    target.attention_at = now
    _save(target, now)
    return target


@transaction.atomic
def reveal_contact(actor: Actor, *, ticket_id: int, now: datetime) -> str:
    """The contact's whole phone number; that it was shown, and to whom, is recorded."""
    ticket = _locked(actor, ticket_id, Permission.CONTACT_REVEAL)
    _record(ticket, EventKind.CONTACT_REVEALED, actor, now)
    return ticket.contact_phone


# --- What time does ------------------------------------------------------------------


def sweep(now: datetime) -> None:
    """Closes tickets that stayed silent for 72 hours and raises due reminders.

    Run by the ticker every five seconds and by beat: each row is locked and judged again, so
    any number of runners may overlap, late or twice.
    """
    actor = system()
    silent = Ticket.objects.silent_since_resolved(now).values_list("pk", flat=True)
    for ticket_id in silent.order_by("resolved_at")[:SWEEP_BATCH]:
        _close_silent(actor, ticket_id, now)
    due = Ticket.objects.reminder_due(now).values_list("pk", flat=True)
    for ticket_id in due.order_by("remind_at")[:SWEEP_BATCH]:
        _remind(actor, ticket_id, now)


def purge_drafts(now: datetime) -> int:
    """Deletes drafts that nobody touched for a week, with their photos; returns how many."""
    stale = ReportDraft.objects.filter(updated_at__lt=now - KEEP_DRAFTS)
    gone = 0
    for draft_id in stale.values_list("pk", flat=True)[:PURGE_BATCH]:
        with transaction.atomic():
            draft = stale.select_for_update(skip_locked=True).filter(pk=draft_id).first()
            if draft is None:
                continue  # typed on, or filed, a moment ago
            for attachment in draft.attachments.filter(ticket__isnull=True):
                _drop_file(attachment)
            draft.delete()
            gone += 1
    return gone


@transaction.atomic
def _close_silent(actor: Actor, ticket_id: int, now: datetime) -> None:
    require(actor, Permission.TICKET_AUTOCLOSE)
    rows = Ticket.objects.silent_since_resolved(now).select_for_update(skip_locked=True)
    ticket = rows.filter(pk=ticket_id).first()
    if ticket is None:
        return
    _move(ticket, Move.AUTOCLOSE, TicketStatus.CLOSED)
    ticket.closed_at = now
    _record(ticket, EventKind.CLOSED, actor, now)
    _save(ticket, now)


@transaction.atomic
def _remind(actor: Actor, ticket_id: int, now: datetime) -> None:
    rows = Ticket.objects.reminder_due(now).select_for_update(skip_locked=True)
    ticket = rows.filter(pk=ticket_id).first()
    if ticket is None:
        return
    ticket.remind_at = None
    ticket.attention_at = now
    _record(ticket, EventKind.REMINDED, actor, now)
    _save(ticket, now)


# --- Parts ---------------------------------------------------------------------------


def _locked(actor: Actor, ticket_id: int, permission: Permission) -> Ticket:
    """Tenancy, existence, lock and right in one line."""
    ticket = Ticket.objects.visible_to(actor).lock(ticket_id)
    require(actor, permission)
    return ticket


def _move(ticket: Ticket, move: Move, status: TicketStatus) -> None:
    """The only place that assigns a status."""
    if not can(move, ticket.status):
        raise IllegalMoveError(ticket.status, status)
    ticket.status = status
    if status not in {TicketStatus.WAIT_MERCHANT, TicketStatus.WAIT_VENDOR}:
        ticket.wait_for = ""
        ticket.remind_at = None


def _save(ticket: Ticket, now: datetime, *, words: str = "") -> None:
    ticket.last_activity_at = now
    if words:
        ticket.last_words = words[:200]
    ticket.save(
        update_fields=[
            "status",
            "priority",
            "assignee",
            "team",
            "wait_for",
            "remind_at",
            "attention_at",
            "first_reply_at",
            "last_activity_at",
            "last_words",
            "resolved_at",
            "closed_at",
            "reopened_count",
            "cause",
            "certainty",
            "fixed_by",
            "proof",
            "resolution_note",
            "merged_into",
        ]
    )


def _record(ticket: Ticket, kind: EventKind, actor: Actor, at: datetime, **data: Any) -> None:
    TicketEvent.objects.create(
        provider_id=ticket.provider_id,
        ticket=ticket,
        kind=kind,
        actor_user_id=actor.user_id,
        actor_name=actor.name,
        actor_role=actor.role or "",
        via=actor.via,
        data=data,
        occurred_at=at,
    )


def _say(
    ticket: Ticket,
    actor: Actor,
    kind: str,
    body: str,
    files: Iterable[CleanFile],
    now: datetime,
) -> Message:
    files = list(files)
    if not body.strip() and not files:
        raise NothingToSayError
    if len(files) > MAX_FILES:
        raise TooManyFilesError
    merchant = kind == Message.Kind.MERCHANT
    message = Message.objects.create(
        provider_id=ticket.provider_id,
        ticket=ticket,
        kind=kind,
        author_id=actor.user_id,
        author_name=actor.name or (ticket.contact_name if merchant else ""),
        body=body.strip(),
        created_at=now,
    )
    for file in files:
        _attach(file, provider_id=ticket.provider_id, ticket=ticket, message=message, at=now)
    return message


def _said_just_now(
    ticket: Ticket, actor: Actor, kind: str, body: str, now: datetime
) -> Message | None:
    """The first of two taps on "send"; the ticket's lock makes the second one see it."""
    if not body.strip():
        return None
    words = ticket.messages.filter(kind=kind, author_id=actor.user_id, body=body.strip())
    return words.filter(created_at__gt=now - REPEAT_WITHIN).order_by("-pk").first()


def _attach(file: CleanFile, *, provider_id: int, at: datetime, **home: Any) -> Attachment:
    attachment = Attachment(
        provider_id=provider_id,
        name=file.name,
        content_type=file.content_type,
        extension=file.extension,
        size=len(file.content),
        sha256=file.sha256,
        width=file.width,
        height=file.height,
        created_at=at,
        **home,
    )
    attachment.file.save(file.name, ContentFile(file.content), save=False)
    attachment.save(force_insert=True)
    return attachment


def _drop_file(attachment: Attachment) -> None:
    storage, name = attachment.file.storage, attachment.file.name
    attachment.delete()
    if name:
        transaction.on_commit(lambda: storage.delete(name))


def _wait(
    ticket: Ticket, actor: Actor, wait_for: WaitFor, remind_at: datetime | None, now: datetime
) -> None:
    merchant = wait_for == WaitFor.MERCHANT
    _move(ticket, Move.WAIT, TicketStatus.WAIT_MERCHANT if merchant else TicketStatus.WAIT_VENDOR)
    ticket.wait_for = wait_for
    ticket.remind_at = remind_at
    _record(
        ticket,
        EventKind.WAITING,
        actor,
        now,
        wait_for=wait_for.value,
        remind_at=remind_at.isoformat() if remind_at else None,
    )


def _reopen(ticket: Ticket, actor: Actor, now: datetime) -> None:
    """The resolution goes back into the time line; it was not the end."""
    _move(ticket, Move.REOPEN, TicketStatus.OPEN)
    _record(ticket, EventKind.REOPENED, actor, now, cause=ticket.cause, fixed_by=ticket.fixed_by)
    ticket.resolved_at = ticket.closed_at = None
    ticket.cause = ticket.certainty = ticket.fixed_by = ticket.proof = ""
    ticket.resolution_note = ""
    ticket.reopened_count += 1
    ticket.attention_at = now


def _follow_up(ticket: Ticket, actor: Actor, now: datetime, words: str) -> Ticket:
    existing = ticket.follow_ups.order_by("-pk").first()
    if existing and not existing.has_ended:
        return existing  # a second tap, or somebody was faster
    fresh = create_with_ref(
        lambda: Ticket(
            provider_id=ticket.provider_id,
            merchant_id=ticket.merchant_id,
            store_id=ticket.store_id,
            terminal_id=ticket.terminal_id,
            symptom=ticket.symptom,
            title=ticket.title,
            source=Ticket.Source.FOLLOW_UP,
            language=ticket.language,
            priority=ticket.priority,
            impact=ticket.impact,
            terminals_down=ticket.terminals_down,
            is_security=ticket.is_security,
            contact_name=ticket.contact_name,
            contact_phone=ticket.contact_phone,
            attention_at=now,
            opened_at=now,
            last_activity_at=now,
            last_words=words[:200],
            previous=ticket,
        )
    )
    _record(fresh, EventKind.REPORTED, actor, now, previous=ticket.ref)
    _record(ticket, EventKind.FOLLOWED_UP, actor, now, follow_up=fresh.ref)
    if words:
        merchant = actor.role not in STAFF_ROLES
        kind = Message.Kind.MERCHANT if merchant else Message.Kind.NOTE
        _say(fresh, actor, kind, words, (), now)
    return fresh


def _colleague(provider_id: int, user_id: int | None, *, role: str | None = None) -> User | None:
    if user_id is None:
        return None
    seats = Seat.objects.active().filter(provider_id=provider_id, user_id=user_id)
    seat = (seats.filter(role=role) if role else seats).select_related("user").first()
    if seat is None:
        raise UnknownPersonError
    return seat.user


def _team(provider_id: int, team_id: int | None) -> Team | None:
    if team_id is None:
        return None
    team = Team.objects.filter(provider_id=provider_id, pk=team_id).first()
    if team is None:
        raise UnknownPersonError
    return team


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


def _clean(reason: str) -> str:
    """Reasons are free text inside event data: masked like every other."""
    return scrub(reason.strip())[:300]
