"""The OpenAPI document: in step with the code, complete, and true to what people are told."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from posdoctor.core.api import reference
from posdoctor.core.api.views import as_yaml, document

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_committed_file_is_what_the_code_says():
    """Renew it with `bin/manage write_openapi` and review the difference."""
    assert (ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8") == as_yaml()


def test_it_is_made_without_a_guess():
    with warnings.catch_warnings(), GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        SchemaGenerator().get_schema(request=None, public=True)
        assert not GENERATOR_STATS._warn_cache
        assert not GENERATOR_STATS._error_cache


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_it_is_served_to_everybody_and_the_same_in_every_language(language: str):
    answer = Client(headers={"accept-language": language}).get("/api/v1/schema/")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1.")
    assert answer.json()["paths"].keys() == document()["paths"].keys()


def test_every_operation_says_what_it_does_and_how_it_refuses():
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            where = (method, path)
            assert operation["summary"], where
            assert operation["operationId"], where
            assert {"401", "403", "406", "422", "429", "500"} <= set(operation["responses"]), where
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            assert ("Idempotency-Key" in names) == (method != "get"), where


def test_no_database_id_is_in_any_shape():
    for name, shape in document()["components"]["schemas"].items():
        properties = shape.get("properties", {})
        assert not {"pk"} & set(properties), name
        for field, schema in properties.items():
            if field == "id" or field.endswith("_id"):
                assert schema.get("type") == "string", (name, field)


def test_the_page_shows_every_operation():
    page = Client(headers={"accept-language": "en"}).get("/api/v1/docs/").content.decode()
    operations = [o for part in reference.parts(document()) for o in part.operations]
    assert len(operations) == sum(len(methods) for methods in document()["paths"].values())
    for operation in operations:
        assert f'id="{operation.id}"' in page
    assert not re.search(r"<script|<style|\sstyle=|https?://(?!testserver)", page)


def test_fields_of_nested_shapes_are_listed():
    operations = {o.id: o for part in reference.parts(document()) for o in part.operations}
    names = {field.name: field for field in operations["merchants_add"].body}
    assert names["contact.phone"].is_required
    assert "store.opening_hours.mon" in names
    answer: Any = {field.name: field.kind for field in operations["tickets_list"].answer}
    assert answer["results.store.merchant.ref"] == "string"
    assert answer["next"] == "uri or null"
