"""The OpenAPI document, unknown addresses below `/api/`, and JSON for what fails before a view."""

import json
from functools import cache
from typing import Any

import yaml
from django.contrib.auth.decorators import login_not_required
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from posdoctor.core.api import errors, reference


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document, in English, made once a process."""
    with translation.override("en"):
        made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def as_yaml() -> str:
    """The document as `docs/openapi.yaml` holds it."""
    plain = json.loads(json.dumps(document(), cls=DjangoJSONEncoder))
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=100)


@login_not_required
@require_safe
def schema(_request: HttpRequest) -> HttpResponse:
    """The document as JSON. It holds no data, hence asks for no sign-in."""
    return JsonResponse(document(), json_dumps_params={"ensure_ascii": False})


@login_not_required
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The document as a page, drawn here: the usual viewers break the policy (docs/adr/0012)."""
    context = {"parts": reference.parts(document()), "version": document()["openapi"]}
    return render(request, "core/api.html", context)


@csrf_exempt
@login_not_required
def unknown(_request: HttpRequest) -> HttpResponse:
    """404 in JSON for every address that the API does not have, whatever the method."""
    return errors.plain_answer(errors.not_found())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The project's handler404."""
    if errors.is_api(request):
        return errors.plain_answer(errors.not_found())
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The project's handler400."""
    if errors.is_api(request):
        return errors.plain_answer(errors.malformed())
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """The project's handler500."""
    if errors.is_api(request):
        return errors.plain_answer(errors.server_error())
    return defaults.server_error(request)
