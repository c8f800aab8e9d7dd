"""The OpenAPI document as plain rows for the page that people read. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
_DEEPEST = 3


@dataclass(frozen=True)
class Field:
    """One line of a shape; `name` is dotted below the first level."""

    name: str
    kind: str
    is_required: bool
    text: str


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    id: str
    method: str
    path: str
    title: str
    text: str
    parameters: list[Field]
    body: list[Field]
    body_types: list[str]
    answer: list[Field]
    statuses: list[tuple[str, str]]


@dataclass(frozen=True)
class Part:
    """The addresses of one part of the API."""

    name: str
    operations: list[Operation]


def parts(document: Document) -> list[Part]:
    """Everything, part by part, in the order of the addresses."""
    grouped: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["general"])[0]
            grouped.setdefault(tag, []).append(_operation(document, path, method, operation))
    return [Part(name, operations) for name, operations in sorted(grouped.items())]


def _operation(document: Document, path: str, method: str, operation: Document) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    first: Any = next(iter(content.values()), {})
    body = first.get("schema", {})
    answers = operation["responses"]
    good: Any = next((answer for status, answer in answers.items() if status[0] == "2"), {})
    shown: Any = next(iter(good.get("content", {}).values()), {})
    shape = shown.get("schema", {})
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        title=operation.get("summary", ""),
        text=operation.get("description", ""),
        parameters=[
            Field(
                parameter["name"],
                _kind(document, parameter["schema"]),
                bool(parameter.get("required")),
                parameter.get("description", ""),
            )
            for parameter in operation.get("parameters", [])
        ],
        body=list(_fields(document, body)),
        body_types=list(content),
        answer=list(_fields(document, shape)),
        statuses=[
            (status, _resolved(document, answer).get("description", ""))
            for status, answer in sorted(answers.items())
        ],
    )


def _fields(
    document: Document, schema: Document, prefix: str = "", depth: int = 0
) -> Iterator[Field]:
    """The properties of an object, those of the objects in it below them."""
    shape = _object_in(document, schema)
    required = set(shape.get("required", ()))
    for name, inner in shape.get("properties", {}).items():
        text = inner.get("description", "")
        yield Field(f"{prefix}{name}", _kind(document, inner), name in required, text)
        if depth < _DEEPEST:
            yield from _fields(document, inner, f"{prefix}{name}.", depth + 1)


def _object_in(document: Document, schema: Document) -> Document:
    """The object that a schema is, or is a list or a choice of; empty for anything else."""
    found = _resolved(document, schema)
    if "properties" in found:
        return found
    if "items" in found:
        return _object_in(document, found["items"])
    for choice in (*found.get("oneOf", ()), *found.get("allOf", ()), *found.get("anyOf", ())):
        inner = _object_in(document, choice)
        if inner:
            return inner
    return {}


def _kind(document: Document, schema: Document) -> str:
    """`string`, `list of string`, `open | closed`, … with `or null`."""
    found = _resolved(document, schema)
    choices = [*found.get("oneOf", ()), *found.get("allOf", ()), *found.get("anyOf", ())]
    if choices:
        return " or ".join(dict.fromkeys(_kind(document, choice) for choice in choices))
    kinds = found.get("type", "any")
    names = kinds if isinstance(kinds, list) else [kinds]
    words = [_word(document, found, str(name)) for name in names]
    return " or ".join(words)


def _word(document: Document, schema: Document, kind: str) -> str:
    if kind == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    if kind != "null" and "enum" in schema:
        values = [value for value in schema["enum"] if value is not None]
        return " | ".join(str(value) or '""' for value in values)
    return str(schema["format"]) if kind == "string" and "format" in schema else kind


def _resolved(document: Document, schema: Document) -> Document:
    reference = schema.get("$ref")
    if not reference:
        return schema
    found: Any = document
    for step in str(reference).removeprefix("#/").split("/"):
        found = found[step]
    return found  # type: ignore[no-any-return] # walked through untyped JSON
