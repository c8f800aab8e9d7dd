"""Reads JSON bodies so that no body, however strange, is an error of ours."""

import json
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.parsers import MultiPartParser as _MultiPartParser


class JsonParser(BaseParser):
    """`application/json` in UTF-8, whatever charset the header names."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """The value; ParseError for anything else, numbers that are none (NaN) included."""
        try:
            return json.loads(stream.read().decode("utf-8"), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ParseError from error


class FormParser(_MultiPartParser):
    """A form with files, in UTF-8: a header may name an encoding that is none of text."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Fields and files; ParseError where the form is broken."""
        context = {**(parser_context or {}), "encoding": "utf-8"}
        return super().parse(stream, media_type=media_type, parser_context=context)


def _refuse(name: str) -> None:
    raise ValueError(name)
