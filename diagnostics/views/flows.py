"""Flows as authors see them: the list, one flow with its draft, and the pages of its parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.db.models import Max
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from diagnostics.actions import drafts, publishing
from diagnostics.actions.drafts import ChangedMeanwhileError
from diagnostics.authoring import edits
from diagnostics.authoring.edits import Document, EditError, Part
from diagnostics.authoring.places import Place, place_of
from diagnostics.authoring.safety import changed_safety
from diagnostics.flow import SAFETY, Check, Fault, Flow, HandOver, Problem, Step, validate
from diagnostics.forms.flow_words import ACTORS, conditions_words, problem_words
from diagnostics.forms.flows import (
    FaultForm,
    Lost,
    NewFaultForm,
    NewStepForm,
    PartForm,
    PublishForm,
    StepForm,
    TextsForm,
)
from diagnostics.models import FlowDraft, FlowVersion, reader_language
from posdoctor.accounts.access import hidden_without
from posdoctor.accounts.middleware import ActorRequest
from posdoctor.accounts.policies import Permission
from posdoctor.core import clock
from posdoctor.core.forms import PlainForm

GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])
for_authors = hidden_without(Permission.FLOW_EDIT)
SHOWN_REVISIONS = 8
KINDS: Mapping[str, edits.Kind] = {"steps": "steps", "faults": "faults", "exits": "exits"}


@dataclass(frozen=True)
class Entry:
    """One symptom in the list of flows."""

    symptom: str
    title: str
    said: str
    icon: str
    version: FlowVersion | None
    draft: FlowDraft | None


@dataclass(frozen=True)
class Found:
    """A problem in the reader's words, and the address of the field that puts it right."""

    words: str
    url: str
    # The short name of a step or cause, `exit.<name>`, or the page.
    part: str


@dataclass(frozen=True)
class Line:
    """A step or cause in the overview."""

    id: str
    text: str
    detail: str
    icon: str
    marks: list[str]
    is_fixed: bool
    has_problem: bool


# --- List and overview ---------------------------------------------------------------


@for_authors
@require_GET
def flows(request: ActorRequest) -> HttpResponse:
    """Every symptom: shipped or own version, and the draft that somebody works on."""
    versions = FlowVersion.objects.published_for(request.actor.provider_id).defer("document")
    found = {draft.symptom: draft for draft in FlowDraft.objects.visible_to(request.actor)}
    entries = [_entry(one.flow, one, found.pop(one.symptom, None)) for one in versions]
    entries += [_entry(draft.flow, None, draft) for draft in found.values()]
    return render(request, "diagnostics/flows/list.html", {"entries": entries})


@for_authors
@require_GET
def flow(request: ActorRequest, symptom: str) -> HttpResponse:
    """One symptom: its causes and steps, what is wrong with the draft, and what comes next."""
    draft = FlowDraft.objects.visible_to(request.actor).filter(symptom=symptom).first()
    version = published_of(request, symptom)
    if draft is None and version is None:
        raise Http404
    return render(request, "diagnostics/flows/flow.html", overview(request, draft, version))


@for_authors
@require_POST
def start(request: ActorRequest, symptom: str) -> HttpResponse:
    """Begins a draft, or goes on with the one there is."""
    try:
        drafts.start(request.actor, symptom=symptom, now=clock.now())
    except FlowVersion.DoesNotExist as error:
        raise Http404 from error
    return redirect("diagnostics:flow", symptom=symptom)


def overview(
    request: ActorRequest,
    draft: FlowDraft | None,
    version: FlowVersion | None,
    form: PublishForm | None = None,
) -> dict[str, Any]:
    """What the page of one flow shows."""
    shown = draft or version
    assert shown is not None
    document = shown.flow
    problems = problems_of(draft) if draft else []
    wrong = {found.part for found in problems}
    safety = changed_safety(version.flow if version else None, document) if draft else []
    provider_id = request.actor.provider_id
    own = FlowVersion.objects.filter(provider_id=provider_id or 0, symptom=shown.symptom)
    return {
        "symptom": shown.symptom,
        "title": document.title.get(reader_language()),
        "icon": document.icon,
        "draft": draft,
        "version": version,
        "shipped_since": _shipped_since(version),
        "last_own": own.aggregate(last=Max("version"))["last"],
        "steps": [_step_line(step, wrong) for step in document.steps],
        "faults": _fault_lines(document, wrong),
        "exits": len(document.exits),
        "problems": problems,
        "safety": safety,
        "is_own_change": bool(
            draft and request.actor.user_id in publishing.authors_of(draft, version)
        ),
        "is_approved": bool(draft and publishing.may_publish_safety(draft, version)),
        "is_changed": bool(draft and (version is None or draft.digest != version.digest)),
        "revisions": revisions_of(draft),
        "form": form or PublishForm(),
    }


