"""The desk's page of one walk: what was asked, why, what was likeliest, what was left out."""

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from diagnostics.explanations import trace_of
from diagnostics.models import DiagnosisRun
from posdoctor.accounts.access import for_staff
from posdoctor.accounts.middleware import ActorRequest


@require_safe
@for_staff
def trace(request: ActorRequest, ref: str) -> HttpResponse:
    """One walk, step by step. 404 where it is hidden or nothing was checked."""
    runs = DiagnosisRun.objects.visible_to(request.actor).with_page_columns()
    run = get_object_or_404(runs.select_related("ticket"), ref=ref.upper())
    if run.flow_version is None:
        raise Http404
    return render(request, "diagnostics/trace.html", {"run": run, "trace": trace_of(run)})
