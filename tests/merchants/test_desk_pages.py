"""Merchants at the desk: list, page, editing, and who saw which number."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.utils import translation

from merchants import actions, hours
from merchants.models import Contact, Merchant, Store
from merchants.views import hours_in_words
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import AccountEvent, Seat, User
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import NotAllowedError
from tests.builders import T0, actor_of, make_contact, make_merchant, make_store
from tests.conftest import Persona

LIST = "/desk/merchants/"


def user_of(persona: Persona) -> User:
    """The signed-in person, who is there."""
    assert persona.user is not None
    return persona.user


def seat_of(persona: Persona) -> Seat:
    """The persona's seat, which is there."""
    assert persona.seat is not None
    return persona.seat


@pytest.fixture
def store(provider) -> Store:
    merchant = make_merchant(provider, name="老王川菜馆", number="821651058120999")
    found = make_store(merchant=merchant, name="老王川菜馆（建设路店）", address="建设路 88 号")
    make_contact(found)
    return found


def page_of(merchant: Merchant) -> str:
    return f"{LIST}{merchant.ref}/"


# --- List ----------------------------------------------------------------------------


def test_the_list_finds_by_name_number_phone_and_reference(desk: Persona, store: Store):
    other = make_merchant(store.provider, name="好邻居便利店")
    typed = ["川菜", "老王", "821651058120999", "8216 5105 8120 999", "5521", "199 0000 5521",
             "１９９００００５５２１", store.merchant.ref.lower()]  # fmt: skip
    for text in typed:
        page = desk.client.get(LIST, {"q": text}).text
        assert store.merchant.ref in page, text
        assert other.ref not in page, text
    assert store.merchant.ref not in desk.client.get(LIST, {"q": "火锅"}).text


@pytest.mark.parametrize("text", ["' | !", "&", "%", "\\", ":*", "（）", "x" * 80])
def test_a_search_for_signs_is_no_error(desk: Persona, store: Store, text: str):
    assert desk.client.get(LIST, {"q": text}).status_code == 200


def test_the_list_goes_on_page_after_page_without_a_gap(
    desk: Persona,
    provider,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]],
):
    for n in range(120):  # three of each name: the name alone does not tell rows apart
        make_store(merchant=make_merchant(provider, name=f"店{n // 3:03d}"))
    seen: list[str] = []
    query: dict[str, str] = {}
    for _page in range(3):
        with django_assert_max_num_queries(12):
            page = desk.client.get(LIST, query).context["page"]
        seen += [merchant.ref for merchant in page.merchants]
        query = {"after": page.after}
    assert len(seen) == len(set(seen)) == 120
    assert query == {"after": ""}


def test_a_foreign_merchant_is_in_no_list_and_on_no_page(outsider: Persona, store: Store):
    contact = store.contacts.get()
    for query in ({}, {"q": "老王川菜"}, {"q": "5521"}, {"q": "821651058120999"}):
        assert store.merchant.ref not in outsider.client.get(LIST, query).text
    edits = [f"/desk/stores/{store.ref}/edit", f"/desk/contacts/{contact.ref}/edit"]
    for path in (page_of(store.merchant), page_of(store.merchant) + "edit", *edits):
        assert outsider.client.get(path).status_code == 404
    assert outsider.client.post(f"/desk/contacts/{contact.ref}/reveal").status_code == 404
    assert not AccountEvent.objects.exists()


# --- Page ----------------------------------------------------------------------------


def test_the_page_shows_facts_and_masks_phones(desk: Persona, store: Store):
    page = desk.client.get(page_of(store.merchant)).text
    for fact in (store.merchant.number, store.name, store.address, "199 **** 5521", "王建国"):
        assert fact in page
    assert "19900005521" not in page


def test_showing_a_number_is_recorded(desk: Persona, store: Store):
    contact = store.contacts.get()
    url = f"/desk/contacts/{contact.ref}/reveal"
    assert desk.client.get(url).status_code == 405
    part = desk.client.post(url, headers={"hx-request": "true"})
    assert "199 0000 5521" in part.text
    assert "<html" not in part.text
    assert part["Cache-Control"] == "no-store"
    assert "199 0000 5521" in desk.client.post(url).text  # without a script: a page
    events = AccountEvent.objects.filter(kind="contact_revealed")
    assert events.count() == 2
    event = events[0]
    assert event.actor_user_id == user_of(desk).pk
    assert event.data == {"contact": contact.ref, "merchant": store.merchant.ref}


# --- Opening hours -------------------------------------------------------------------

