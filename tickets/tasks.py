"""Celery's second runner of what the ticker does."""

import logging

from celery import shared_task

from posdoctor.core import clock
from tickets import actions, subscribers
from tickets.actions import learning
from tickets.sla import actions as sla
from tickets.sla import audit, tick

logger = logging.getLogger(__name__)


@shared_task(name="tickets.sweep")
def sweep() -> None:
    """Closes silent tickets and raises reminders; may run twice, late or not at all."""
    actions.sweep(clock.now())


@shared_task(name="tickets.purge_drafts")
def purge_drafts() -> None:
    """Drops reports that were begun and never sent; phones and photos in them go too."""
    actions.purge_drafts(clock.now())


@shared_task(name="tickets.tick_clocks", soft_time_limit=20, time_limit=30)
def tick_clocks() -> None:
    """Raises what the clocks reached and tells people; any number of runners may overlap."""
    now = clock.now()
    sla.replan_stale(now)
    tick.tick(now)
    subscribers.expand_alerts(now)


@shared_task(name="tickets.dispatch_events")
def dispatch_events() -> None:
    """Tells people of what happened to their tickets; woken by each event, and swept."""
    subscribers.dispatch_events(clock.now())


@shared_task(name="tickets.audit_clocks")
def audit_clocks() -> None:
    """Logs an error for each rule of the clocks that some row breaks; mends nothing."""
    for finding in audit.audit(clock.now()):
        logger.error("clocks: %s: %d rows %s", finding.rule, finding.count, finding.ids)


@shared_task(name=learning.LEARN, soft_time_limit=480, time_limit=540)
def learn() -> None:
    """Learns from closed cases at night: numbers of each flow, published or held for approval."""
    learning.learn(clock.now())