# --- Parts ---------------------------------------------------------------------------


@for_authors
@GET_OR_POST
def texts(request: ActorRequest, symptom: str) -> HttpResponse:
    """The words of the flow itself."""
    draft = open_draft(request, symptom)
    editor = Editor(request, draft, TextsForm, "texts", "")

    def save(form: PartForm) -> None:
        drafts.save_texts(
            request.actor, symptom=symptom, revision=form.cleaned_data["revision"],
            values=form.part(), now=clock.now(),
        )  # fmt: skip

    return editor.answer("diagnostics/flows/texts.html", {}, save)


@for_authors
@GET_OR_POST
def step(request: ActorRequest, symptom: str, name: str) -> HttpResponse:
    """One step; the buttons beside answers save what was typed, too."""
    draft = open_draft(request, symptom)
    editor = Editor(request, draft, StepForm, "steps", name)
    deed, _colon, answer = request.POST.get("do", "").partition(":")

    def save(form: PartForm) -> None:
        part, without = form.part(), ""
        if deed == "add_answer":
            part = edits.with_answer(part)
        elif deed in {"up", "down"}:
            part = edits.with_answer_moved(part, answer, "up" if deed == "up" else "down")
        elif deed == "drop_answer":
            without = answer
        drafts.save_step(
            request.actor, symptom=symptom, revision=form.cleaned_data["revision"],
            step=part, without_answer=without, now=clock.now(),
        )  # fmt: skip

    context = {"is_screen": name == SAFETY, "stays": bool(deed)}
    return editor.answer("diagnostics/flows/step.html", context, save)


@for_authors
@GET_OR_POST
def fault(request: ActorRequest, symptom: str, name: str) -> HttpResponse:
    """One cause."""
    draft = open_draft(request, symptom)
    editor = Editor(request, draft, FaultForm, "faults", name)

    def save(form: PartForm) -> None:
        assert isinstance(form, FaultForm)
        drafts.save_fault(
            request.actor, symptom=symptom, revision=form.cleaned_data["revision"],
            fault=form.part(), share=form.share(), now=clock.now(),
        )  # fmt: skip

    context = {"whens": editor.whens, "stays": bool(request.POST.get("do"))}
    return editor.answer("diagnostics/flows/fault.html", context, save)


@for_authors
@GET_OR_POST
def new_step(request: ActorRequest, symptom: str) -> HttpResponse:
    """One more check or fix."""
    draft = draft_of(request, symptom)
    initial = {"after": request.GET.get("after", draft.document["steps"][-1]["id"])}
    form = NewStepForm(request.POST or None, document=draft.document, initial=initial)
    if form.is_valid():
        given = form.cleaned_data
        text = {"zh": given["text_zh"], "en": given["text_en"]}
        try:
            _draft, name = drafts.add_step(
                request.actor, symptom=symptom, kind=given["kind"], text=text,
                after=given["after"], now=clock.now(),
            )  # fmt: skip
        except EditError as error:
            form.add_error(None, edit_words(error))
        else:
            return redirect("diagnostics:flow_step", symptom=symptom, name=name)
    context = {"draft": draft, "symptom": symptom, "form": form}
    return render(request, "diagnostics/flows/new_step.html", context, status=status_of(form))


@for_authors
@GET_OR_POST
def new_fault(request: ActorRequest, symptom: str) -> HttpResponse:
    """One more cause."""
    draft = draft_of(request, symptom)
    form = NewFaultForm(request.POST or None)
    if form.is_valid():
        text = {"zh": form.cleaned_data["text_zh"], "en": form.cleaned_data["text_en"]}
        try:
            _draft, name = drafts.add_fault(
                request.actor, symptom=symptom, text=text, now=clock.now()
            )
        except EditError as error:
            form.add_error(None, edit_words(error))
        else:
            return redirect("diagnostics:flow_fault", symptom=symptom, name=name)
    context = {"draft": draft, "symptom": symptom, "form": form}
    return render(request, "diagnostics/flows/new_fault.html", context, status=status_of(form))