WEEK = {day: [["09:00", "14:00"], ["17:00", "26:00"]] for day in hours.DAYS[:5]}


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({}, []),
        (
            {**WEEK, "sat": [["10:00", "22:00"]]},
            [
                ("Monday to Friday", "09:00–14:00, 17:00–02:00 next day"),
                ("Saturday", "10:00–22:00"),
                ("Sunday", "closed"),
            ],
        ),
        ({day: [["00:00", "24:00"]] for day in hours.DAYS}, [("Every day", "00:00–24:00")]),
    ],
)
def test_opening_hours_in_words(stored, words):
    with translation.override("en"):
        assert hours_in_words(Store(opening_hours=stored)) == words


def hours_form(store: Store, **changes: str) -> dict[str, str]:
    return {"name": store.name, "city_tier": "city", "time_zone": "Asia/Shanghai", **changes}


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("09:00-14:00, 17:00-26:00", [["09:00", "14:00"], ["17:00", "26:00"]]),
        ("９：００－１４：００，１７：００～２１：００", [["09:00", "14:00"], ["17:00", "21:00"]]),
        ("9:00 至 21:00", [["09:00", "21:00"]]),
        ("08:00–12:00、13:00—18:00", [["08:00", "12:00"], ["13:00", "18:00"]]),
    ],
)
def test_hours_are_read_as_people_type_them(desk: Persona, store: Store, typed: str, stored):
    url = f"/desk/stores/{store.ref}/edit"
    assert desk.client.post(url, hours_form(store, hours_mon=typed)).status_code == 302
    store.refresh_from_db()
    assert store.opening_hours == {"mon": stored}
    again = desk.client.post(url, hours_form(store, hours_mon=typed))
    assert again.status_code == 302
    assert AccountEvent.objects.count() == 1  # the second one changed nothing


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("nine to five", "Write the hours like"),
        ("09:00", "Write the hours like"),
        ("09:60-10:00", "Write the hours like"),
        ("50:00-51:00", "Write the hours like"),
        ("14:00-09:00", "must end after it starts"),
        ("09:00-14:00, 13:00-18:00", "must end after it starts"),
        ("25:00-26:00", "must end after it starts"),
    ],
)
def test_hours_that_cannot_be_say_what_to_do(desk: Persona, store: Store, typed: str, advice: str):
    url = f"/desk/stores/{store.ref}/edit?lang=en"
    response = desk.client.post(url, hours_form(store, hours_tue=typed, address="新地址"))
    assert response.status_code == 422
    assert response.text.count(advice) == 2
    assert "新地址" in response.text
    assert typed in response.text
    store.refresh_from_db()
    assert store.opening_hours == {}


# --- Editing ---------------------------------------------------------------------------


def merchant_form(**changes: str) -> dict[str, str]:
    return {"name": "老王川菜馆", "number": "821651058120999", "fee_class": "standard", **changes}


def test_a_merchant_is_edited_and_only_names_of_fields_are_recorded(desk: Persona, store: Store):
    data = merchant_form(name="老王川菜馆总店", number="8216 5105 8120 998")
    response = desk.client.post(page_of(store.merchant) + "edit", data)
    assert response.status_code == 302
    store.merchant.refresh_from_db()
    assert (store.merchant.name, store.merchant.number) == ("老王川菜馆总店", "821651058120998")
    event = AccountEvent.objects.get()
    assert event.data == {"merchant": store.merchant.ref, "fields": ["name", "number"]}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"name": ""}, "Enter the merchant&#x27;s name"),
        ({"number": ""}, "Enter the 15 digits"),
        ({"number": "82165105812099"}, "this one has 14"),
        ({"number": "82165105812099X"}, "Use digits only"),
        ({"number": "821651058120777"}, "Another merchant has this number"),
    ],
)
def test_a_wrong_merchant_says_what_to_do(
    desk: Persona, store: Store, changes: dict[str, str], advice: str
):
    make_merchant(store.provider, number="821651058120777")
    url = page_of(store.merchant) + "edit?lang=en"
    response = desk.client.post(url, merchant_form(**changes))
    assert response.status_code == 422
    assert response.text.count(advice) == 2
    store.merchant.refresh_from_db()
    assert store.merchant.number == "821651058120999"


def contact_form(**changes: str) -> dict[str, str]:
    return {"name": "李梅", "phone": "138 0000 5521", "language": "zh-hans", "store": "", **changes}


