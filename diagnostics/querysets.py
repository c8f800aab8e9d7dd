"""Sets of flows, drafts and runs."""

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps as django_apps
from django.db import models
from django.db.models import OuterRef, Q

from diagnostics.codes import Catalogue, bundled
from diagnostics.engine import Attributes
from diagnostics.gain import Walk
from merchants.querysets import MerchantRows, merchant_ids_of
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.policies import Permission, may
from posdoctor.accounts.roles import Role
from terminals.models import Terminal

if TYPE_CHECKING:
    from diagnostics.models import (
        CompiledTree,
        DiagnosisRun,
        DiagnosisStep,
        FlowDraft,
        FlowVersion,
        LogAnalysis,
        OwnCode,
        ParamSnapshot,
        UnknownCode,
    )


# What comes back within this time was not solved; what rests for so long was given up.
COMES_BACK_WITHIN = timedelta(hours=72)
GIVEN_UP_AFTER = timedelta(hours=24)
# A tree that a worker could not finish so often is left to live steps.
MOST_TRIES = 3
# So many of the last runs tell which kind of terminal is the commonest.
_KIND_SAMPLE = 500


class FlowVersionQuerySet(models.QuerySet["FlowVersion"]):
    """Published flows: the product's own, and those that a provider made of them."""

    def visible_to(self, actor: Actor) -> Self:
        """Shipped versions and those of the actor's provider. Unknown: none."""
        if actor.is_system and actor.provider_id is None:
            return self
        if actor.provider_id is None:
            return self.none()
        return self.filter(Q(provider=None) | Q(provider_id=actor.provider_id))

    def published(self) -> Self:
        """The shipped current version of each symptom, the most frequent first."""
        return self.filter(provider=None, is_current=True).order_by("-share", "symptom")

    def published_for(self, provider_id: int | None) -> Self:
        """What this provider's merchants walk through, one version per symptom, as `published`.

        Its own current version where there is one, else the shipped one.
        """
        if provider_id is None:
            return self.published()
        own = self.model.objects.filter(provider_id=provider_id, is_current=True)
        return self.filter(
            Q(provider_id=provider_id)
            | Q(provider=None) & ~models.Exists(own.filter(symptom=models.OuterRef("symptom"))),
            is_current=True,
        ).order_by("-share", "symptom")

    def offered(self, attributes: Attributes, *, provider_id: int) -> list["FlowVersion"]:
        """The provider's published flows that can apply to a terminal of these attributes.

        Documents are large and parsed once a process: they are fetched only where needed.
        """
        versions = self.published_for(provider_id).defer("document")
        return [version for version in versions if attributes.may_satisfy(version.flow.requires)]


class FlowDraftQuerySet(models.QuerySet["FlowDraft"]):
    """Flows in the making."""

    def visible_to(self, actor: Actor) -> Self:
        """The own provider's, for its authors. Unknown: none."""
        if actor.is_system and actor.provider_id is None:
            return self
        if actor.provider_id is None or not may(actor, Permission.FLOW_EDIT):
            return self.none()
        return self.filter(provider_id=actor.provider_id)


class ParamSnapshotQuerySet(models.QuerySet["ParamSnapshot"]):
    """Learned numbers."""

    def visible_to(self, actor: Actor) -> Self:
        """The own provider's, for its authors. Unknown: none."""
        if actor.is_system and actor.provider_id is None:
            return self
        if actor.provider_id is None or not may(actor, Permission.FLOW_EDIT):
            return self.none()
        return self.filter(provider_id=actor.provider_id)

    def in_use(self, provider_id: int, flow_version: "FlowVersion") -> "ParamSnapshot | None":
        """What this provider's new runs of the version go by; None: the version's own numbers."""
        return self.filter(
            provider_id=provider_id, flow_version=flow_version, is_current=True
        ).first()


class CompiledTreeQuerySet(models.QuerySet["CompiledTree"]):
    """Trees that are made or wanted."""

    def claimable(self, now: datetime) -> Self:
        """Wanted, in nobody's hands, and not given up; the longest wanted first."""
        free = Q(leased_until=None) | Q(leased_until__lt=now)
        rows = self.filter(free, made_at=None, tries__lt=MOST_TRIES)
        return rows.order_by("wanted_at", "pk")


