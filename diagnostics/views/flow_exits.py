"""Ways to hand over as authors see them: in their order, one of them, a new one."""

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from diagnostics.actions import drafts
from diagnostics.authoring.edits import EditError
from diagnostics.flow import Flow, HandOver
from diagnostics.forms.flow_words import ACTORS, FIELDS
from diagnostics.forms.flows import ExitForm, NewExitForm, PartForm
from diagnostics.models import FlowDraft, reader_language
from diagnostics.views.flows import (
    GET_OR_POST,
    Editor,
    Line,
    draft_of,
    edit_words,
    for_authors,
    open_draft,
    problems_of,
    published_of,
    revisions_of,
    status_of,
    text_or_id,
)
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.core import clock


@for_authors
@require_GET
def exits(request: ActorRequest, symptom: str) -> HttpResponse:
    """Every way to hand over beside the desk, in the order that decides between equal ones."""
    draft = FlowDraft.objects.visible_to(request.actor).filter(symptom=symptom).first()
    shown = draft or published_of(request, symptom)
    if shown is None:
        raise Http404
    document = shown.flow
    found = problems_of(draft) if draft else []
    problems = [one for one in found if one.part == "exits" or one.part.startswith("exit.")]
    context = {
        "symptom": symptom,
        "title": document.title.get(reader_language()),
        "draft": draft,
        "desk": document.call,
        "problems": problems,
        "lines": _lines(document, {problem.part for problem in problems}),
        "revisions": revisions_of(draft),
    }
    return render(request, "diagnostics/flows/exits.html", context)


@for_authors
@GET_OR_POST
def one(request: ActorRequest, symptom: str, name: str) -> HttpResponse:
    """One way to hand over."""
    draft = open_draft(request, symptom)
    editor = Editor(request, draft, ExitForm, "exits", name)

    def save(form: PartForm) -> None:
        drafts.save_exit(
            request.actor, symptom=symptom, revision=form.cleaned_data["revision"],
            way=form.part(), now=clock.now(),
        )  # fmt: skip

    flow = draft.flow
    way = flow.exit(name)
    causes = [text_or_id(fault) for fault in flow.faults if way and way.is_right_for(fault)]
    return editor.answer("diagnostics/flows/exit.html", {"causes": causes}, save)


@for_authors
@GET_OR_POST
def new(request: ActorRequest, symptom: str) -> HttpResponse:
    """One more way to hand over."""
    draft = draft_of(request, symptom)
    form = NewExitForm(request.POST or None)
    if form.is_valid():
        title = {"zh": form.cleaned_data["title_zh"], "en": form.cleaned_data["title_en"]}
        try:
            _draft, name = drafts.add_exit(
                request.actor, symptom=symptom, title=title, now=clock.now()
            )
        except EditError as error:
            form.add_error(None, edit_words(error))
        else:
            return redirect("diagnostics:flow_exit", symptom=symptom, name=name)
    context = {"draft": draft, "symptom": symptom, "form": form}
    return render(request, "diagnostics/flows/new_exit.html", context, status=status_of(form))


def _lines(document: Flow, wrong: set[str]) -> list[Line]:
    lines = []
    for way in document.exits:
        minutes = _("%(n)s min, %(m)s min where it is another cause") % {
            "n": f"{way.minutes:g}",
            "m": f"{way.otherwise:g}",
        }
        icon = "repeat" if way.swap else "phone-forwarded"
        has_problem = f"exit.{way.id}" in wrong
        marks = _marks(document, way)
        lines.append(
            Line(
                way.id,
                text_or_id(way),
                minutes,
                icon,
                marks,
                is_fixed=False,
                has_problem=has_problem,
            )
        )
    return lines


def _marks(document: Flow, way: HandOver) -> list[str]:
    """Whose causes it is right for and how many those are, and when it begins."""
    count = sum(way.is_right_for(fault) for fault in document.faults)
    marks = [str(ACTORS.get(actor, actor)) for actor in way.actors]
    marks.append(
        ngettext("right for %(n)d cause", "right for %(n)d causes", count) % {"n": count}
        if count
        else _("right for no cause of this flow")
    )
    return [*marks, str(FIELDS["waits"])] if way.waits else marks
