"""The first address, one's own profile, and which seat a person works in."""

import pytest
from django.test import Client
from django.urls import reverse

from posdoctor.accounts.roles import Role
from tests.builders import make_seat, make_user
from tests.conftest import Persona, signed_in


def test_a_passer_by_reads_how_to_report_in_both_languages(anonymous: Persona):
    chinese = anonymous.client.get("/")
    english = anonymous.client.get("/?lang=en")
    assert chinese.status_code == english.status_code == 200
    assert '<html lang="zh-Hans"' in chinese.text
    assert "Scan the code on the machine" in english.text
    for page in (chinese, english):
        assert reverse("diagnostics:find") in page.text
        assert reverse("account_login") in page.text


@pytest.mark.parametrize(
    ("persona", "target"),
    [
        ("desk", "tickets:inbox"),
        ("field", "tickets:inbox"),
        ("supervisor", "tickets:inbox"),
        ("administrator", "tickets:inbox"),
        ("merchant", "tickets:mine"),
        ("operator", "accounts:providers"),
    ],
)
def test_home_sends_everybody_where_they_work(
    persona: str, target: str, request: pytest.FixtureRequest
):
    response = request.getfixturevalue(persona).client.get("/")
    assert response.status_code == 302
    assert response["Location"].partition("?")[0] == reverse(target)


def test_a_person_without_a_place_is_told_whom_to_ask(db):
    user = make_user()
    response = signed_in(user).get("/")
    assert response.status_code == 200
    assert user.email in response.text
    assert reverse("account_logout") in response.text


def test_the_first_page_after_signing_in_speaks_the_persons_language(desk: Persona):
    assert desk.user is not None
    desk.user.language = "en"
    desk.user.save(update_fields=["language"])
    page = desk.client.get("/", follow=True)
    assert '<html lang="en"' in page.text
    # From here on the cookie decides, so that a switch on a page is not undone.
    desk.client.get("/desk/me/?lang=zh-hans")
    assert '<html lang="zh-Hans"' in desk.client.get("/", follow=True).text


def profile(**changes: str) -> dict[str, str]:
    return {"name": "周敏", "language": "en", "theme": "dark", "has_shortcuts": "on", **changes}


def test_the_profile_is_saved_and_seen_at_once(desk: Persona):
    assert desk.user is not None
    page = desk.client.post("/desk/me/", profile(), follow=True)
    assert page.status_code == 200
    assert '<html lang="en" data-theme="dark"' in page.text
    desk.user.refresh_from_db()
    assert (desk.user.name, desk.user.language, desk.user.theme) == ("周敏", "en", "dark")
    assert desk.user.has_shortcuts
    data = profile(theme="device")
    del data["has_shortcuts"]
    page = desk.client.post("/desk/me/", data, follow=True)
    assert "data-theme" not in page.text
    assert 'data-shortcuts="off"' in page.text


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"language": "fr"}, {"theme": "pink"}, {"name": "x" * 81}]
)
def test_a_profile_that_cannot_be_saved_changes_nothing(desk: Persona, wrong: dict[str, str]):
    assert desk.user is not None
    before = (desk.user.name, desk.user.language, desk.user.theme)
    response = desk.client.post("/desk/me/", profile(**wrong))
    assert response.status_code == 422
    assert 'class="errsum"' in response.text
    desk.user.refresh_from_db()
    assert (desk.user.name, desk.user.language, desk.user.theme) == before


def test_the_theme_switch_goes_back_but_never_to_another_site(desk: Persona):
    assert desk.user is not None
    back = desk.client.post("/desk/me/theme", {"theme": "dark", "next": "/desk/terminals/"})
    assert back["Location"] == "/desk/terminals/"
    desk.user.refresh_from_db()
    assert desk.user.theme == "dark"
    for away in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        response = desk.client.post("/desk/me/theme", {"theme": "light", "next": away})
        assert response["Location"] == "/desk/me/"


def test_the_operator_and_merchants_have_a_profile_without_the_desks_navigation(
    operator: Persona, merchant: Persona, desk: Persona
):
    for persona in (operator, merchant):
        page = persona.client.get("/desk/me/")
        assert page.status_code == 200
        assert reverse("terminals:list") not in page.text
    assert reverse("terminals:list") in desk.client.get("/desk/me/").text


def test_a_person_with_two_seats_chooses_where_to_work(provider, other_provider):
    user = make_user()
    make_seat(provider, Role.ADMINISTRATOR, user=user)
    make_seat(other_provider, Role.DESK, user=user)
    client = signed_in(user)
    assert client.get("/settings/users/").status_code == 200
    client.post("/desk/me/seat", {"provider": other_provider.slug})
    assert other_provider.name in client.get("/desk/me/").text
    assert client.get("/settings/users/").status_code == 404  # desk there
    client.post("/desk/me/seat", {"provider": provider.slug})
    assert client.get("/settings/users/").status_code == 200


def test_nobody_chooses_a_seat_that_is_not_theirs(desk: Persona, other_provider):
    desk.client.post("/desk/me/seat", {"provider": other_provider.slug})
    page = desk.client.get("/desk/me/")
    assert other_provider.name not in page.text


def test_profile_asks_for_sign_in(db):
    response = Client().get("/desk/me/")
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize(
    ("path", "words"),
    [("/help", "can’t be scanned"), ("/privacy", "who sees it")],
)
def test_help_and_privacy_are_for_everybody_in_both_languages(
    anonymous: Persona, path: str, words: str
):
    chinese, english = anonymous.client.get(path), anonymous.client.get(f"{path}?lang=en")
    assert chinese.status_code == english.status_code == 200
    assert words in english.text.replace("&#x27;", "'")
    assert '<html lang="zh-Hans"' in chinese.text


def test_the_style_page_is_for_people_who_work_here(
    desk: Persona, merchant: Persona, operator: Persona
):
    assert desk.client.get("/ui/").status_code == 200
    for persona in (merchant, operator):
        assert persona.client.get("/ui/").status_code == 404
