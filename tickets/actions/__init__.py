"""Deeds on tickets. Each locks the ticket, checks the right, writes state and event together."""

from tickets.actions.conversation import add_words, note, reply
from tickets.actions.ending import cancel, confirm, merge_into, reopen, resolve, reveal_contact
from tickets.actions.filing import drop_draft_file, report, save_draft
from tickets.actions.fixes import log_fix, may_take_back, take_back_fix
from tickets.actions.parts import MAX_FILES
from tickets.actions.refusals import (
    NothingToSayError,
    TooManyFilesError,
    UnknownFixError,
    UnknownPersonError,
)
from tickets.actions.sweeps import purge_drafts, sweep
from tickets.actions.work import (
    arrive,
    assign,
    dispatch,
    leave,
    resume,
    set_priority,
    take_up,
    wait,
)

__all__ = [
    "MAX_FILES",
    "NothingToSayError",
    "TooManyFilesError",
    "UnknownFixError",
    "UnknownPersonError",
    "add_words",
    "arrive",
    "assign",
    "cancel",
    "confirm",
    "dispatch",
    "drop_draft_file",
    "leave",
    "log_fix",
    "may_take_back",
    "merge_into",
    "note",
    "purge_drafts",
    "reopen",
    "reply",
    "report",
    "resolve",
    "resume",
    "reveal_contact",
    "save_draft",
    "set_priority",
    "sweep",
    "take_back_fix",
    "take_up",
    "wait",
]