class DiagnosisRunQuerySet(MerchantRows["DiagnosisRun"]):
    """Walks through flows."""

    merchant_path = "terminal__store__merchant_id"

    def visible_to(self, actor: Actor) -> Self:
        """As rows of a merchant. Reporter: the run it proved."""
        if actor.role == Role.REPORTER and actor.run_id is not None:
            return self.filter(pk=actor.run_id, provider_id=actor.provider_id)
        return super().visible_to(actor)

    def of_browser(self, browser_key: str) -> Self:
        """Walks begun in the browser with this key; the newest first. Empty key: none."""
        if not browser_key:
            return self.none()
        return self.filter(browser_key=browser_key).order_by("-pk")

    def untouched(
        self,
        browser_key: str,
        *,
        terminal_id: int,
        flow_version: "FlowVersion | None",
        since: datetime,
    ) -> "DiagnosisRun | None":
        """This browser's run of the flow (None: direct report) that nobody has answered yet."""
        return (
            self.of_browser(browser_key)
            .filter(
                terminal_id=terminal_id,
                flow_version=flow_version,
                started_at__gte=since,
                steps__isnull=True,
                ticket__isnull=True,
            )
            .first()
        )

    def with_page_columns(self) -> Self:
        """With what a step page shows; the flow's document only where it is not parsed yet."""
        return (
            self.select_related(
                "flow_version",
                "snapshot",
                "terminal__model",
                "terminal__store",
                "terminal__provider",
            )
            .prefetch_related("steps")
            .defer("flow_version__document")
        )

    def around(self, terminal: Terminal, symptom: str) -> Self:
        """Unsolved walks of the symptom at the provider's other shops in the terminal's area or on
        its mobile network. None where neither is known.
        """
        places = Q()
        if terminal.store is not None and terminal.store.area:
            places |= Q(terminal__store__area=terminal.store.area)
        if terminal.connection == Terminal.Connection.CELLULAR and terminal.sim_operator:
            places |= Q(
                terminal__connection=terminal.connection,
                terminal__sim_operator=terminal.sim_operator,
            )
        if not places:
            return self.none()
        return self.filter(
            places, provider_id=terminal.provider_id, flow_version__symptom=symptom
        ).exclude(Q(state="solved") | Q(terminal__store_id=terminal.store_id))

    def shops(self) -> int:
        """At how many stores these walks are."""
        return self.aggregate(n=models.Count("terminal__store_id", distinct=True))["n"] or 0

    def came_back(self) -> tuple[models.Exists, models.Exists]:
        """Conditions on a run: another check of the symptom, or a ticket, on the same terminal
        within 72 hours of its end.

        Tickets are known by the name of the relation only: they are above this app.
        """
        until = OuterRef("finished_at") + COMES_BACK_WITHIN
        again = self.model.objects.filter(
            terminal_id=OuterRef("terminal_id"),
            flow_version__symptom=OuterRef("flow_version__symptom"),
            started_at__gte=OuterRef("finished_at"),
            started_at__lte=until,
        ).exclude(pk=OuterRef("pk"))
        reported = Terminal.objects.filter(
            pk=OuterRef("terminal_id"),
            tickets__opened_at__gte=OuterRef("started_at"),
            tickets__opened_at__lte=until,
        )
        return models.Exists(again), models.Exists(reported)

    def measured(self, *, since: datetime, now: datetime, most: int) -> list[Walk]:
        """Checks that were begun since then and ended or were given up, at most so many, the
        newest. One that was not solved, or solved less than 72 hours ago, neither came back nor
        did not.
        """
        returned, reported = self.came_back()
        ended = Q(state__in=["solved", "call", "stop_use"])
        given_up = Q(state="running", started_at__lt=now - GIVEN_UP_AFTER)
        rows = (
            self.filter(ended | given_up, started_at__gte=since, flow_version__isnull=False)
            .filter(models.Exists(_steps_of_run()))
            .annotate(returned=returned, reported=reported)
            .select_related("flow_version")
            .defer("flow_version__document", "attributes", "given")
            .prefetch_related("steps")
            .annotate(found=models.F("ticket__cause"))
            .order_by("-pk")[:most]
        )
        return [_walk(run, now) for run in rows]

    def commonest_kind(self) -> dict[str, Any]:
        """Attributes of the newest run of the commonest model and connection among the last ones;
        empty where there is no run.
        """
        newest = list(self.order_by("-pk").values_list("attributes", flat=True)[:_KIND_SAMPLE])
        kinds = Counter((a.get("model"), a.get("connection")) for a in newest)
        if not kinds:
            return {}
        commonest = kinds.most_common(1)[0][0]
        return next(a for a in newest if (a.get("model"), a.get("connection")) == commonest)

    def lock(self, pk: int) -> "DiagnosisRun":
        """The row, locked until the transaction ends. Raises DoesNotExist."""
        return (
            self.select_for_update(of=("self",))
            .select_related("flow_version", "snapshot")
            .get(pk=pk)
        )


