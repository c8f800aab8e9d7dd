"""Pages that belong to no app: help, privacy, the living style page."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET


@login_not_required
@require_GET
def help_page(request: HttpRequest) -> HttpResponse:
    """How to find the sticker, what to do first, whom to call."""
    return render(request, "core/help.html")


@login_not_required
@require_GET
def privacy(request: HttpRequest) -> HttpResponse:
    """Which data a report holds, who sees it and for how long."""
    return render(request, "core/privacy.html")


@require_GET
def style(request: HttpRequest) -> HttpResponse:
    """Every component of the design system on one page, for staff who change pages."""
    if request.actor.provider_id is None:  # type: ignore[attr-defined]
        raise Http404
    return render(request, "ui/style.html")
