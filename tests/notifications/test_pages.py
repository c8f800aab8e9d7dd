"""The list behind the bell, the bell itself, and what leads see of deliveries."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from posdoctor.accounts.models import AccountEvent, Provider
from posdoctor.accounts.roles import Role
from posdoctor.core import clock
from posdoctor.core.errors import IllegalMoveError, NotAllowedError
from posdoctor.notifications import actions
from posdoctor.notifications.models import Delivery
from tests.builders import T0, actor_of, make_seat
from tests.conftest import Persona, signed_in
from tests.notifications.planning import CLOCK_FACTS, FACTS, mail_to, plan

LIST, BELL = "/desk/notices/", "/desk/notices/bell"


def page_of(client: Client, url: str = LIST) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def unread_of(persona: Persona) -> int:
    return Delivery.objects.filter(
        recipient=persona.user, channel="in_app", read_at__isnull=True
    ).count()


# --- The list ------------------------------------------------------------------------


def test_the_list_shows_what_happened_newest_first(provider: Provider, desk: Persona):
    plan(provider, desk.user)
    plan(provider, desk.user, source="alert:1", kind="clock.level", data=CLOCK_FACTS,
         now=T0 + timedelta(minutes=1))  # fmt: skip
    page = page_of(desk.client)
    assert page.index("首次响应时限已过 75%") < page.index("李婷指派的工单")
    assert page.count(FACTS["title"]) == 2
    assert "16:30" in page  # the deadline, in the provider's zone
    assert "无人负责" not in page


def test_a_clock_without_an_owner_says_so(provider: Provider, desk: Persona):
    plan(provider, desk.user, kind="clock.level", data={**CLOCK_FACTS, "owner": ""})
    assert "无人负责" in page_of(desk.client)


def test_an_empty_list_says_what_will_come(desk: Persona):
    page = page_of(desk.client)
    assert "还没有通知" in page
    assert "全部已读" not in page


def test_everybody_sees_only_their_own(
    provider: Provider, desk: Persona, supervisor: Persona, outsider: Persona
):
    """A supervisor too: the page of what is stuck is another one."""
    plan(provider, desk.user)
    for other in (supervisor, outsider):
        assert FACTS["title"] not in page_of(other.client)


def test_a_person_of_two_providers_sees_those_of_the_chosen_one(
    provider: Provider, other_provider: Provider, desk: Persona
):
    make_seat(other_provider, user=desk.user)
    plan(provider, desk.user, data={**FACTS, "title": "这里的"})
    plan(other_provider, desk.user, source="event:2", data={**FACTS, "title": "那边的"})
    page = page_of(desk.client)
    assert "这里的" in page
    assert "那边的" not in page
    theirs = Delivery.objects.get(provider=other_provider, channel="in_app")
    assert desk.client.post(reverse("notifications:open", args=[theirs.key])).status_code == 404
    desk.client.post(reverse("accounts:choose_seat"), {"provider": other_provider.slug})
    assert "那边的" in page_of(desk.client)


def test_titles_are_text(provider: Provider, desk: Persona):
    plan(provider, desk.user, data={**FACTS, "title": "<script>alert(1)</script>", "actor": "<b>"})
    page = page_of(desk.client)
    assert "<script>alert(1)" not in page
    assert "<b>&lt;b&gt;指派" in page


def test_opening_marks_as_read_and_leads_to_the_ticket(provider: Provider, desk: Persona):
    plan(provider, desk.user)
    plan(provider, desk.user, source="event:2")
    notice = Delivery.objects.get(source="event:1", channel="in_app")
    answer = desk.client.post(reverse("notifications:open", args=[notice.key]))
    assert (answer.status_code, answer["Location"]) == (302, "/desk/t/T-AAAAAA/")
    notice.refresh_from_db()
    assert notice.read_at is not None
    assert unread_of(desk) == 1
    first = notice.read_at
    desk.client.post(reverse("notifications:open", args=[notice.key]))
    notice.refresh_from_db()
    assert notice.read_at == first


def test_looking_at_links_beforehand_reads_nothing(provider: Provider, desk: Persona):
    """What a browser fetches ahead of a click: every GET of the list and its addresses."""
    plan(provider, desk.user)
    key = Delivery.objects.get(channel="in_app").key
    assert desk.client.get(reverse("notifications:open", args=[key])).status_code == 405
    page_of(desk.client)
    page_of(desk.client, BELL)
    assert unread_of(desk) == 1


def test_mark_all_read(provider: Provider, desk: Persona, field: Persona):
    plan(provider, desk.user, field.user)
    plan(provider, desk.user, source="event:2")
    assert "全部已读" in page_of(desk.client)
    assert desk.client.post(reverse("notifications:read_all")).status_code == 302
    assert unread_of(desk) == 0
    assert unread_of(field) == 1
    assert "全部已读" not in page_of(desk.client)


def test_the_page_that_a_notice_is_about_marks_it_as_read(provider: Provider, desk: Persona):
    """By a POST of the page that is shown; only notices about this very page."""
    plan(provider, desk.user, url="/desk/me/")
    plan(provider, desk.user, source="event:2")
    seen = reverse("notifications:seen")
    assert f'action="{seen}"' in page_of(desk.client, "/desk/me/")
    answer = desk.client.post(seen, {"url": "/desk/me/"}, headers={"HX-Request": "true"})
    assert 'id="bell-top" hx-swap-oob="true">1<' in answer.content.decode()
    assert unread_of(desk) == 1
    assert f'action="{seen}"' not in page_of(desk.client, "/desk/me/")


def test_long_lists_have_pages(provider: Provider, desk: Persona):
    for number in range(51):
        plan(provider, desk.user, source=f"event:{number}", channels=["in_app"])
    assert page_of(desk.client).count("指派的工单") == 50
    assert page_of(desk.client, f"{LIST}?page=2").count("指派的工单") == 1


def test_the_list_costs_the_same_with_3_and_with_30_rows(provider: Provider, desk: Persona):
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            page_of(desk.client)
        return len(found)

    for number in range(3):
        plan(provider, desk.user, source=f"event:{number}")
    page_of(desk.client)
    few = queries()
    for number in range(3, 30):
        plan(provider, desk.user, source=f"event:{number}")
    assert queries() == few


# --- The bell ------------------------------------------------------------------------


def test_the_bell_answers_304_until_something_comes(provider: Provider, desk: Persona):
    first = desk.client.get(BELL)
    tag = first["ETag"]
    same = desk.client.get(BELL, headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    size = sum(len(name) + len(value) + 4 for name, value in same.headers.items())
    assert size < 1024
    assert "no-cache" in same["Cache-Control"]
    plan(provider, desk.user)
    fresh = desk.client.get(BELL, headers={"If-None-Match": tag})
    assert fresh.status_code == 200
    assert fresh["ETag"] != tag
    # What the page sends next time stands in the answer itself.
    assert '"If-None-Match":"\\"1-zh-hans\\""' in fresh.content.decode()
    assert len(fresh.content) < 2048
    again = desk.client.get(BELL, headers={"If-None-Match": fresh["ETag"]})
    assert again.status_code == 304


def test_another_language_is_another_answer(desk: Persona):
    tag = desk.client.get(BELL)["ETag"]
    english = desk.client.get(BELL, headers={"If-None-Match": tag, "Accept-Language": "en"})
    assert english.status_code == 200


def test_a_poll_costs_three_queries(desk: Persona):
    """Session, person with seats, number; the same whether something came or not."""
    tag = desk.client.get(BELL)["ETag"]
    for known, status in (("", 200), (tag, 304)):
        with CaptureQueriesContext(connection) as found:
            answer = desk.client.get(BELL, headers={"If-None-Match": known})
        assert answer.status_code == status
        assert len(found) == 3


def test_many_are_many(provider: Provider, desk: Persona):
    for number in range(100):
        plan(provider, desk.user, source=f"event:{number}", channels=["in_app"])
    assert ">99+<" in page_of(desk.client, BELL)


def test_every_page_of_the_desk_shows_the_number(provider: Provider, desk: Persona):
    plan(provider, desk.user)
    page = page_of(desk.client, "/desk/")
    for place in ("bell-top", "bell-nav"):
        assert f'id="{place}">1<' in page


# --- Profile -------------------------------------------------------------------------


def test_mail_for_alerts_can_be_switched_off(provider: Provider, desk: Persona):
    fields = {"name": "周敏", "language": "zh-hans", "theme": "device"}
    assert 'name="has_alert_mails"' in page_of(desk.client, "/desk/me/")
    desk.client.post("/desk/me/", fields)
    plan(provider, desk.user)
    assert not Delivery.objects.filter(channel="email").exists()
    desk.client.post("/desk/me/", {**fields, "has_alert_mails": "on"})
    plan(provider, desk.user, source="event:2")
    assert Delivery.objects.filter(channel="email").count() == 1


def test_who_has_no_seat_has_no_such_switch(merchant: Persona):
    assert 'name="has_alert_mails"' not in page_of(merchant.client, "/desk/me/")
    fields = {"name": "王建国", "language": "zh-hans", "theme": "device"}
    assert merchant.client.post("/desk/me/", fields).status_code == 302
    merchant.user.refresh_from_db()
    assert merchant.user.has_alert_mails


# --- What is stuck -------------------------------------------------------------------

OPS = "/ops/deliveries/"


def make_stuck(
    provider: Provider, person: Persona, state: str, source: str = "event:1"
) -> Delivery:
    delivery = mail_to(provider, person.user, source=source, now=clock.now() - timedelta(minutes=6))
    held = clock.now() + timedelta(minutes=1)
    lease = {"lease_until": held, "next_attempt_at": held} if state == "sending" else {}
    Delivery.objects.filter(pk=delivery.pk).update(
        state=state, attempts=3, last_error="SMTPDataError 451", **lease
    )
    delivery.refresh_from_db()
    return delivery


@pytest.mark.parametrize("state", ["pending", "sending", "ambiguous", "dead"])
def test_leads_see_what_is_stuck(
    provider: Provider, desk: Persona, supervisor: Persona, state: str
):
    delivery = make_stuck(provider, desk, state)
    page = page_of(supervisor.client, OPS)
    assert "SMTPDataError 451" in page
    assert desk.user.name in page
    retry = reverse("notifications:retry", args=[delivery.key])
    assert (retry in page) == (state != "sending")


def test_what_is_sent_cancelled_or_only_just_planned_is_not_stuck(
    provider: Provider, desk: Persona, supervisor: Persona
):
    mail_to(provider, desk.user, now=clock.now())
    for number, state in enumerate(["sent", "cancelled"]):
        done = mail_to(provider, desk.user, source=f"old:{number}", now=clock.now())
        at = clock.now() if state == "sent" else None
        Delivery.objects.filter(pk=done.pk).update(state=state, sent_at=at)
    page = page_of(supervisor.client, OPS)
    assert "没有卡住的通知" in page
    assert desk.user.name not in page.split('id="main"')[1]


def test_totals_count_the_week_of_the_own_provider(
    provider: Provider, other_provider: Provider, desk: Persona, outsider: Persona,
    supervisor: Persona,
):  # fmt: skip
    plan(provider, desk.user, now=clock.now())
    plan(provider, desk.user, source="event:2", now=clock.now() - timedelta(days=8))
    plan(other_provider, outsider.user, source="event:3", now=clock.now())
    totals = supervisor.client.get(OPS).context["totals"]
    assert {str(state): number for state, number in totals if number} == {"pending": 1, "sent": 1}


def test_another_provider_s_deliveries_do_not_exist(
    other_provider: Provider, outsider: Persona, supervisor: Persona
):
    delivery = make_stuck(other_provider, outsider, "dead")
    assert outsider.user.name not in page_of(supervisor.client, OPS).split('id="main"')[1]
    retry = reverse("notifications:retry", args=[delivery.key])
    assert supervisor.client.post(retry).status_code == 404
    delivery.refresh_from_db()
    assert delivery.state == "dead"


@pytest.mark.parametrize("state", ["dead", "ambiguous", "pending"])
def test_a_lead_sends_again_and_that_is_on_record(provider: Provider, desk: Persona, state: str):
    seat = make_seat(provider, Role.SUPERVISOR)
    delivery = make_stuck(provider, desk, state)
    Delivery.objects.filter(pk=delivery.pk).update(expires_at=T0)
    client = signed_in(seat.user)
    answer = client.post(reverse("notifications:retry", args=[delivery.key]), follow=True)
    assert "正在重新发送" in answer.content.decode()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.expires_at) == ("pending", 3, None)
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at <= clock.now()
    event = AccountEvent.objects.get(kind="delivery_retried")
    assert (event.actor_user_id, event.provider_id) == (seat.user_id, provider.pk)
    assert event.data == {"delivery": str(delivery.key), "state": state}


@pytest.mark.parametrize("state", ["sending", "sent", "cancelled"])
def test_what_is_done_or_under_way_is_not_sent_again(
    provider: Provider, desk: Persona, supervisor: Persona, state: str
):
    delivery = make_stuck(provider, desk, "sending")
    if state != "sending":
        at = clock.now() if state == "sent" else None
        Delivery.objects.filter(pk=delivery.pk).update(state=state, sent_at=at, lease_until=None)
    answer = supervisor.client.post(reverse("notifications:retry", args=[delivery.key]))
    assert answer.status_code == 409
    with pytest.raises(IllegalMoveError):
        actions.retry(actor_of(supervisor.seat), key=delivery.key, now=clock.now())


def test_the_action_refuses_whoever_is_no_lead(provider: Provider, desk: Persona, field: Persona):
    own = make_stuck(provider, desk, "dead")
    with pytest.raises(NotAllowedError):
        actions.retry(actor_of(desk.seat), key=own.key, now=clock.now())
    with pytest.raises(Delivery.DoesNotExist):
        actions.retry(actor_of(field.seat), key=own.key, now=clock.now())
    with pytest.raises(Delivery.DoesNotExist):
        actions.retry(actor_of(desk.seat), key=uuid4(), now=clock.now())


def test_an_in_app_notice_is_never_sent_again(
    provider: Provider, desk: Persona, supervisor: Persona
):
    plan(provider, desk.user, channels=["in_app"])
    key = Delivery.objects.get().key
    assert supervisor.client.post(reverse("notifications:retry", args=[key])).status_code == 409
