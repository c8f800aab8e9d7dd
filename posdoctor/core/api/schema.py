"""The OpenAPI document: how views say what they take and give, and what all addresses share."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from posdoctor.core.api.idempotency import HEADER
from posdoctor.core.api.shapes import Input, Shape

_View = TypeVar("_View", bound=Callable[..., Any])
_JSON = "application/json"
_FORM = "multipart/form-data"
_WRITES = ("post", "put", "patch", "delete")

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Why the request was refused. `code` is for machines and stays the same.",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "fields": {
            "type": "object",
            "description": "Per field what to change; nested names are joined by dots",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "current": {"type": "string", "description": "The present state, where a move is illegal"},
    },
}
_REFUSALS = {
    "400": ("Malformed", "The request cannot be read"),
    "401": ("NotAuthenticated", "No sign-in, or a token that is unknown, revoked or expired"),
    "403": ("NotAllowed", "Visible, but not for this role or token to do"),
    "404": ("NotFound", "It does not exist, or not for this caller"),
    "405": ("MethodNotAllowed", "The address does not take this method"),
    "406": ("NotAcceptable", "Answers are JSON only"),
    "409": ("Conflict", "Not possible in the present state, which `current` names"),
    "413": ("TooLarge", "The request is too large"),
    "415": ("UnsupportedMediaType", "The address does not take this content type"),
    "422": ("Invalid", "The input is wrong; `fields` says where"),
    "429": ("TooManyRequests", "Too many requests; `Retry-After` says when to try again"),
    "500": ("ServerError", "An error of ours"),
}
_READS = ("401", "403", "404", "406", "422", "429", "500")


def documented(
    operation_id: str,
    *,
    gives: Any = None,
    takes: Any = None,
    query: Any = None,
    status: int | tuple[int, str] = 200,
    takes_files: bool = False,
    may_hide: bool = False,
) -> Callable[[_View], _View]:
    """What a method takes and gives. Its docstring is the description.

    `gives` None: no content. `takes_files`: the same fields as a form with files, too.
    `may_hide`: afterwards the caller may not see the row any more, which is a 204.
    """
    request: Any = takes
    if takes and takes_files:
        request = {_JSON: takes, _FORM: takes}
    return extend_schema(
        operation_id=operation_id,
        request=request,
        responses={status: gives, **({204: None} if may_hide else {})},
        parameters=[query] if query else None,
    )


class PageQuery(Input):
    """The place in a list."""

    cursor = serializers.CharField(
        required=False, max_length=800, help_text="From `next` or `previous` of the page before"
    )
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=200, default=50)


@cache
def page_shape(shape: type[Shape]) -> type[Shape]:
    """`{"results", "next", "previous"}` of these."""
    links = {
        name: serializers.URLField(allow_null=True, help_text=text)
        for name, text in (
            ("next", "Address of the next page, null on the last"),
            ("previous", "Address of the page before, null on the first"),
        )
    }
    body = {"results": shape(many=True), **links, "__doc__": f"One page of {shape.__name__}."}
    return type(f"{shape.__name__}Page", (Shape,), body)


class Schema(AutoSchema):
    """One tag per part of the API; the first line of a docstring is the summary."""

    def get_tags(self) -> list[str]:
        """The area of the view."""
        return [getattr(self.view, "area", "") or "general"]

    def get_summary(self) -> str | None:
        """The first sentence."""
        lines = self._doc().splitlines()
        return lines[0].rstrip(".") if lines else None

    def get_description(self) -> str:  # type: ignore[override] # the stubs mean another class
        """What follows it."""
        return "\n".join(self._doc().splitlines()[1:]).strip()

    def _doc(self) -> str:
        handler = getattr(self.view, self.method.lower(), None)
        lines = (getattr(handler, "__doc__", "") or "").strip().splitlines()
        return "\n".join(line.strip() for line in lines)


def add_what_all_share(result: dict[str, Any], **_more: Any) -> dict[str, Any]:
    """Hook: refusals, the header of repeats, and that unknown fields are refused."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["responses"] = {
        name: _refusal_answer(name, text) for name, text in _REFUSALS.values()
    }
    for name, schema in components["schemas"].items():
        if name.removeprefix("Patched").endswith("Input") and schema.get("type") == "object":
            schema["additionalProperties"] = False
            schema.setdefault("properties", {})
    for methods in result["paths"].values():
        for method, operation in methods.items():
            _share(method, operation)
    return result


def _share(method: str, operation: dict[str, Any]) -> None:
    wanted = set(_READS) | ({"400", "409", "413", "415"} if method in _WRITES else set())
    for status in sorted(wanted):
        reference = {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"}
        operation["responses"].setdefault(status, reference)
    if method in _WRITES:
        operation.setdefault("parameters", []).append(_KEY_PARAMETER)


_KEY_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "description": (
        "A text of your choice. A repeat of the request with the same key within a day gets "
        "the first answer and changes nothing."
    ),
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


def _refusal_answer(name: str, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": text,
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if name == "TooManyRequests":
        answer["headers"] = {
            "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}
        }
    return answer


BINARY = OpenApiTypes.BINARY