def test_a_contact_is_added_edited_and_removed(desk: Persona, store: Store):
    new = page_of(store.merchant) + "contacts/new"
    data = contact_form(store=store.ref, is_primary="on")
    assert desk.client.post(new, data).status_code == 302
    contact = Contact.objects.get(name="李梅")
    assert (contact.phone, contact.store, contact.is_primary) == ("13800005521", store, True)
    # One person is called first.
    assert not Contact.objects.get(name="王建国").is_primary
    edit = f"/desk/contacts/{contact.ref}/edit"
    assert "13800005521" not in desk.client.get(edit).text.replace(" ", "")
    kept = desk.client.post(edit, contact_form(name="李梅梅", phone=""))
    assert kept.status_code == 302
    contact.refresh_from_db()
    assert (contact.name, contact.phone, contact.store) == ("李梅梅", "13800005521", None)
    assert desk.client.post(edit, {"deed": "remove"}).status_code == 302
    assert not Contact.objects.filter(pk=contact.pk).exists()
    kinds = list(AccountEvent.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["contact_added", "contact_edited", "contact_removed"]
    trail = str(list(AccountEvent.objects.values_list("data", flat=True)))
    assert "李梅" not in trail
    assert "13800005521" not in trail


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"phone": ""}, {"phone": "12345"}, {"email": "nobody"}, {"language": "fr"}],
)
def test_a_wrong_contact_is_not_added(desk: Persona, store: Store, changes: dict[str, str]):
    response = desk.client.post(page_of(store.merchant) + "contacts/new", contact_form(**changes))
    assert response.status_code == 422
    assert Contact.objects.count() == 1


def test_a_contact_cannot_be_put_into_another_merchants_store(desk: Persona, store: Store):
    other = make_store(store.provider)
    response = desk.client.post(
        page_of(store.merchant) + "contacts/new", contact_form(store=other.ref)
    )
    assert response.status_code == 422


# --- Adding --------------------------------------------------------------------------

NEW = f"{LIST}new"


def new_form(**changes: str) -> dict[str, str]:
    """What the page for a new merchant sends."""
    return {
        "name": "春熙路面馆",
        "number": "8216 5105 8120 555",
        "fee_class": "preferential",
        "store_name": "春熙路面馆（总店）",
        "store_address": "春熙路 12 号",
        "store_area": "锦江区",
        "store_city_tier": "provincial",
        "store_time_zone": "Asia/Urumqi",
        "store_hours_mon": "09:00-14:00",
        "contact_name": "赵敏",
        "contact_phone": "138 0000 7788",
        "contact_language": "en",
        **changes,
    }


def test_a_merchant_begins_with_a_store_and_somebody_to_call(desk: Persona, provider):
    assert NEW in desk.client.get(LIST).text
    page = desk.client.get(NEW)
    assert 'value="Asia/Shanghai"' in page.text
    response = desk.client.post(NEW, new_form())
    merchant = Merchant.objects.get()
    assert response["Location"] == page_of(merchant)
    assert (merchant.provider, merchant.number) == (provider, "821651058120555")
    assert (merchant.name, merchant.fee_class) == ("春熙路面馆", "preferential")
    store, contact = merchant.stores.get(), merchant.contacts.get()
    assert (store.provider, contact.provider) == (provider, provider)
    assert (store.name, store.address) == ("春熙路面馆（总店）", "春熙路 12 号")
    assert (store.area, store.city_tier) == ("锦江区", "provincial")
    assert (store.time_zone, store.opening_hours) == ("Asia/Urumqi", {"mon": [["09:00", "14:00"]]})
    assert (contact.name, contact.phone, contact.language) == ("赵敏", "13800007788", "en")
    assert (contact.store, contact.is_primary) == (None, True)
    events = AccountEvent.objects.order_by("pk")
    assert [event.kind for event in events] == ["merchant_added", "store_added", "contact_added"]
    assert {event.data["merchant"] for event in events} == {merchant.ref}
    assert "赵敏" not in str([event.data for event in events])
    assert "春熙路面馆（总店）" in desk.client.get(page_of(merchant)).text


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"name": ""}, "Enter the merchant&#x27;s name"),
        ({"number": "82165105812099"}, "this one has 14"),
        ({"number": "821651058120777"}, "Another merchant has this number"),
        ({"fee_class": "free"}, "free is not one of the available choices"),
        ({"store_name": ""}, "Enter the store&#x27;s name"),
        ({"store_time_zone": "Mars/Base"}, "Enter a time zone like"),
        ({"store_hours_sun": "14:00-09:00"}, "must end after it starts"),
        ({"contact_name": " "}, "Enter the contact&#x27;s name"),
        ({"contact_phone": "1380000778"}, "1 digit is missing"),
    ],
)
def test_a_wrong_new_merchant_says_what_to_do_and_adds_nothing(
    desk: Persona, store: Store, changes: dict[str, str], advice: str
):
    make_merchant(store.provider, number="821651058120777")
    before = (Merchant.objects.count(), Store.objects.count(), Contact.objects.count())
    response = desk.client.post(NEW + "?lang=en", new_form(**changes))
    assert response.status_code == 422
    assert response.text.count(advice) == 2  # in the summary and beside the field
    for typed in ("春熙路 12 号", "锦江区"):
        assert typed in response.text
    after = (Merchant.objects.count(), Store.objects.count(), Contact.objects.count())
    assert after == before
    assert not AccountEvent.objects.exists()


