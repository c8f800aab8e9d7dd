"""Guides to read and to print: for anybody, and for the machine of a sticker."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from diagnostics import access, actions
from diagnostics.access import machine_page, show
from diagnostics.engine import Attributes
from diagnostics.flow import Flow
from diagnostics.guides import SIGN_IN, guide_of, sign_in_card
from diagnostics.models import FlowVersion, reader_language
from terminals.models import Terminal


@login_not_required
@require_safe
def guides(request: HttpRequest) -> HttpResponse:
    """All guides of the flows that ship with the product."""
    flows = [version.flow for version in FlowVersion.objects.published().defer("document")]
    return render(request, "diagnostics/guides.html", {"guides": _titles(flows)})


@login_not_required
@require_safe
def guide(request: HttpRequest, name: str) -> HttpResponse:
    """One of them; an unknown name is 404."""
    if name == SIGN_IN:
        return render(request, "diagnostics/guide_sign_in.html", _card())
    version = FlowVersion.objects.published().filter(symptom=name).first()
    if version is None:
        raise Http404
    context = {"guide": guide_of(version.flow, reader_language())}
    return render(request, "diagnostics/guide.html", context)


@machine_page
@require_safe
def machine_guides(request: HttpRequest, terminal: Terminal) -> HttpResponse:
    """The guides of what can be wrong with this machine, from its provider's own flows."""
    flows = [version.flow for version in access.offered(terminal)]
    return show(request, terminal, "diagnostics/guides.html", {"guides": _titles(flows)})


@machine_page
@require_safe
def machine_guide(request: HttpRequest, terminal: Terminal, name: str) -> HttpResponse:
    """One of them, without what this machine does not have."""
    if name == SIGN_IN:
        return show(request, terminal, "diagnostics/guide_sign_in.html", _card())
    found = [version.flow for version in access.offered(terminal) if version.symptom == name]
    if not found:
        raise Http404
    known = Attributes.from_dict(actions.attributes_of(terminal))
    page = guide_of(found[0], reader_language(), may_apply=known.may_satisfy)
    return show(request, terminal, "diagnostics/guide.html", {"guide": page})


def _titles(flows: list[Flow]) -> list[dict[str, str]]:
    language = reader_language()
    return [
        {
            "symptom": flow.id,
            "icon": flow.icon,
            "title": flow.title.get(language),
            "hint": flow.hint.get(language),
        }
        for flow in flows
    ]


def _card() -> dict[str, object]:
    return {"card": sign_in_card(reader_language())}
