"""Deeds on logs: read one, and begin a check with what it said."""

import io
import threading
import zipfile
from datetime import datetime, timedelta

from django.db import transaction

from diagnostics.actions import codes, runs
from diagnostics.log_reader import UNKNOWN, Findings, read
from diagnostics.models import DiagnosisRun, LogAnalysis, OwnCode
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, require
from posdoctor.core import doors
from posdoctor.core.doors import Door
from posdoctor.core.errors import DomainError, TooManyTriesError
from posdoctor.core.refs import create_with_ref
from terminals.models import Terminal

# A person reads a few logs an hour; each may keep a processor busy for half a minute.
LOGS_BY_PERSON = Door("logs-person", 30, timedelta(minutes=10))
LARGE_LOGS_BY_PERSON = Door("large-logs-person", 6, timedelta(minutes=10))
LARGE_LOGS_BY_PROVIDER = Door("large-logs-provider", 20, timedelta(minutes=10))
_LARGE = 512 * 1024
_BUSY_FOR = timedelta(seconds=30)
# A log that is all codes of its own must not fill the desk's queue.
_MOST_UNKNOWN = 10
# What logs said is of use as long as its repair may be disputed.
KEPT = timedelta(days=180)
# SECURITY: one large log at a time in a process, or a handful would stop everybody else's pages.
_ONE_LARGE = threading.Lock()


class LogBusyError(TooManyTriesError):
    """This process reads another large log; waiting for it would hold up a page each."""

    code = "log_busy"


class NoTerminalError(DomainError):
    """The log is of no terminal that is known here: nothing can be checked."""

    code = "no_terminal"


def analyse_log(
    actor: Actor,
    *,
    log: str | bytes,
    terminal: Terminal | None,
    source: LogAnalysis.Source,
    now: datetime,
) -> LogAnalysis:
    """Reads a log and keeps what it says, masked; the log itself is not kept.

    Codes that no table has wait for the desk to define them. `terminal` was found through
    `visible_to`. Reading takes no lock and no transaction of its own. Raises NotAllowedError,
    RejectedLog; for a large log LogBusyError, and TooManyTriesError past its doors.
    """
    require(actor, Permission.LOG_ANALYSE)
    provider_id = actor.provider_id
    assert provider_id is not None
    findings = _read(actor, log, now)
    unknown = dict.fromkeys(seen.code for seen in findings.codes if seen.scheme == UNKNOWN)
    model_id = terminal.model_id if terminal else None
    for code in list(unknown)[:_MOST_UNKNOWN]:
        codes.note_unknown(actor, text=code, model_id=model_id, now=now)
    return create_with_ref(
        lambda: LogAnalysis(
            provider_id=provider_id,
            terminal=terminal,
            source=source,
            findings=findings.to_dict(),
            made_at=now,
            made_by_id=actor.user_id,
            made_by_name=actor.name,
        )
    )


@transaction.atomic
def check_from_log(
    actor: Actor, *, analysis_id: int, symptom: str, language: str, now: datetime
) -> DiagnosisRun:
    """Begins a check of the log's terminal in which the log's evidence counts as answered.

    Raises NotAllowedError, NoTerminalError; a hidden analysis is DoesNotExist, an unknown
    symptom FlowVersion.DoesNotExist.
    """
    analysis = LogAnalysis.objects.visible_to(actor).select_related("terminal").get(pk=analysis_id)
    require(actor, Permission.RUN_START)
    if analysis.terminal is None:
        raise NoTerminalError
    return runs.start(
        actor,
        terminal=analysis.terminal,
        symptom=symptom,
        language=language,
        now=now,
        known=tuple(analysis.findings["evidence"]),
    )


def purge_logs(*, now: datetime) -> int:
    """Drops what logs said longer than KEPT ago; returns how many."""
    deleted, _ = LogAnalysis.objects.filter(made_at__lt=now - KEPT).delete()
    return deleted


def _read(actor: Actor, log: str | bytes, now: datetime) -> Findings:
    catalogue = OwnCode.objects.visible_to(actor).catalogue()
    if not _is_large(log):
        return read(log, catalogue)
    if not _ONE_LARGE.acquire(blocking=False):
        raise LogBusyError(retry_after=_BUSY_FOR)
    try:
        doors.knock(LARGE_LOGS_BY_PERSON, str(actor.user_id), now=now)
        doors.knock(LARGE_LOGS_BY_PROVIDER, str(actor.provider_id), now=now)
        return read(log, catalogue)
    finally:
        _ONE_LARGE.release()


def _is_large(log: str | bytes) -> bool:
    """An archive says nothing about the length of what it holds."""
    return len(log) >= _LARGE or (isinstance(log, bytes) and zipfile.is_zipfile(io.BytesIO(log)))
