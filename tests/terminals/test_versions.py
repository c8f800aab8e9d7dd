"""Which version is older, what a provider expects, and who is behind."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from posdoctor.accounts.actor import NOBODY, Actor, reporter, system
from posdoctor.accounts.models import Provider
from posdoctor.accounts.roles import Role
from posdoctor.core.errors import NotAllowedError
from terminals import actions
from terminals.models import MinimumVersion, Terminal, TerminalModel
from terminals.versions import is_any_behind, is_behind, is_comparable
from tests.builders import (
    T0,
    actor_of,
    make_membership,
    make_minimum,
    make_model,
    make_provider,
    make_seat,
    make_store,
    make_terminal,
)

TODAY = T0.date()
DAY = timedelta(days=1)

# --- The rule ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "least", "wanted"),
    [
        ("3.2.9", "3.2.14", True),
        ("3.2.14", "3.2.14", False),
        ("3.10", "3.9.9", False),
        ("V1.0.9", "v1.0.10", True),
        ("V1.0.9", "1.0.9", False),
        ("Version 1.0.8", "Ｖ１．０．９", True),
        ("3.2", "3.2.0", False),
        ("3.2", "3.2.1", True),
        ("A930_PayDroid_7.1.1_Aquarius_V02.3.13", "A930_PayDroid_7.1.1_Aquarius_V02.3.20", True),
        ("a930 paydroid 8.0 aquarius-v01.0", "A930_PayDroid_7.1.1_Aquarius_V02.3.20", False),
        ("A930_PayDroid_7.1.1_Aquarius_V02.3.13", "A930_PayDroid_7.1.1_Sagittarius_V02.3", None),
        ("2023.11.02", "2024.01.01", True),
        ("20231102", "20240101", True),
        ("20231102", "2024.01.01", None),
        ("1.0.9", "2024.01.01", None),
        ("1.0", "1.0.20240101", None),
        ("1.0.20240101", "1.0", False),
        ("3.2.14-rc1", "3.2.14", None),
        ("3.2.14 rc1", "3.2.14-RC2", True),
        ("", "3.2.14", None),
        ("3.2.14", "", None),
        ("latest", "latest", None),
        ("3." + "9" * 5000, "3.1", None),
    ],
)  # fmt: skip
def test_which_version_is_older(own: str, least: str, wanted: bool | None):
    assert is_behind(own, least) is wanted


NUMBERS = st.lists(st.sampled_from([0, 1, 2, 10, 99, 2023, 20231102]), min_size=1, max_size=4)
VERSIONS = st.one_of(
    NUMBERS.map(lambda parts: ".".join(map(str, parts))),
    st.builds(
        lambda word, first, second: f"{word}{'_'.join(map(str, first))}rc{second[0]}",
        st.sampled_from(["", "V", "A930_", "app "]),
        NUMBERS,
        NUMBERS,
    ),
)


@given(VERSIONS, VERSIONS)
def test_two_are_never_behind_each_other(one: str, other: str):
    assert not (is_behind(one, other) and is_behind(other, one))
    assert is_behind(one, one) is False


@given(VERSIONS, VERSIONS, VERSIONS)
def test_older_than_the_older_is_older(first: str, second: str, third: str):
    if is_behind(first, second) and is_behind(second, third):
        assert is_behind(first, third) in {True, None}


@given(NUMBERS.filter(lambda parts: max(parts) < 1000), st.integers(0, 3), st.integers(1, 900))
def test_a_greater_number_is_newer(parts: list[int], place: int, more: int):
    later = list(parts)
    later[place % len(parts)] += more
    if max(later) < 1000:
        own, least = (".".join(map(str, numbers)) for numbers in (parts, later))
        assert is_behind(own, least) is True
        assert is_behind(least, own) is False


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_is_typed_nothing_is_raised(own: str, least: str):
    assert is_behind(own, least) in {True, False, None}
    assert is_comparable(own) is (is_behind(own, own) is not None)


def test_one_that_is_behind_outweighs_what_is_unknown():
    old, new, unknown = ("1.0", "1.1"), ("1.2", "1.1"), ("", "1.1")
    assert is_any_behind([old, unknown]) is True
    assert is_any_behind([new, unknown]) is None
    assert is_any_behind([new, ("", "")]) is False
    assert is_any_behind([("1.0", "")]) is None


# --- The rows ------------------------------------------------------------------------


@pytest.fixture
def lead(provider: Provider) -> Actor:
    return actor_of(make_seat(provider, Role.SUPERVISOR))


def expect(lead: Actor, model: TerminalModel, **fields: object) -> MinimumVersion:
    values = {"app_version": "3.2.14", "firmware": "", "since": TODAY, "now": T0, **fields}
    return actions.set_minimum_version(lead, model_slug=model.slug, **values)


def test_a_minimum_is_set_replaced_and_dropped(lead: Actor, terminal: Terminal):
    expect(lead, terminal.model)
    later = T0 + DAY
    expect(lead, terminal.model, app_version="", firmware=" V1.0.9 ", now=later)
    kept = MinimumVersion.objects.get()
    assert (kept.app_version, kept.firmware) == ("", "V1.0.9")
    assert (kept.changed_at, kept.changed_by_name) == (later, lead.name)
    assert kept.provider_id == lead.provider_id
    actions.drop_minimum_version(lead, model_slug=terminal.model.slug)
    actions.drop_minimum_version(lead, model_slug=terminal.model.slug)
    assert not MinimumVersion.objects.exists()


def test_it_has_to_say_something(lead: Actor, terminal: Terminal):
    with pytest.raises(actions.VersionNeededError):
        expect(lead, terminal.model, app_version=" ", firmware="")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_minimum(terminal)
    with pytest.raises(TerminalModel.DoesNotExist):
        actions.set_minimum_version(
            lead, model_slug="nosuch", app_version="1", firmware="", since=TODAY, now=T0
        )


def test_card_numbers_are_masked(lead: Actor, terminal: Terminal):
    expect(lead, terminal.model, firmware="4111111111111111")
    assert MinimumVersion.objects.get().firmware == "411111******1111"


@pytest.mark.parametrize("role", [Role.DESK, Role.FIELD])
def test_only_leads_decide(role: Role, terminal: Terminal):
    actor = actor_of(make_seat(terminal.provider, role))
    with pytest.raises(NotAllowedError):
        expect(actor, terminal.model)
    with pytest.raises(NotAllowedError):
        actions.drop_minimum_version(actor, model_slug=terminal.model.slug)


def test_each_provider_sees_and_drops_its_own(lead: Actor, terminal: Terminal):
    foreign = make_provider()
    theirs = make_minimum(
        make_terminal(make_store(foreign), model=terminal.model), app_version="9.9"
    )
    ours = expect(lead, terminal.model)
    sees = MinimumVersion.objects.visible_to
    assert list(sees(lead)) == [ours]
    assert list(sees(actor_of(make_seat(terminal.provider, Role.FIELD)))) == [ours]
    assert set(sees(system())) == {ours, theirs}
    assert list(sees(system(provider_id=foreign.pk))) == [theirs]
    assert terminal.store
    member = make_membership(terminal.store)
    strangers = [
        NOBODY,
        reporter(provider_id=terminal.provider_id),
        Actor(role=Role.OPERATOR, user_id=1),
        Actor(role=Role.MERCHANT, provider_id=terminal.provider_id, user_id=member.user_id),
    ]
    for stranger in strangers:
        assert not sees(stranger).exists()
    actions.drop_minimum_version(lead, model_slug=terminal.model.slug)
    assert list(MinimumVersion.objects.all()) == [theirs]


def test_nobody_is_behind_before_its_day_begins_where_the_provider_is(provider: Provider):
    terminal = make_terminal(make_store(provider), app_version="1.0", firmware="V1")
    minimum = make_minimum(terminal, app_version="1.1", since=date(2026, 11, 21))
    eve = datetime(2026, 11, 20, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
    assert minimum.is_behind(terminal, now=eve) is None
    assert minimum.parts_behind(terminal, now=eve) == []
    assert minimum.is_behind(terminal, now=eve + timedelta(minutes=1)) is True
    assert minimum.parts_behind(terminal, now=eve + timedelta(minutes=1)) == ["app_version"]


def test_who_is_behind_is_found_by_versions_not_by_terminals(
    provider: Provider, lead: Actor, django_assert_num_queries
):
    old, other = make_model(), make_model()
    shop = make_store(provider)
    behind = [
        make_terminal(shop, model=old, app_version="3.2.9", firmware="V2"),
        make_terminal(shop, model=old, app_version="", firmware="V1"),
        make_terminal(shop, model=old, app_version="3.2.9", firmware="V2", state="in_repair"),
    ]
    make_terminal(shop, model=old, app_version="3.2.14", firmware="V2")
    make_terminal(shop, model=old, app_version="", firmware="V2")
    make_terminal(shop, model=other, app_version="3.2.9", firmware="V1")
    make_terminal(make_store(), model=old, app_version="3.2.9", firmware="V1")
    make_minimum(behind[0], app_version="3.2.14", firmware="V2")
    ours = Terminal.objects.visible_to(lead)
    minimums = list(MinimumVersion.objects.visible_to(lead).with_list_columns())
    with django_assert_num_queries(2):
        found = set(ours.behind(minimums, now=T0))
    assert found == set(behind)
    assert not ours.behind(minimums, now=T0 - 200 * DAY).exists()
    assert not ours.behind([], now=T0).exists()
