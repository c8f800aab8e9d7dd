"""Log lines as production writes them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from posdoctor.core.logs import CardDataFilter, JsonFormatter


class Lines:
    """What was logged since the test began, as text and as objects."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        # Escapes are undone: what is planted in Chinese must be found if it is there.
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in self.all())

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Everything from DEBUG on, through the same masks and formatter as in production."""
    found = Lines()
    handler = logging.StreamHandler(found.stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(CardDataFilter())
    targets = [logging.getLogger(), logging.getLogger("post_office")]
    levels = [target.level for target in targets]
    for target in targets:
        target.addHandler(handler)
        target.setLevel(logging.DEBUG)
    yield found
    for target, level in zip(targets, levels, strict=True):
        target.removeHandler(handler)
        target.setLevel(level)
