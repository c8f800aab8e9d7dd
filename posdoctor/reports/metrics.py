"""What clocks and deliveries tell Prometheus: named in settings.METRICS_SOURCES."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, Metric

from posdoctor.notifications.models import Delivery
from posdoctor.notifications.querysets import OPEN
from tickets.sla.models import Alert, Clock


def clocks(*, now: datetime) -> Iterator[Metric]:
    """Clocks that will still fire, how late the next of them is, and alerts without a plan."""
    waiting = Clock.objects.filter(next_fire_at__isnull=False).aggregate(
        n=Count("pk"), first=Min("next_fire_at")
    )
    yield GaugeMetricFamily(
        "posdoctor_clocks_running", "Clocks with a level to come.", value=waiting["n"]
    )
    late = max(0.0, (now - waiting["first"]).total_seconds()) if waiting["first"] else 0.0
    yield GaugeMetricFamily(
        "posdoctor_clocks_late_seconds", "How long the oldest level waits for a tick.", value=late
    )
    pending = Alert.objects.filter(state=Alert.State.PENDING).count()
    yield GaugeMetricFamily(
        "posdoctor_alerts_pending", "Alerts whose deliveries are not planned yet.", value=pending
    )


def deliveries(*, now: datetime) -> Iterator[Metric]:
    """Deliveries by channel and state, and the age of the oldest that is not sent yet."""
    states = GaugeMetricFamily(
        "posdoctor_deliveries", "Deliveries kept, by state.", labels=["channel", "state"]
    )
    rows = Delivery.objects.values_list("channel", "state").annotate(n=Count("pk")).order_by()
    for channel, state, number in rows:
        states.add_metric([channel, state], number)
    yield states
    oldest = Delivery.objects.filter(state__in=OPEN).aggregate(first=Min("created_at"))["first"]
    yield GaugeMetricFamily(
        "posdoctor_delivery_oldest_seconds",
        "Age of the oldest delivery that is not sent yet.",
        value=(now - oldest).total_seconds() if oldest else 0.0,
    )
