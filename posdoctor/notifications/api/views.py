"""Addresses of one's own notices, and for leads of what is stuck on its way."""

from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from posdoctor.accounts.api.base import ApiView
from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.policies import Permission
from posdoctor.core.api.errors import invalid
from posdoctor.core.api.paging import Order, page_of
from posdoctor.core.api.schema import documented, page_shape
from posdoctor.core.api.shapes import NothingInput, read
from posdoctor.notifications import actions
from posdoctor.notifications.api import shapes
from posdoctor.notifications.context import unread_of
from posdoctor.notifications.models import Delivery, DeliveryState
from posdoctor.notifications.querysets import TOTALS_OVER, DeliveryQuerySet

NEWEST = Order(("created_at", "key_text"), is_descending=True, is_by_time=True)


class NoticesView(ApiView):
    """The caller's own list; for everybody who works for a provider, as the pages are."""

    # What stands in notices is of tickets: titles, stores, due times.
    area = ApiToken.Area.TICKETS.value

    def notices(self) -> DeliveryQuerySet:
        """Their own in this provider; 404 for callers who have no such list."""
        if self.actor.provider_id is None:
            raise Http404
        return Delivery.objects.visible_to(self.actor).notices_of(self.actor)

    def unread(self) -> Any:
        """The number, as an answer."""
        return shapes.Unread({"unread": unread_of(self.actor).total}).data


class Notices(NoticesView):
    """`notices/`"""

    @documented("notices_list", query=shapes.NoticeQuery, gives=page_shape(shapes.Notice))
    def get(self, request: Request) -> Response:
        """What I was told, the newest first."""
        rows = self.notices()
        asked = read(shapes.NoticeQuery, request.query_params)
        if asked["unread"] is not None:
            rows = rows.filter(read_at__isnull=asked["unread"])
        shown = page_of(
            request, asked, rows.with_key_text(), NEWEST, lambda row: shapes.Notice(row).data
        )
        return Response(shown)


class UnreadNotices(NoticesView):
    """`notices/unread/`"""

    @documented("notices_unread", gives=shapes.Unread)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """How many of my notices are not read: the number beside the bell."""
        self.notices()
        return Response(self.unread())


class ReadNotices(NoticesView):
    """`notices/read/`"""

    @documented("notices_read", takes=shapes.ReadInput, gives=shapes.Unread)
    def post(self, request: Request) -> Response:
        """Mark notices of mine as read, some by `keys` or `all`; read ones stay read."""
        mine = self.notices()
        given = read(shapes.ReadInput, request.data)
        keys = set(given.get("keys", ())) or None
        if keys and mine.filter(key__in=keys).count() < len(keys):
            raise invalid({"keys": [_("There is no such notice")]})
        actions.mark_read(self.actor, keys=keys, now=self.now)
        return Response(self.unread())


class DeliveriesView(ApiView):
    """What the provider's people are told; for leads, hidden from all others."""

    area = ApiToken.Area.TICKETS.value

    def deliveries(self) -> DeliveryQuerySet:
        """The provider's; 404 for roles without such a page."""
        self.hide_without(Permission.DELIVERY_RETRY)
        return Delivery.objects.visible_to(self.actor)


class Deliveries(DeliveriesView):
    """`deliveries/`"""

    @documented("deliveries_list", query=shapes.DeliveryQuery, gives=page_shape(shapes.Delivery))
    def get(self, request: Request) -> Response:
        """What is stuck, the newest first: given up, unclear, or not sent for five minutes."""
        rows = self.deliveries().stuck(self.now).select_related("recipient")
        asked = read(shapes.DeliveryQuery, request.query_params)
        if "state" in asked:
            rows = rows.filter(state=asked["state"])
        shown = page_of(
            request, asked, rows.with_key_text(), NEWEST, lambda row: shapes.Delivery(row).data
        )
        return Response(shown)


class Totals(DeliveriesView):
    """`deliveries/totals/`"""

    @documented("deliveries_totals", gives=shapes.DeliveryTotals)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """All deliveries of the last seven days, by state."""
        since = self.now - TOTALS_OVER
        counts = self.deliveries().filter(created_at__gte=since).count_by_state()
        rows = [{"state": state, "count": counts.get(state, 0)} for state in DeliveryState.values]
        return Response(shapes.DeliveryTotals({"since": since, "results": rows}).data)


class Retry(DeliveriesView):
    """`deliveries/{key}/retry/`"""

    @documented("deliveries_retry", takes=NothingInput, gives=shapes.Delivery)
    def post(self, request: Request, key: UUID) -> Response:
        """Send one that is stuck again now; a 409 for what is sent, cancelled or being sent."""
        rows = self.deliveries().select_related("recipient")
        self.row(rows, key=key)
        read(NothingInput, request.data)
        actions.retry(self.actor, key=key, now=self.now)
        return Response(shapes.Delivery(self.row(rows, key=key)).data)
