"""Tags of the design system: icons, moments in words, masked numbers, the fields' markup."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import lucide
import pytest
import time_machine
from django import forms
from django.conf import settings
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils import translation

from posdoctor.core.forms import PhoneField, PlainForm
from posdoctor.core.templatetags import pd
from tickets.lifecycle import MERCHANT_WORDS, Priority, TicketStatus

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=SHANGHAI)


def words(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


@pytest.mark.parametrize(
    ("moment", "long", "short", "deadline"),
    [
        (NOON.replace(hour=16, minute=30), "today 16:30", "16:30", "by 16:30 today"),
        (NOON - timedelta(days=1), "yesterday 12:00", "yesterday", "by 12:00 yesterday"),
        (NOON + timedelta(days=1), "tomorrow 12:00", "tomorrow", "by 12:00 tomorrow"),
        (datetime(2026, 11, 3, 1, 5, tzinfo=UTC), "3 Nov 09:05", "3 Nov", "by 09:05 on 3 Nov"),
        (
            datetime(2025, 3, 9, 1, 5, tzinfo=UTC),
            "9 Mar 2025 09:05",
            "9 Mar 2025",
            "by 09:05 on 9 Mar 2025",
        ),
        # Still today in Shanghai although the day has changed in UTC.
        (datetime(2026, 11, 20, 16, 1, tzinfo=UTC), "today 00:01", "00:01", "by 00:01 today"),
    ],
)
def test_moments_are_words_of_the_providers_day(moment, long, short, deadline):
    with translation.override("en"), time_machine.travel(NOON, tick=False):
        assert words(pd.when(moment, "Asia/Shanghai")) == long
        assert words(pd.when_short(moment, SHANGHAI)) == short
        assert words(pd.until(moment, "Asia/Shanghai")) == deadline


def test_moments_are_said_in_chinese():
    with translation.override("zh-hans"), time_machine.travel(NOON, tick=False):
        assert words(pd.until(NOON.replace(hour=16, minute=30), SHANGHAI)) == "今天 16:30 前"
        assert words(pd.when_short(datetime(2026, 11, 3, tzinfo=UTC), SHANGHAI)) == "11月3日"


def test_a_moment_carries_its_offset_for_machines():
    assert 'datetime="2026-11-21T12:00:00+08:00"' in pd.when(NOON.astimezone(UTC), SHANGHAI)
    assert pd.when(None) == ""


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13800005521", "138 **** 5521"),
        ("02887654321", "028 **** 4321"),
        ("12345", "**** 45"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_phone_is_masked(phone, masked):
    assert pd.masked_phone(phone) == masked


def test_an_unknown_icon_is_refused_in_tests_and_replaced_elsewhere(settings):
    settings.STRICT_ICONS = True
    with pytest.raises(lucide.IconDoesNotExist):
        pd.icon("no-such-icon")
    settings.STRICT_ICONS = False
    assert pd.icon("no-such-icon") == pd.icon(pd.FALLBACK_ICON)


def test_every_icon_named_in_a_template_exists():
    settings_dir = Path(settings.BASE_DIR) / "templates"
    names = {
        name
        for path in settings_dir.rglob("*.html")
        for name in re.findall(r'\{% icon "([^"]+)"', path.read_text(encoding="utf-8"))
    }
    assert names
    for name in names:
        pd._icon_body(name)


def test_icon_classes_and_letters_are_escaped():
    assert "<b>" not in pd.icon("phone", '"><b>')
    assert "<b>" not in pd.avatar('<b>"')
    assert "<b>" not in render_to_string(
        "components/_status_tag.html", {"icon_name": "check", "label": "<b>", "tone": ""}
    )


def test_status_words_agree_with_the_lifecycle():
    with translation.override("en"):
        for status in TicketStatus:
            look = pd.STATUS_LOOKS[status.value]
            assert str(look.staff) == str(status.label)
            assert str(look.merchant) == str(MERCHANT_WORDS[status])
        assert {key: str(look.staff) for key, look in pd.PRIORITY_LOOKS.items()} == {
            priority.value: str(priority.label) for priority in Priority
        }


def test_every_form_of_the_catalogue_has_its_own_drawing():
    drawings = {pd.device_art(form) for form in pd.DEVICE_FORMS}
    assert len(drawings) == len(pd.DEVICE_FORMS)
    assert pd.device_art("../../base") == pd.device_art(pd.DEVICE_FORMS[0])


class Sample(PlainForm):
    required_texts = {"impact": "Say whether payments work"}
    phone = PhoneField(label="Phone", help_text="For questions")
    impact = forms.ChoiceField(choices=[("all", "All")], widget=forms.RadioSelect)
    words = forms.CharField(required=False)


def test_a_field_says_label_hint_error_then_control():
    with translation.override("en"):
        form = Sample({"phone": "138 0000 552"})
        html = str(form["phone"].as_field_group())
        summary = render_to_string("components/error_summary.html", {"form": form})
        optional = str(form["words"].as_field_group())
    order = [html.index(part) for part in ("<label", 'class="hint"', 'class="err"', "<input")]
    assert order == sorted(order)
    assert 'aria-describedby="id_phone_helptext id_phone_error"' in html
    assert 'id="id_phone_error"' in html
    assert 'id="id_phone_helptext"' in html
    assert " required" not in html
    assert "(optional)" in optional
    assert '<a href="#id_phone">Enter an 11-digit mobile number, 1 digit is missing</a>' in summary
    assert '<a href="#id_impact_0">Say whether payments work</a>' in summary


def test_typed_markup_is_text_in_fields_and_errors():
    form = Sample({"words": '"><script>', "phone": "<b>", "impact": "<i>"})
    html = str(form)
    assert "<script>" not in html
    assert "<b>" not in html
    assert "<i>" not in html


def test_durations_are_rounded_to_what_matters():
    with translation.override("en"):
        assert pd.duration(45) == "45 s"
        assert pd.duration(timedelta(minutes=2, seconds=10)) == "2 min 10 s"
        assert pd.duration(1900) == "31 min"
        assert pd.duration(11100) == "3 h 5 min"
        assert pd.duration(187200) == "2 d 4 h"
        assert pd.duration(None) == ""


def test_the_500_page_needs_no_context():
    template = Template("{% include '500.html' %}")
    with translation.override("en"):
        assert "Something broke on our side" in template.render(Context())
