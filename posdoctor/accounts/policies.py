"""The one Permission x Role table, and the check that every action makes."""

from enum import StrEnum

from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import NotAllowedError


class Permission(StrEnum):
    """One deed each. Reading is not here: `visible_to` decides what exists for an actor.

    OPS_VIEW is the one exception: a page that counts over colleagues is for leads.
    """

    TICKET_REPORT = "ticket_report"
    TICKET_REPLY = "ticket_reply"
    TICKET_NOTE = "ticket_note"
    TICKET_ADD_WORDS = "ticket_add_words"
    TICKET_ASSIGN = "ticket_assign"
    TICKET_WAIT = "ticket_wait"
    TICKET_DISPATCH = "ticket_dispatch"
    TICKET_ON_SITE = "ticket_on_site"
    TICKET_RESOLVE = "ticket_resolve"
    FIX_LOG = "fix_log"
    TICKET_CONFIRM = "ticket_confirm"
    TICKET_REOPEN = "ticket_reopen"
    TICKET_CANCEL = "ticket_cancel"
    TICKET_MERGE = "ticket_merge"
    TICKET_PRIORITY = "ticket_priority"
    TICKET_AUTOCLOSE = "ticket_autoclose"
    CONTACT_REVEAL = "contact_reveal"
    TOKEN_ISSUE = "token_issue"  # noqa: S105 - the name of a right
    RUN_START = "run_start"
    RUN_ANSWER = "run_answer"
    TERMINAL_EDIT = "terminal_edit"
    TERMINAL_STOP = "terminal_stop"
    TERMINAL_RELEASE = "terminal_release"
    VERSIONS_MANAGE = "versions_manage"
    MERCHANT_EDIT = "merchant_edit"
    PROMISES_MANAGE = "promises_manage"
    LOG_ANALYSE = "log_analyse"
    CODE_ASK = "code_ask"
    CODES_DEFINE = "codes_define"
    FLOW_EDIT = "flow_edit"
    FLOW_APPROVE = "flow_approve"
    OPS_VIEW = "ops_view"
    PEOPLE_MANAGE = "people_manage"
    PROVIDER_CREATE = "provider_create"
    DELIVERY_RETRY = "delivery_retry"


_DESK = frozenset({Role.DESK, Role.SUPERVISOR, Role.ADMINISTRATOR})
_LEADS = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
_SHOP = frozenset({Role.MERCHANT, Role.REPORTER})
_SYSTEM = frozenset({Role.SYSTEM})

ALLOWED: dict[Permission, frozenset[Role]] = {
    Permission.TICKET_REPORT: _DESK | _SHOP,
    Permission.TICKET_REPLY: _DESK | {Role.FIELD},
    Permission.TICKET_NOTE: _DESK | {Role.FIELD},
    Permission.TICKET_ADD_WORDS: _SHOP,
    Permission.TICKET_ASSIGN: _DESK,
    Permission.TICKET_WAIT: _DESK,
    Permission.TICKET_DISPATCH: _DESK | {Role.FIELD},
    Permission.TICKET_ON_SITE: _DESK | {Role.FIELD},
    Permission.TICKET_RESOLVE: _DESK | {Role.FIELD},
    # What was tried for a ticket, and whether it worked.
    Permission.FIX_LOG: _DESK | {Role.FIELD},
    Permission.TICKET_CONFIRM: _SHOP,
    Permission.TICKET_REOPEN: _DESK | _SHOP,
    Permission.TICKET_CANCEL: _DESK | _SHOP,
    Permission.TICKET_MERGE: _DESK,
    Permission.TICKET_PRIORITY: _DESK,
    Permission.TICKET_AUTOCLOSE: _SYSTEM,
    Permission.CONTACT_REVEAL: _DESK | {Role.FIELD},
    # One's own, for the seat in use.
    Permission.TOKEN_ISSUE: _DESK | {Role.FIELD},
    Permission.RUN_START: _DESK | _SHOP,
    Permission.RUN_ANSWER: _DESK | _SHOP,
    Permission.LOG_ANALYSE: _DESK,
    Permission.TERMINAL_EDIT: _DESK,
    # A safety answer of a merchant stops a terminal; only leads put it back into use.
    Permission.TERMINAL_STOP: _DESK | _SHOP | {Role.FIELD},
    Permission.TERMINAL_RELEASE: _LEADS,
    # What is expected of every terminal of a model, and known to every diagnosis.
    Permission.VERSIONS_MANAGE: _LEADS,
    Permission.MERCHANT_EDIT: _DESK,
    Permission.PROMISES_MANAGE: _LEADS,
    # Looking up what a screen shows; what nobody knows is kept for the desk.
    Permission.CODE_ASK: _DESK | _SHOP | {Role.FIELD},
    # What a code means is told to every merchant of the provider.
    Permission.CODES_DEFINE: _LEADS,
    # Drafts, publishing and going back.
    Permission.FLOW_EDIT: _LEADS,
    # Another person's changes of safety steps.
    Permission.FLOW_APPROVE: _LEADS,
    Permission.OPS_VIEW: _LEADS,
    Permission.PEOPLE_MANAGE: frozenset({Role.ADMINISTRATOR}),
    Permission.PROVIDER_CREATE: frozenset({Role.OPERATOR}),
    Permission.DELIVERY_RETRY: _LEADS,
}


def may(actor: Actor, permission: Permission) -> bool:
    """Whether the role allows the deed; templates ask this only to hide buttons."""
    return actor.role is not None and actor.role in ALLOWED[permission]


def require(actor: Actor, permission: Permission) -> None:
    """Raises NotAllowedError. The row itself was already found through `visible_to`."""
    if not may(actor, permission):
        raise NotAllowedError(permission.value)