@for_authors
@require_POST
def arrange(request: ActorRequest, symptom: str) -> HttpResponse:
    """Moves a part one place, or takes it out: `do` is `up:steps:<id>` and the like."""
    draft_of(request, symptom)
    deed, kind, name = (request.POST.get("do", "") + "::").split(":")[:3]
    where = KINDS.get(kind)
    if deed not in {"up", "down", "remove"} or where is None:
        return redirect("diagnostics:flow", symptom=symptom)
    try:
        if deed == "remove":
            drafts.remove(request.actor, symptom=symptom, kind=where, name=name, now=clock.now())
        else:
            way: edits.Move = "up" if deed == "up" else "down"
            drafts.move(
                request.actor, symptom=symptom, kind=where, name=name, way=way, now=clock.now()
            )
    except EditError as error:
        messages.error(request, edit_words(error))
    page = "flow_exits" if where == "exits" else "flow"
    target = where if deed == "remove" else f"{where[:-1]}-{name}"
    return redirect(reverse(f"diagnostics:{page}", args=[symptom]) + f"#{target}")


@for_authors
@require_POST
def undo(request: ActorRequest, symptom: str) -> HttpResponse:
    """Back to an earlier save of the draft; that is a save itself."""
    draft = draft_of(request, symptom)
    wanted = request.POST.get("to", "")
    kept = draft.revisions.filter(revision=int(wanted)).first() if is_number(wanted) else None
    if kept is None:
        messages.error(request, _("This save is not kept any more"))
    else:
        drafts.undo(request.actor, symptom=symptom, to=kept.revision, now=clock.now())
        messages.success(request, _("The draft is as it was at save %(n)d") % {"n": kept.revision})
    page = "flow_exits" if request.POST.get("page") == "exits" else "flow"
    return redirect(f"diagnostics:{page}", symptom=symptom)


# --- Parts of the pages --------------------------------------------------------------


class Editor:
    """One page that changes one part of a draft."""

    def __init__(
        self,
        request: ActorRequest,
        draft: FlowDraft,
        form_of: type[PartForm],
        kind: Any,
        name: str,
    ) -> None:
        self.request, self.draft, self.form_of = request, draft, form_of
        self.kind, self.name = kind, name
        # As its author opened it, so that every typed field has its place.
        self.document, self.revision = draft.document, draft.revision
        typed = request.POST.get("revision", "")
        if is_number(typed) and int(typed) != draft.revision:
            kept = draft.revisions.filter(revision=int(typed)).first()
            if kept is not None:
                self.document, self.revision = kept.document, kept.revision
        self.part = self._part(self.document)
        self.lost: Lost = []
        self.is_gone = False

    def answer(
        self, template: str, context: dict[str, Any], save: Callable[[PartForm], None]
    ) -> HttpResponse:
        """The page; after a save the overview, or the same page where a button asked for it."""
        form, status = self._form(), HTTPStatus.OK
        if form.is_bound and form.is_valid():
            try:
                save(form)
            except ChangedMeanwhileError as error:
                form, status = self._rebased(error.draft), HTTPStatus.CONFLICT
            except EditError as error:
                form.add_error(None, edit_words(error))
            else:
                return self._saved(stays=bool(context.get("stays")))
        if form.errors and status == HTTPStatus.OK:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        page = context | self._context(form, is_stale=status == HTTPStatus.CONFLICT)
        if callable(page.get("whens")):
            page["whens"] = page["whens"](form)
        return render(self.request, template, page, status=status)

    def whens(self, form: PartForm) -> list[tuple[str, Any]]:
        """The multipliers of a cause, with their conditions in words."""
        assert isinstance(form, FaultForm)
        return [(conditions_words(when), field) for when, field in form.whens()]

    def _part(self, document: Document) -> Part:
        found = document if self.kind == "texts" else edits.find(document, self.kind, self.name)
        if found is None:
            raise Http404
        return found

    def _form(self) -> PartForm:
        data = self.request.POST if self.request.method == "POST" else None
        return self.form_of(data, document=self.document, part=self.part, revision=self.revision)

    def _rebased(self, draft: FlowDraft) -> PartForm:
        """What was typed, laid over what somebody else saved meanwhile."""
        self.draft, opened = draft, self._form()
        if self.kind != "texts" and edits.find(draft.document, self.kind, self.name) is None:
            self.is_gone = True
            return opened
        now = self.form_of(
            None, document=draft.document, part=self._part(draft.document), revision=draft.revision
        )
        form, self.lost = self.form_of.rebased(self.request.POST, opened=opened, now=now)
        form.is_valid()
        return form

    def _context(self, form: PartForm, *, is_stale: bool) -> dict[str, Any]:
        place = f"exit.{self.name}" if self.kind == "exits" else self.name or "texts"
        problems = [found for found in problems_of(self.draft) if found.part == place]
        return {
            "draft": self.draft,
            "symptom": self.draft.symptom,
            "part": self.part,
            "part_text": _text_of(self.part) or self.name,
            "form": form,
            "problems": problems,
            "is_stale": is_stale,
            "is_gone": self.is_gone,
            "lost": self.lost,
        }

    def _saved(self, *, stays: bool) -> HttpResponse:
        symptom = self.draft.symptom
        fresh = FlowDraft.objects.visible_to(self.request.actor).get(symptom=symptom)
        if stays:
            route = "diagnostics:flow_step" if self.kind == "steps" else "diagnostics:flow_fault"
            return redirect(reverse(route, args=[symptom, self.name]) + "#answers")
        if fresh.revision == self.draft.revision:
            messages.info(self.request, _("Nothing was changed"))
        else:
            messages.success(self.request, _("Saved in the draft"))
        anchor = f"#{self.kind[:-1]}-{self.name}" if self.name else ""
        page = "flow_exits" if self.kind == "exits" else "flow"
        return redirect(reverse(f"diagnostics:{page}", args=[symptom]) + anchor)


