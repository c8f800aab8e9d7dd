"""The API's reference and the page of tokens, as every other page is checked."""

import pytest
from playwright.sync_api import Page, expect

from posdoctor.accounts.models import ApiToken
from posdoctor.accounts.roles import Role
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_every_page import check, check_widths, walk

pytestmark = pytest.mark.browser

# The reference is one long page: two looks show what four would.
LOOKS = [
    pytest.param("zh", PHONE, True, id="zh-phone-dark"),
    pytest.param("en", DESK, False, id="en-desk-light"),
]


@pytest.mark.parametrize(("language", "viewport", "dark"), LOOKS)
def test_reference(open_browser, shop, language, viewport, dark):
    walk(open_browser, ["/api/v1/docs/"], language, viewport, dark=dark)


def test_token_is_made_shown_once_used_and_revoked(open_browser, shop, sign_in):
    page: Page = open_browser(PHONE, "en-US")
    sign_in(page, Role.DESK, language="en")
    page.goto("/desk/me/")
    page.get_by_role("link", name="Manage tokens").click()
    expect(page.get_by_role("heading", name="No tokens yet")).to_be_visible()
    check(page, "tokens, empty")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_text("Say what the token is for").first).to_be_visible()
    page.get_by_label("What for").fill("till sync")
    page.get_by_label("Read only").check()
    page.get_by_role("button", name="Make token").click()
    secret = page.get_by_label("Token", exact=True).input_value()
    assert secret.startswith("pdt_")
    check(page, "tokens, with the new one")
    check_widths(page, "tokens, with the new one")
    page.goto("/desk/me/tokens/")
    assert secret not in page.content()
    answer = page.request.get("/api/v1/me/", headers={"Authorization": f"Token {secret}"})
    assert answer.json()["token"]["can_write"] is False
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("heading", name="No tokens yet")).to_be_visible()
    assert ApiToken.objects.get().revoked_at
