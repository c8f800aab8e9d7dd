"""Sets of flows and runs."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models

from diagnostics.engine import Attributes
from merchants.querysets import MerchantRows
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.roles import Role

if TYPE_CHECKING:
    from diagnostics.models import DiagnosisRun, FlowVersion


class FlowVersionQuerySet(models.QuerySet["FlowVersion"]):
    """Published flows. They hold no tenant's data."""

    def published(self) -> Self:
        """The current version of each symptom, the most frequent first."""
        return self.filter(is_current=True).order_by("-share", "symptom")

    def offered(self, attributes: Attributes) -> list["FlowVersion"]:
        """The published flows that can apply to a terminal of these attributes.

        Documents are large and parsed once a process: they are fetched only where needed.
        """
        versions = self.published().defer("document")
        return [version for version in versions if attributes.may_satisfy(version.flow.requires)]


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
                "flow_version", "terminal__model", "terminal__store", "terminal__provider"
            )
            .prefetch_related("steps")
            .defer("flow_version__document")
        )

    def lock(self, pk: int) -> "DiagnosisRun":
        """The row, locked until the transaction ends. Raises DoesNotExist."""
        return self.select_for_update(of=("self",)).select_related("flow_version").get(pk=pk)
