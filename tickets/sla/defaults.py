"""The policy that a provider starts with: round the year from nine to nine, by priority."""

from datetime import timedelta

from django.db import transaction

from tickets.lifecycle import Priority
from tickets.sla.models import Calendar, CalendarHours, Policy, Promise, Target

OPENS, CLOSES = 9 * 60, 21 * 60

# Working time. Response within minutes is what tenders for terminal service ask for; a shop
# that cannot take any payment is served on the same day.
BUDGETS: dict[Promise, dict[Priority, timedelta]] = {
    Promise.FIRST_RESPONSE: {
        Priority.URGENT: timedelta(minutes=10),
        Priority.HIGH: timedelta(minutes=20),
        Priority.NORMAL: timedelta(hours=1),
        Priority.LOW: timedelta(hours=4),
    },
    Promise.RESTORE: {
        Priority.URGENT: timedelta(hours=4),
        Priority.HIGH: timedelta(hours=8),
        Priority.NORMAL: timedelta(hours=24),
        Priority.LOW: timedelta(hours=60),
    },
}


def default_policy(provider_id: int) -> Policy:
    """The provider's policy in force; made from BUDGETS where there is none yet."""
    found = Policy.objects.filter(provider_id=provider_id, is_default=True).first()
    return found or _made(provider_id)


@transaction.atomic
def _made(provider_id: int) -> Policy:
    # The unique key of the default lets one of two first reports win; the other reads its row.
    policy, is_new = Policy.objects.get_or_create(
        provider_id=provider_id, is_default=True, defaults={"name": "标准服务"}
    )
    if not is_new:
        return policy
    calendar = Calendar.objects.create(
        provider_id=provider_id, name="全年 9:00–21:00", name_en="All year 9:00–21:00"
    )
    CalendarHours.objects.bulk_create(
        CalendarHours(calendar=calendar, weekday=day, start_minute=OPENS, end_minute=CLOSES)
        for day in range(7)
    )
    Target.objects.bulk_create(
        Target(
            policy=policy,
            promise=promise,
            priority=priority,
            calendar=calendar,
            budget_seconds=int(budget.total_seconds()),
        )
        for promise, budgets in BUDGETS.items()
        for priority, budget in budgets.items()
    )
    return policy