def draft_of(request: ActorRequest, symptom: str) -> FlowDraft:
    """The provider's draft; 404 where it is hidden or there is none."""
    return get_object_or_404(FlowDraft.objects.visible_to(request.actor), symptom=symptom)


def open_draft(request: ActorRequest, symptom: str) -> FlowDraft:
    """The provider's draft, 404 without.

    For words that come after the draft was published or dropped, a new one: they are not saved
    then, but shown over it.
    """
    draft = FlowDraft.objects.visible_to(request.actor).filter(symptom=symptom).first()
    if draft is None and request.method == "POST" and published_of(request, symptom):
        draft = drafts.start(request.actor, symptom=symptom, now=clock.now())
    if draft is None:
        raise Http404
    return draft


def edit_words(error: EditError) -> str:
    """Why a change was not made."""
    return {
        "gone": _("Somebody took this out meanwhile"),
        "fixed": _("This stays where it is"),
        "full": _("There is no room for one more"),
        "share": _("The other causes would have no share left"),
    }[error.code]


def problems_url(problem_place: Place, symptom: str) -> str:
    """The address of the page and field that a problem belongs to."""
    page = problem_place.page
    arguments = [symptom, *filter(None, [problem_place.name])]
    route = "diagnostics:flow" if page == "flow" else f"diagnostics:flow_{page}"
    url = reverse(route, args=arguments)
    fields = {"": "", "likelihoods": "#likelihoods", "answers": "#answers"}
    default = f"#id_{problem_place.field}"
    return url + fields.get(problem_place.field, default)


def problems_of(draft: FlowDraft) -> list[Found]:
    """Everything that keeps the draft from being published, each with its place."""
    document = draft.flow
    found = []
    for problem in validate(document):
        place = place_of(problem, document)
        way = document.exit(place.name) if place.page == "exit" else None
        part = way or document.step(place.name) or document.fault(place.name)
        named = text_or_id(part) if part else ""
        words = problem_words(problem)
        if problem.code == "alike":
            words = _alike_words(document, problem)
        words = _("%(part)s: %(problem)s") % {"part": named, "problem": words} if named else words
        key = f"exit.{place.name}" if way else place.name or place.page
        found.append(Found(words, problems_url(place, draft.symptom), key))
    return found


def _alike_words(document: Flow, problem: Problem) -> str:
    """With the name of the other cause, whose id ends the rule's reason."""
    other = document.fault(problem.reason.rpartition(" ")[2])
    if other is None:
        return problem_words(problem)
    return _("No step tells it apart from “%(other)s”") % {"other": text_or_id(other)}


