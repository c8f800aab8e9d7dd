"""Public references: short, sayable ids; no database id leaves the system."""

import re
import secrets
from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, models, transaction

# Without 0 O 1 I L: read aloud on the phone and typed from a sticker.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
STICKER_LENGTH = 8

_Row = TypeVar("_Row", bound=models.Model)


def random_code(length: int) -> str:
    """`length` characters of the alphabet from the system's random source (31^length)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_ref(prefix: str, length: int) -> str:
    """For example `T-7K3Q9M`."""
    return f"{prefix}-{random_code(length)}"


def clean_code(typed: str) -> str:
    """What was typed or scanned as it is stored: upper case, no blanks or dashes."""
    return re.sub(r"[\s\-–—_]+", "", typed).upper()


def create_with_ref(make: Callable[[], _Row], *, tries: int = 5) -> _Row:
    """Saves the row that `make()` returns, with a fresh reference at each try.

    `make` draws its own reference. A unique reference taken by chance (1 in 887 million
    per stored row for six characters) is drawn again; any other integrity error is raised.
    """
    for attempt in range(tries):
        row = make()
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            if "_ref" not in str(error) or attempt == tries - 1:
                raise
        else:
            return row
    raise AssertionError("unreachable")
