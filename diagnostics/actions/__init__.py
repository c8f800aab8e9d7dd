"""Deeds of the diagnosis: runs that merchants walk, and the flows they walk through."""

from diagnostics.actions.publishing import publish
from diagnostics.actions.runs import (
    REUSE_WITHIN,
    Facts,
    UnknownAnswerError,
    answer,
    attributes_of,
    start,
    step_after,
)

__all__ = [
    "REUSE_WITHIN",
    "Facts",
    "UnknownAnswerError",
    "answer",
    "attributes_of",
    "publish",
    "start",
    "step_after",
]
