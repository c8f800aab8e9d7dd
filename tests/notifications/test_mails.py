"""Every mail in both languages, against a reviewed file.

After a wanted change run `UPDATE_MAIL_TEXTS=1 bin/test tests/notifications/test_mails.py` and
review the difference of `mails.txt`.
"""

import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.template.loader import get_template
from django.utils import translation

from posdoctor.accounts.models import Provider, User
from posdoctor.notifications.channels.email import compose
from posdoctor.notifications.kinds import Kind
from posdoctor.notifications.models import Delivery
from tests.notifications.planning import CLOCK_FACTS, FACTS

BASELINE = Path(__file__).with_name("mails.txt")
LANGUAGES = ("zh-hans", "en")
# One case per wording; the words of a kind that has only one are the kind's.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("clock.level", CLOCK_FACTS),
    ("clock.level", {**CLOCK_FACTS, "level": 100, "owner": ""}),
    ("clock.level", {**CLOCK_FACTS, "promise": "restore", "level": 50}),
    ("clock.level", {**CLOCK_FACTS, "promise": "restore", "level": 100}),
    ("ticket.assigned", FACTS),
    ("ticket.assigned", {**FACTS, "actor": ""}),
    ("ticket.merchant_wrote", {**FACTS, "actor": "王建国"}),
    ("ticket.merchant_wrote", {**FACTS, "actor": "", "store": ""}),
    ("ticket.reopened", FACTS),
    ("ticket.reopened", {**FACTS, "actor": ""}),
    ("ticket.reminded", FACTS),
]


def mail(kind: str, data: dict[str, Any], language: str) -> Any:
    provider = Provider(name="蜀汇支付", name_en="Shuhui Pay", time_zone="Asia/Shanghai")
    person = User(name="周敏", email="zhou.min@posdoctor.example", language=language)
    return compose(
        Delivery(
            provider=provider, recipient=person, kind=kind, data=data, key=UUID(int=7),
            url="/desk/t/T-AAAAAA/",
        )
    )  # fmt: skip


def test_the_texts_are_the_reviewed_ones():
    parts = []
    for kind, data in CASES:
        for language in LANGUAGES:
            made = mail(kind, data, language)
            parts.append(f"=== {kind} {language}\n{made.subject}\n---\n{made.body}")
    text = "\n".join(parts)
    if os.environ.get("UPDATE_MAIL_TEXTS") == "1":
        BASELINE.write_text(text, encoding="utf-8")
    assert BASELINE.read_text(encoding="utf-8") == text


def test_every_kind_has_its_case_and_its_templates():
    assert {kind for kind, _data in CASES} == set(Kind.values)
    for kind in Kind.values:
        get_template(f"notifications/kinds/{kind}.html")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_is_in_the_person_s_language_whoever_causes_it(language: str):
    with translation.override("en" if language == "zh-hans" else "zh-hans"):
        made = mail("ticket.reminded", FACTS, language)
    words = "到了提醒时间" if language == "zh-hans" else "Reminder due"
    assert made.subject.startswith(words)
    (page, kind) = made.alternatives[0]
    assert kind == "text/html"
    assert f'<html lang="{"zh-Hans" if language == "zh-hans" else "en"}">' in page
    assert words in page
    assert made.extra_headers["Content-Language"] == ("zh-Hans" if language == "zh-hans" else "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_leads_to_the_ticket_and_says_that_replies_are_not_read(language: str):
    made = mail("ticket.assigned", FACTS, language)
    replies = {"zh-hans": "此邮件不接收回复", "en": "Replies to this mail are not read"}[language]
    for text in (made.body, made.alternatives[0][0]):
        assert "http://127.0.0.1:8000/desk/t/T-AAAAAA/" in text
        assert replies in text


def test_foreign_text_is_text():
    hostile = {**FACTS, "title": "<img src=x>\r\nBcc: x@evil.example", "actor": "<b>&"}
    made = mail("ticket.assigned", hostile, "en")
    page = made.alternatives[0][0]
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page
    assert "Assigned to you by &lt;b&gt;&amp;" in page
    assert "Assigned to you by <b>&" in made.body
    assert made.subject.endswith("T-AAAAAA <img src=x> Bcc: x@evil.example")
    assert made.message()["Bcc"] is None


def test_nothing_in_a_mail_is_loaded_from_anywhere():
    page = mail("clock.level", CLOCK_FACTS, "en").alternatives[0][0]
    assert "<img" not in page
    assert "<link" not in page
    assert "url(" not in page