def text_or_id(part: Step | Fault | HandOver) -> str:
    """The part's text in the reader's language, else in the other one, else its short name."""
    text = part.title if isinstance(part, HandOver) else part.text
    return text.get(reader_language()) or text.zh or text.en or part.id


def published_of(request: ActorRequest, symptom: str) -> FlowVersion | None:
    """What merchants walk through: the provider's own version, else the shipped one, if any."""
    versions = FlowVersion.objects.published_for(request.actor.provider_id)
    return versions.filter(symptom=symptom).first()


def _shipped_since(version: FlowVersion | None) -> FlowVersion | None:
    """The shipped version, where it is newer than the provider's own."""
    if version is None or version.provider_id is None:
        return None
    shipped = FlowVersion.objects.published().filter(symptom=version.symptom)
    return shipped.filter(published_at__gt=version.published_at).defer("document").first()


def _entry(document: Flow, version: FlowVersion | None, draft: FlowDraft | None) -> Entry:
    language = reader_language()
    return Entry(
        document.id,
        document.symptom.get(language),
        document.title.get(language),
        document.icon,
        version,
        draft,
    )


def _step_line(one: Step, wrong: set[str]) -> Line:
    marks = [] if one.actor == "merchant" else [str(ACTORS.get(one.actor, one.actor))]
    if one.requires:
        marks.append(conditions_words({key: list(value) for key, value in one.requires.items()}))
    is_check = isinstance(one, Check)
    icon = "search" if is_check else "wrench"
    if isinstance(one, Check) and one.safety:
        icon = "shield-alert"
    minutes = _("%(n)s min") % {"n": f"{one.minutes:g}"}
    text = text_or_id(one)
    return Line(one.id, text, minutes, icon, marks, one.id == SAFETY, one.id in wrong)


def _fault_lines(document: Flow, wrong: set[str]) -> list[Line]:
    lines = []
    for one in document.faults:
        marks = [str(ACTORS.get(one.actor, one.actor))]
        if one.stop_use:
            marks.append(pgettext("cause", "Stops use"))
        share = _("%(n)s of 100") % {"n": f"{one.weight * 100:.1f}"}
        text = text_or_id(one)
        icon = "octagon-alert" if one.stop_use else "stethoscope"
        lines.append(Line(one.id, text, share, icon, marks, one.id == "other", one.id in wrong))
    return lines


def revisions_of(draft: FlowDraft | None) -> list[dict[str, Any]]:
    """The latest saves, newest first, in words."""
    if draft is None:
        return []
    # What was taken out stands in the version that the draft began with.
    documents = [*([draft.based_on.document] if draft.based_on else []), draft.document]
    parts = [part for held in documents for kind in KINDS for part in held.get(kind, [])]
    names = {part["id"]: part for part in parts}
    return [
        {"row": row, "words": _change_words(row.change, names)}
        for row in draft.revisions.defer("document").order_by("-revision")[:SHOWN_REVISIONS]
    ]


def _change_words(change: str, names: Mapping[str, Part]) -> str:
    deed, _colon, name = change.partition(":")
    text = _text_of(names.get(name, {})) or name
    known = {
        "start": _("Draft started"),
        "import": _("Brought in from a file"),
        "shipped": _("Shipped flow taken"),
        "texts": _("Words of the flow"),
        "add_step": _("Step added"),
        "add_fault": _("Cause added"),
        "add_exit": _("Way to hand over added"),
        "move": _("Moved: %(part)s") % {"part": text},
        "remove": _("Taken out: %(part)s") % {"part": text},
        "undo": _("Back to save %(n)s") % {"n": name},
        "version": _("Version %(n)s taken") % {"n": name},
    }
    return known.get(deed, text)


def _text_of(part: Mapping[str, Any]) -> str:
    """The part's text, or title, in the reader's language."""
    text: Mapping[str, str] = part.get("text") or part.get("title") or {}
    return text.get(reader_language()) or next(filter(None, text.values()), "")


def is_number(text: str) -> bool:
    """Digits that are the number of a revision or version; nobody has ten million of them."""
    return text.isascii() and text.isdigit() and len(text) < 9


def status_of(form: PlainForm) -> int:
    """422 for a form that was sent with errors."""
    return 422 if form.is_bound and form.errors else 200
