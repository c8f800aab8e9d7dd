"""Addresses of terminals. What is typed is read by the forms of the pages."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from merchants.models import Merchant
from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.policies import Permission, require
from posdoctor.core.api.errors import WHOLE, Refusals
from posdoctor.core.api.paging import Order, page_of
from posdoctor.core.api.schema import PageQuery, documented, page_shape
from posdoctor.core.api.shapes import NothingInput, read, refused
from terminals import actions
from terminals.api import shapes
from terminals.forms import MinimumVersionForm, NewTerminalForm, TerminalForm
from terminals.models import MinimumVersion, Terminal, TerminalModel
from terminals.querysets import Standing, TerminalQuerySet

BY_SERIAL = Order(("serial", "ref"))
BY_ID = Order(("slug",))
BY_MODEL = Order(("model__slug",))
# Field of the address -> column of the row.
_COLUMNS = {
    "model": "model__slug", "state": "state", "area": "store__area", "store": "store__ref",
}  # fmt: skip


class TerminalsView(ApiView):
    """Sets that every view here begins with."""

    area = ApiToken.Area.RECORDS.value
    refusals: ClassVar[Refusals] = {
        "serial_taken": ("serial", _("Another terminal has this serial. Check the label.")),
        "store_needed": ("store", _("A terminal in use needs a store. Enter its name.")),
        "second_person": (WHOLE, _("You took it out of use. Another lead has to release it.")),
    }

    def terminals(self) -> TerminalQuerySet:
        """Visible ones, with what is shown."""
        rows = Terminal.objects.visible_to(self.actor).with_list_columns()
        return rows.prefetch_related("numbers")

    def terminal(self, ref: str) -> Terminal:
        """404 where it is hidden."""
        return self.row(self.terminals(), ref=ref.upper())


class Models(ApiView):
    """`models/`"""

    area = ApiToken.Area.RECORDS.value

    @documented("models_list", query=PageQuery, gives=page_shape(shapes.Model))
    def get(self, request: Request) -> Response:
        """The catalogue of terminal models, shared by all providers."""
        asked = read(PageQuery, request.query_params)
        rows = TerminalModel.objects.all()
        shown = page_of(request, asked, rows, BY_ID, lambda row: shapes.Model(row).data)
        return Response(shown)


class MinimumVersionsView(TerminalsView):
    """Expected versions; for leads, as the pages are."""

    def lead(self) -> None:
        """404 for roles without the right, as the pages."""
        self.hide_without(Permission.VERSIONS_MANAGE)

    def shown(self, minimums: Sequence[MinimumVersion]) -> list[Any]:
        """As they go out, with how many are behind: one query, however many."""
        standings = Terminal.objects.visible_to(self.actor).standings(minimums, now=self.now)
        return [_minimum(row, standings.get(row.model_id, Standing())) for row in minimums]


class MinimumVersions(MinimumVersionsView):
    """`minimum-versions/`"""

    @documented("minimum_versions_list", query=PageQuery, gives=page_shape(shapes.MinimumVersion))
    def get(self, request: Request) -> Response:
        """What is expected of each model, and how many terminals are behind."""
        self.lead()
        asked = read(PageQuery, request.query_params)
        rows = MinimumVersion.objects.visible_to(self.actor).with_list_columns()
        page = page_of(request, asked, rows, BY_MODEL, lambda row: row)
        return Response({**page, "results": self.shown(page["results"])})


class OneMinimumVersion(MinimumVersionsView):
    """`minimum-versions/{model}/`"""

    http_method_names = ["put", "delete"]

    @documented(
        "minimum_versions_set", takes=shapes.MinimumVersionInput, gives=shapes.MinimumVersion
    )
    def put(self, request: Request, model: str) -> Response:
        """Expect these versions of a model from a day on, in place of what was expected before."""
        self.lead()
        found = self.row(TerminalModel.objects.all(), slug=model)
        form = MinimumVersionForm(read(shapes.MinimumVersionInput, request.data))
        if not form.is_valid():
            raise refused(form)
        actions.set_minimum_version(
            self.actor, model_slug=found.slug, now=self.now, **form.cleaned_data
        )
        rows = MinimumVersion.objects.visible_to(self.actor).with_list_columns()
        return Response(self.shown([self.row(rows, model=found)])[0])

    @documented("minimum_versions_drop", status=204)
    def delete(self, request: Request, model: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Let any version of a model do."""
        self.lead()
        rows = MinimumVersion.objects.visible_to(self.actor)
        minimum = self.row(rows.select_related("model"), model__slug=model)
        actions.drop_minimum_version(self.actor, model_slug=minimum.model.slug)
        return Response(status=204)


