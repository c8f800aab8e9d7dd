"""The phone field: what people type, and what they are told when a digit is missing."""

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation

from posdoctor.core.forms import PhoneField


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("138 0000 5521", "13800005521"),
        ("+8613800005521", "13800005521"),
        ("+86 138-0000-5521", "13800005521"),
        ("008613800005521", "13800005521"),
        ("8613800005521", "13800005521"),
        ("１３８００００５５２１", "13800005521"),
        ("（028）8765 4321", "02887654321"),
        ("010-87654321", "01087654321"),
        ("0833 765 4321", "08337654321"),
        ("400 600 1234", "4006001234"),
        ("+44 20 7123 4567", "+442071234567"),
    ],
)
def test_a_number_is_kept_as_its_digits(typed, kept):
    assert PhoneField().clean(typed) == kept


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("138 0000 552", "1 digit is missing"),
        ("138 0000", "4 digits are missing"),
        ("138 0000 55211", "1 digit too many"),
        ("12800005521", "13 to 19"),
        ("87654321", "area code"),
        ("028 8765", "area code"),
        ("13800x05521", "digits only"),
        ("+0 12", "after the + sign"),
        ("", "Enter a phone number"),
        ("   ", "Enter a phone number"),
    ],
)
def test_a_wrong_number_is_told_what_to_change(typed, told):
    with translation.override("en"):
        with pytest.raises(ValidationError) as refused:
            PhoneField().clean(typed)
        assert told in refused.value.messages[0]


def test_an_optional_number_may_be_left_out():
    assert PhoneField(required=False).clean(" ") == ""


def test_the_missing_digits_are_counted_in_chinese():
    with translation.override("zh-hans"):
        with pytest.raises(ValidationError) as refused:
            PhoneField().clean("138 0000 552")
        assert refused.value.messages == ["请填写 11 位手机号，现在少 1 位"]