def _steps_of_run() -> models.QuerySet[Any]:
    steps = django_apps.get_model("diagnostics.DiagnosisStep")
    return steps._default_manager.filter(run_id=OuterRef("pk"))  # noqa: SLF001 - Django's documented name


def _walk(run: Any, now: datetime) -> Walk:
    """The row with its annotations as the arithmetic takes it."""
    has_ended = run.state != "running" and run.finished_at is not None
    is_solved = run.state == "solved"
    is_settled = is_solved and has_ended and now - run.finished_at >= COMES_BACK_WITHIN
    spent = (run.finished_at - run.started_at) / timedelta(minutes=1) if has_ended else None
    return Walk(
        symptom=run.flow_version.symptom,
        is_expected=run.order == "expected",
        minutes=spent,
        is_solved=is_solved,
        came_back=run.returned or run.reported if is_settled else None,
        steps=tuple((step.step_id, step.answer_id) for step in run.ordered_steps()),
        top=tuple((str(cause), float(weight)) for cause, weight in run.outcome.get("causes") or []),
        cause=run.found or "",
    )


class DiagnosisStepQuerySet(models.QuerySet["DiagnosisStep"]):
    """Answered steps of walks."""

    def answered_lately(self, terminal: "Terminal", *, since: datetime) -> list[tuple[str, str]]:
        """(Step, answer) on this terminal since then, whoever walked; the newest last."""
        steps = self.filter(run__terminal=terminal, answered_at__gte=since)
        return list(steps.order_by("answered_at", "pk").values_list("step_id", "answer_id"))


class OwnCodeQuerySet(models.QuerySet["OwnCode"]):
    """Codes as one provider defines them."""

    def visible_to(self, actor: Actor) -> Self:
        """The own provider's, for its people and for reporters of its machines; a merchant's
        are those of its memberships. Unknown: none.
        """
        if actor.is_system and actor.provider_id is None:
            return self
        if actor.role == Role.MERCHANT:
            return self.filter(provider_id__in=merchant_ids_of(actor).values("provider_id"))
        if actor.provider_id is None:
            return self.none()
        return self.filter(provider_id=actor.provider_id)

    def catalogue(self) -> Catalogue:
        """What ships with the product, with these before it."""
        return bundled().with_own([row.as_entry() for row in self.order_by("pk")])


class UnknownCodeQuerySet(models.QuerySet["UnknownCode"]):
    """What people looked up in vain."""

    def visible_to(self, actor: Actor) -> Self:
        """The own provider's, for its desk. Everybody else: none."""
        if actor.is_system and actor.provider_id is None:
            return self
        if not actor.is_staff:
            return self.none()
        return self.filter(provider_id=actor.provider_id)

    def waiting(self) -> Self:
        """Those to be defined, the most frequent first."""
        rows = self.filter(state="open").select_related("model")
        return rows.order_by("-times", "-last_seen_at", "pk")


class LogAnalysisQuerySet(models.QuerySet["LogAnalysis"]):
    """What logs said."""

    def visible_to(self, actor: Actor) -> Self:
        """The own provider's, for its desk. Unknown: none."""
        if actor.is_staff:
            return self.filter(provider_id=actor.provider_id)
        if actor.is_system:
            return self.filter(provider_id=actor.provider_id) if actor.provider_id else self
        return self.none()

    def with_page_columns(self) -> Self:
        """With the terminal, its model and shop."""
        return self.select_related("terminal__model", "terminal__store__merchant")

    def newest(self) -> Self:
        """The newest first."""
        return self.order_by("-made_at", "-pk")