class Terminals(TerminalsView):
    """`terminals/`"""

    @documented("terminals_list", query=shapes.TerminalQuery, gives=page_shape(shapes.Terminal))
    def get(self, request: Request) -> Response:
        """Terminals by serial."""
        asked = read(shapes.TerminalQuery, request.query_params)
        rows = self.terminals()
        if "q" in asked:
            rows = rows.matching(unicodedata.normalize("NFKC", asked["q"]))
        if "merchant" in asked:
            merchants = Merchant.objects.visible_to(self.actor)
            rows = rows.filter(store__merchant__in=merchants.filter(ref=asked["merchant"].upper()))
        if "store" in asked:
            asked["store"] = asked["store"].upper()
        if "version" in asked:
            minimums = MinimumVersion.objects.visible_to(self.actor).with_list_columns()
            rows = (rows if "state" in asked else rows.in_use()).behind(minimums, now=self.now)
        rows = rows.filter(**{_COLUMNS[name]: asked[name] for name in _COLUMNS if name in asked})
        return Response(page_of(request, asked, rows, BY_SERIAL, shapes.plain))

    @documented("terminals_add", takes=shapes.NewTerminalInput, gives=shapes.Terminal, status=201)
    def post(self, request: Request) -> Response:
        """Add a terminal, in stock or in use."""
        require(self.actor, Permission.TERMINAL_EDIT)
        given = read(shapes.NewTerminalInput, request.data)
        form = NewTerminalForm(_typed(given), actor=self.actor)
        if not form.is_valid():
            raise refused(form, _name)
        added = actions.add(self.actor, now=self.now, values=form.values(), numbers=form.numbers())
        return Response(shapes.plain(self.terminal(added.ref)), status=201)


class OneTerminal(TerminalsView):
    """`terminals/{ref}/`"""

    @documented("terminals_read", gives=shapes.Terminal)
    def get(self, request: Request, ref: str) -> Response:  # noqa: ARG002 - DRF's signature
        """One terminal."""
        return Response(shapes.plain(self.terminal(ref)))

    @documented("terminals_change", takes=shapes.TerminalInput, gives=shapes.Terminal)
    def patch(self, request: Request, ref: str) -> Response:
        """Correct a terminal's record. Its state has addresses of its own."""
        terminal = self.terminal(ref)
        require(self.actor, Permission.TERMINAL_EDIT)
        given = read(shapes.TerminalInput, request.data, partial=True)
        typed = TerminalForm.initial_of(terminal) | _typed(given)
        form = TerminalForm(typed, actor=self.actor)
        if not form.is_valid():
            raise refused(form, _name)
        actions.edit(
            self.actor,
            terminal_id=terminal.pk,
            now=self.now,
            values=form.values(),
            numbers=form.numbers(),
        )
        return Response(shapes.plain(self.terminal(ref)))


class Stop(TerminalsView):
    """`terminals/{ref}/stop/`"""

    @documented("terminals_stop", takes=shapes.ReasonInput, gives=shapes.Terminal)
    def post(self, request: Request, ref: str) -> Response:
        """Take a terminal out of use; only a lead releases it."""
        terminal = self.terminal(ref)
        if self.actor.provider_id is None:
            raise Http404
        require(self.actor, Permission.TERMINAL_STOP)
        given = read(shapes.ReasonInput, request.data)
        actions.stop_by_hand(self.actor, terminal_id=terminal.pk, now=self.now, **given)
        return Response(shapes.plain(self.terminal(ref)))


class Release(TerminalsView):
    """`terminals/{ref}/release/`"""

    @documented("terminals_release", takes=shapes.ReasonInput, gives=shapes.Terminal)
    def post(self, request: Request, ref: str) -> Response:
        """Put a stopped terminal back into use."""
        terminal = self.terminal(ref)
        require(self.actor, Permission.TERMINAL_RELEASE)
        given = read(shapes.ReasonInput, request.data)
        actions.release(self.actor, terminal_id=terminal.pk, now=self.now, **given)
        return Response(shapes.plain(self.terminal(ref)))


class Move(TerminalsView):
    """`terminals/{ref}/move/`"""

    @documented("terminals_move", takes=shapes.MoveInput, gives=shapes.Terminal)
    def post(self, request: Request, ref: str) -> Response:
        """Into repair, back to stock, back into use, retired."""
        terminal = self.terminal(ref)
        require(self.actor, Permission.TERMINAL_EDIT)
        given = read(shapes.MoveInput, request.data)
        actions.move(self.actor, terminal_id=terminal.pk, now=self.now, **given)
        return Response(shapes.plain(self.terminal(ref)))


class ReplaceSticker(TerminalsView):
    """`terminals/{ref}/sticker/`"""

    @documented("terminals_replace_sticker", takes=NothingInput, gives=shapes.Terminal)
    def post(self, request: Request, ref: str) -> Response:
        """Draw a new sticker code; the old one stops working at once."""
        terminal = self.terminal(ref)
        require(self.actor, Permission.TERMINAL_EDIT)
        read(NothingInput, request.data)
        actions.replace_sticker(self.actor, terminal_id=terminal.pk, now=self.now)
        return Response(shapes.plain(self.terminal(ref)))


def _minimum(row: MinimumVersion, standing: Standing) -> Any:
    """As it goes out."""
    plain = ("model", "app_version", "firmware", "since", "changed_at", "changed_by_name")
    values = {name: getattr(row, name) for name in plain}
    return shapes.MinimumVersion(values | standing._asdict()).data


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """As the form takes it: numbers are fields, no store is an empty text."""
    typed = {name: "" if value is None else value for name, value in given.items()}
    numbers: Any = typed.pop("numbers", {})
    return typed | {f"number_{kind}": number for kind, number in numbers.items()}


def _name(name: str) -> str:
    """The form's field as the API names it."""
    return f"numbers.{name[7:]}" if name.startswith("number_") else name
