"""Limits that a caller cannot walk around, and requests that are too large for any page."""

import io

import pytest
from django.test import RequestFactory
from django.urls import reverse
from pytest_django import Settings

from posdoctor.core import doors
from terminals.models import Terminal
from tests.conftest import Persona


def where(remote: str, forwarded: str = "") -> str:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    return doors.address_of(RequestFactory(headers=headers).get("/", REMOTE_ADDR=remote))


def test_addresses_of_one_ipv6_network_are_one_caller() -> None:
    """A home or a hosting customer holds 2^64 addresses: each would be a fresh start."""
    assert where("2001:db8:1:2::1") == where("2001:db8:1:2:ffff::9")
    assert where("2001:db8:1:2::1") != where("2001:db8:1:3::1")


def test_an_ipv4_address_in_ipv6_clothes_is_itself() -> None:
    assert where("::ffff:203.0.113.9") == where("203.0.113.9")
    assert where("::ffff:203.0.113.9") != where("::ffff:203.0.113.10")


def test_a_port_in_the_forwarded_address_is_no_other_caller(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    assert where("10.0.0.1", "203.0.113.9:5001") == where("10.0.0.1", "203.0.113.9:5002")
    assert where("10.0.0.1", "[2001:db8::1]:5001") == where("10.0.0.1", "2001:db8::1")


def test_what_a_caller_forwards_of_itself_is_not_believed(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    assert where("10.0.0.1", "1.1.1.1, 203.0.113.9") == where("10.0.0.1", "2.2.2.2, 203.0.113.9")
    settings.TRUSTED_PROXIES = 0
    assert where("203.0.113.9", "1.1.1.1") == where("203.0.113.9", "2.2.2.2")


@pytest.mark.parametrize("path", ["/find", "/account/sign-in/", "/t/A2B3C4D5/check/network_down"])
def test_a_page_without_files_refuses_a_body_of_that_size(
    terminal: Terminal, anonymous: Persona, path: str
) -> None:
    file = io.BytesIO(b"x" * (8 * 1024 * 1024))
    assert anonymous.client.post(path, {"q": file}).status_code == 413


def test_an_odd_key_of_a_photo_is_no_error(terminal: Terminal, anonymous: Persona) -> None:
    code = terminal.sticker_code
    anonymous.client.post(reverse("diagnostics:begin", args=[code, "network_down"]))
    url = reverse("tickets:report_drop_photo", args=[code, "x"]).replace("/x/", "/%00/")
    assert anonymous.client.post(url).status_code in {303, 404}


@pytest.mark.parametrize("path", ["/desk/terminals/%00/", "/desk/merchants/%00/", "/desk/new/%00/"])
def test_an_odd_reference_is_an_unknown_one(desk: Persona, path: str) -> None:
    assert desk.client.get(path).status_code == 404