def test_a_number_taken_is_said_in_chinese_and_free_with_another_provider(
    desk: Persona, outsider: Persona
):
    assert desk.client.post(NEW, new_form()).status_code == 302
    again = desk.client.post(NEW, new_form(name="别的店"))
    assert again.status_code == 422
    assert again.text.count("另一家商户用了这个商户号") == 2
    assert "别的店" in again.text
    assert outsider.client.post(NEW, new_form()).status_code == 302
    assert set(Merchant.objects.values_list("provider__slug", flat=True)) == {"shuhui", "harbour"}


def test_a_store_is_added_to_a_merchant(desk: Persona, outsider: Persona, store: Store):
    url = page_of(store.merchant) + "stores/new"
    assert url in desk.client.get(page_of(store.merchant)).text
    data = {"name": "二店", "city_tier": "county", "time_zone": "Asia/Shanghai"}
    wrong = desk.client.post(url + "?lang=en", {**data, "name": "", "address": "人民路 3 号"})
    assert wrong.status_code == 422
    assert wrong.text.count("Enter the store&#x27;s name") == 2
    assert "人民路 3 号" in wrong.text
    assert outsider.client.post(url, data).status_code == 404
    assert store.merchant.stores.count() == 1
    assert desk.client.post(url, data).status_code == 302
    added = store.merchant.stores.get(name="二店")
    assert (added.provider, added.city_tier) == (store.provider, "county")
    event = AccountEvent.objects.get()
    assert event.kind == "store_added"
    assert event.data == {"store": added.ref, "merchant": store.merchant.ref}
    page = desk.client.get(page_of(store.merchant)).text
    assert f"/desk/terminals/new?store={added.ref}" in page


def test_who_may_not_edit_adds_nothing(merchant: Persona, field: Persona, terminal):
    owner = Actor(role=Role.MERCHANT, user_id=user_of(merchant).pk)
    shop = terminal.store.merchant
    for actor in (owner, actor_of(seat_of(field))):
        with pytest.raises(NotAllowedError):
            actions.add_merchant(actor, now=T0, values={}, store={}, contact={})
    with pytest.raises(NotAllowedError):
        actions.add_store(owner, merchant_id=shop.pk, now=T0, values={"name": "x"})
    with pytest.raises(Merchant.DoesNotExist):
        actions.add_store(
            actor_of(seat_of(field)), merchant_id=shop.pk, now=T0, values={"name": "x"}
        )
    assert (Merchant.objects.count(), Store.objects.count()) == (1, 1)


def test_markup_in_names_is_shown_as_text(desk: Persona, store: Store):
    bad = "<script>alert(1)</script>"
    desk.client.post(page_of(store.merchant) + "edit", merchant_form(name=bad))
    for path in (LIST, page_of(store.merchant)):
        page = desk.client.get(path).text
        assert bad not in page
        assert "&lt;script&gt;" in page


def test_who_may_not_edit_is_refused_by_the_actions_too(
    merchant: Persona, field: Persona, terminal
):
    """The owner of the shop sees the rows, but the desk keeps them; a field engineer sees none."""
    owner = Actor(role=Role.MERCHANT, user_id=user_of(merchant).pk)
    shop = terminal.store
    contact = shop.contacts.get()
    values = {"name": "x"}
    deeds = [
        lambda actor: actions.edit_merchant(
            actor, merchant_id=shop.merchant_id, now=T0, values=values
        ),
        lambda actor: actions.edit_store(actor, store_id=shop.pk, now=T0, values=values),
        lambda actor: actions.edit_contact(actor, contact_id=contact.pk, now=T0, values=values),
        lambda actor: actions.remove_contact(actor, contact_id=contact.pk, now=T0),
        lambda actor: actions.reveal_contact(actor, contact_id=contact.pk, now=T0),
    ]
    for deed in deeds:
        with pytest.raises(NotAllowedError):
            deed(owner)
        with pytest.raises((Merchant.DoesNotExist, Store.DoesNotExist, Contact.DoesNotExist)):
            deed(actor_of(seat_of(field)))
    assert not AccountEvent.objects.exists()
