"""The standing part of the demo estate: providers, staff, merchants, shops and their terminals."""

import random
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from django.contrib.auth.hashers import make_password
from django.db.models import QuerySet

from diagnostics.actions import attributes_of
from merchants.hours import DAYS, minutes
from merchants.models import Contact, Membership, Merchant, Store
from posdoctor.accounts.actor import Actor
from posdoctor.accounts.models import Provider, Seat, Team, User
from posdoctor.accounts.roles import Role
from posdoctor.core.scrub import scrub
from terminals.models import Terminal, TerminalEvent, TerminalModel, TerminalNumber
from tickets.estate.rows import (
    FALSE,
    NULL,
    TRUE,
    Sheet,
    document,
    flush,
    number,
    plain,
    stamp,
    words,
)
from tickets.estate.seeded import Codes, Weighted, spread

PLACES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "places.yaml").read_text(encoding="utf-8")
)
OPERATOR_EMAIL = "operator@posdoctor.example"
# One for all, of a database that holds nothing real; long enough for the password rules.
DEMO_PASSWORD = "posdoctor-demo-2026"  # noqa: S105
MERCHANT_USERS = 4
PROVIDER_WEIGHTS = (6, 4, 3, 3)
_DAY = 86_400
_PHONES = 100_000

Week = tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True)
class Plan:
    """How much to load. `until` is the newest moment, in seconds since 1970 UTC.

    `generation` is 0 in an empty database; a later load counts on, so that its addresses and
    codes differ.
    """

    providers: int
    merchants: int
    terminals: int
    tickets: int
    seed: int
    until: int
    generation: int = 0

    def chance(self, part: str) -> random.Random:
        """A source of its own for each part: one part's growth does not move the others."""
        return random.Random(f"{self.seed}/{self.generation}/{part}")  # noqa: S311 - not a secret


@dataclass(frozen=True)
class Crew:
    """One provider with its people and teams."""

    id: int
    place: dict[str, Any]
    slug: str
    administrator: Actor
    supervisor: Actor
    desk: tuple[Actor, ...]
    engineers: tuple[Actor, ...]
    teams: tuple[tuple[int, str], ...]


@dataclass(eq=False)
class Shop:
    """One store with the person who reports."""

    crew: Crew
    merchant_id: int
    store_id: int
    language: str
    week: Week
    contact_name: str
    contact_phone: str
    member: Actor | None
    machines: "list[Machine]" = field(default_factory=list)

    def is_open(self, at: int) -> bool:
        """Whether the shop is open at `at`, in seconds since 1970 on its own wall clock."""
        day, second = divmod(at, _DAY)
        yesterday = self.week[(day + 2) % 7]  # 1 January 1970 was a Thursday
        return any(start <= second < end for start, end in self.week[(day + 3) % 7]) or any(
            second < end - _DAY for _start, end in yesterday
        )


@dataclass(eq=False, slots=True)
class Machine:
    """One terminal in use. `model` and `connection` decide which questions can apply."""

    id: int
    shop: Shop
    model: TerminalModel
    connection: str
    attributes: str
    sticker: str


@dataclass(frozen=True)
class Estate:
    """Everything that tickets are about."""

    crews: tuple[Crew, ...]
    machines: tuple[Machine, ...]


@lru_cache(maxsize=100_000)
def actor_cells(actor: Actor) -> tuple[str, str, str]:
    """User id, name and role, as cells of an event."""
    return number(actor.user_id), words(actor.name), str(actor.role or "")


class People:
    """Writes the standing rows of one plan and remembers what the history needs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = plan.chance("people")
        self.created = stamp(plan.until - 400 * _DAY)
        self.users = Sheet(
            User,
            "id ref email name language theme has_shortcuts has_alert_mails is_operator "
            "is_active created_at password last_login",
        )
        self.providers = Sheet(
            Provider,
            "id slug name name_en hotline time_zone is_active created_at",
        )
        self.teams = Sheet(Team, "id provider_id ref name name_en")
        self.seats = Sheet(Seat, "id provider_id user_id role is_active created_at")
        self.seat_teams = Sheet(Seat.teams.through, "seat_id team_id")
        self.merchants = Sheet(Merchant, "id provider_id ref number name fee_class created_at")
        self.stores = Sheet(
            Store,
            "id provider_id merchant_id ref name address area city_tier time_zone opening_hours",
        )
        self.contacts = Sheet(
            Contact,
            "provider_id merchant_id store_id ref name phone email language is_primary",
        )
        self.members = Sheet(Membership, "user_id merchant_id")
        self.terminals = Sheet(
            Terminal,
            "id provider_id store_id ref serial model_id firmware app_version connection "
            "sim_iccid sim_operator counter warranty_until installed_on state "
            "sticker_code stopped_at stopped_for created_at",
        )
        self.numbers = Sheet(TerminalNumber, "terminal_id kind number")
        self.events = Sheet(
            TerminalEvent,
            "provider_id terminal_id kind actor_user_id actor_name actor_role note data "
            "occurred_at",
        )
        self.user_codes = self._codes(User.objects.all(), 8)
        self.team_codes = self._codes(Team.objects.all(), 6)
        self.merchant_codes = self._codes(Merchant.objects.all(), 6)
        self.store_codes = self._codes(Store.objects.all(), 6)
        self.contact_codes = self._codes(Contact.objects.all(), 8)
        self.terminal_codes = self._codes(Terminal.objects.all(), 6)
        self.stickers = self._codes(Terminal.objects.all(), 8, "sticker_code", prefix=0)
        # The hash too is the same for the same seed; argon2 wants a salt of eight bytes or more.
        self.password = make_password(DEMO_PASSWORD, salt=f"demo{plan.seed:018d}")
        self.models = _models()
        self.machines: list[Machine] = []
        self.sequence: dict[str, int] = {}
        self.phones = self.chance.randrange(_PHONES)
        self.serials = 0
        self.english = self.chance.randrange(100)

    def _codes(
        self, rows: "QuerySet[Any]", length: int, column: str = "ref", *, prefix: int = 2
    ) -> Codes:
        taken = frozenset(code[prefix:] for code in rows.values_list(column, flat=True).iterator())
        return Codes(self.chance, length, taken=taken)

    def load(self) -> Estate:
        """Writes everybody and everything that stands, in one transaction."""
        plan = self.plan
        weights = PROVIDER_WEIGHTS[: plan.providers]
        crews = [self._crew(place) for place in PLACES["providers"][: plan.providers]]
        self._operator()
        shares = zip(
            crews, spread(plan.merchants, weights), spread(plan.terminals, weights), strict=True
        )
        for crew, merchants, terminals in shares:
            self._merchants(crew, merchants, terminals)
        flush(
            self.users, self.providers, self.teams, self.seats, self.seat_teams, self.merchants,
            self.stores, self.contacts, self.members, self.terminals, self.numbers, self.events,
        )  # fmt: skip
        return Estate(tuple(crews), tuple(self.machines))

    # --- Staff ---------------------------------------------------------------------------

    def _crew(self, place: dict[str, Any]) -> Crew:
        provider_id = self.providers.new_id()
        suffix = f"-{self.plan.generation + 1}" if self.plan.generation else ""
        slug = place["slug"] + suffix
        self.providers.add(
            str(provider_id), slug, words(place["name"]), words(place["name_en"]),
            place["hotline"], "Asia/Shanghai", TRUE, self.created,
        )  # fmt: skip
        teams = tuple((self.teams.new_id(), str(team["name"])) for team in PLACES["teams"])
        for (team_id, name), team in zip(teams, PLACES["teams"], strict=True):
            ref = f"G-{self.team_codes.next()}"
            self.teams.add(str(team_id), str(provider_id), ref, words(name), words(team["name_en"]))
        names = iter(place["people"])
        first, second, field_team = (team_id for team_id, _name in teams)

        def seat(role: Role, mailbox: str, *team_ids: int) -> Actor:
            return self._seat(provider_id, role, f"{mailbox}@{slug}.example", next(names), team_ids)

        return Crew(
            id=provider_id,
            place=place,
            slug=slug,
            administrator=seat(Role.ADMINISTRATOR, "admin"),
            supervisor=seat(Role.SUPERVISOR, "supervisor", first, second),
            desk=(
                seat(Role.DESK, "desk1", first),
                seat(Role.DESK, "desk2", first),
                seat(Role.DESK, "desk3", second),
                seat(Role.DESK, "desk4", first, second),
            ),
            engineers=(
                seat(Role.FIELD, "field1", field_team),
                seat(Role.FIELD, "field2", field_team),
            ),
            teams=teams,
        )

    def _seat(
        self, provider_id: int, role: Role, email: str, name: str, team_ids: tuple[int, ...]
    ) -> Actor:
        user_id = self._user(email, name)
        seat_id = self.seats.new_id()
        self.seats.add(str(seat_id), str(provider_id), str(user_id), role.value, TRUE, self.created)
        for team_id in team_ids:
            self.seat_teams.add(str(seat_id), str(team_id))
        return Actor(role=role, provider_id=provider_id, user_id=user_id, name=name)

    def _user(
        self, email: str, name: str, *, language: str = "zh-hans", is_operator: bool = False
    ) -> int:
        user_id = self.users.new_id()
        ref = f"U-{self.user_codes.next()}"
        self.users.add(
            str(user_id), ref, plain(email), words(name), language, "", TRUE,
            TRUE, TRUE if is_operator else FALSE, TRUE, self.created, plain(self.password), NULL,
        )  # fmt: skip
        return user_id

    def _operator(self) -> None:
        if not User.objects.filter(email=OPERATOR_EMAIL).exists():
            self._user(OPERATOR_EMAIL, "平台运营", is_operator=True)

    # --- Merchants -----------------------------------------------------------------------

    def _merchants(self, crew: Crew, merchants: int, terminals: int) -> None:
        """Each merchant has a shop, each shop a terminal; what is left over goes around."""
        idle = max(1, terminals // 20) if terminals - merchants > 4 else 0
        in_use = terminals - idle
        shops: list[Shop] = []
        extra = max(0, min(int(merchants * 0.3), in_use - merchants))
        for position in range(merchants):
            branches = 2 if position < extra else 1
            shops += self._merchant(crew, position, branches)
        self.chance.shuffle(shops)
        for position in range(in_use):
            shop = shops[position] if position < len(shops) else self.chance.choice(shops)
            self._machine(shop)
        for position in range(idle):
            self._idle_machine(crew, position)

    def _merchant(self, crew: Crew, position: int, branches: int) -> list[Shop]:
        chance = self.chance
        # By quota, not by chance: a small estate has both languages too.
        share = crew.place["english"]
        english = int((position + 1) * share + 0.35) > int(position * share + 0.35)
        city = chance.choices(crew.place["cities"], [6, 2, 1, 1][: len(crew.place["cities"])])[0]
        if english:
            shops = PLACES["english_shops"]
            self.english = self.english + 1
            entry = shops[self.english % len(shops)]
            name = entry["name"]
        else:
            entry = chance.choice(PLACES["shop_kinds"])
            name = chance.choice(PLACES["shop_names"]) + entry["kind"]
        merchant_id = self.merchants.new_id()
        self.merchants.add(
            str(merchant_id), str(crew.id), f"M-{self.merchant_codes.next()}",
            self._merchant_number(city["code"], entry["mcc"]), words(name),
            "preferential" if entry["mcc"] == "5411" else "standard", self.created,
        )  # fmt: skip
        person = self._person(english=english)
        language = "en" if english else "zh-hans"
        member = None
        if position < MERCHANT_USERS:
            email = f"merchant{position + 1}@{crew.slug}-shops.example"
            user_id = self._user(email, person, language=language)
            self.members.add(str(user_id), str(merchant_id))
            member = Actor(role=Role.MERCHANT, user_id=user_id, name=person)
        return [
            self._shop(crew, merchant_id, name, city, entry["hours"], person, member, branch)
            for branch in range(branches)
        ]

    def _merchant_number(self, region: str, mcc: str) -> str:
        """15 digits: acquirer, region, trade, counter (ISO 8583 field 42); 990 is no acquirer's.

        Numbers that the card guard would mask are passed over: they have a card's check digit.
        """
        base = f"99{self.plan.generation % 10}{region}{mcc}"
        while True:
            count = self.sequence.get(base, 0) + 1
            self.sequence[base] = count
            if count > 9999:
                raise ValueError(f"no more merchant numbers for {base}")
            full = f"{base}{count:04d}"
            if scrub(full) == full:
                return full

    def _person(self, *, english: bool) -> str:
        if english:
            return str(self.chance.choice(PLACES["english_people"]))
        return str(self.chance.choice(PLACES["surnames"]) + self.chance.choice(PLACES["given"]))

    def _phone(self) -> str:
        """199-000x-xxxx: a row of numbers kept for the demo, a new one for each contact."""
        self.phones += 1
        return f"199000{self.phones % _PHONES:05d}"

    def _shop(
        self,
        crew: Crew,
        merchant_id: int,
        name: str,
        city: dict[str, Any],
        hours: str,
        person: str,
        member: Actor | None,
        branch: int,
    ) -> Shop:
        chance = self.chance
        english = name.isascii()
        district = chance.choice(sorted(city["districts"]))
        street = chance.choice(city["districts"][district])
        weekly = _weekly(hours)
        store_id = self.stores.new_id()
        label = street if branch or not english else "Main shop"
        title = f"{name} ({label})" if english else f"{name}（{street}店）"
        self.stores.add(
            str(store_id), str(crew.id), str(merchant_id), f"S-{self.store_codes.next()}",
            words(title), words(f"{city['name']}市{district}{street}{chance.randrange(1, 288)}号"),
            words(f"{city['name']}{district}"), city["tier"], "Asia/Shanghai", document(weekly),
        )  # fmt: skip
        caller = person if not branch or chance.random() < 0.5 else self._person(english=english)
        phone = self._phone()
        language = "en" if english else "zh-hans"
        self.contacts.add(
            str(crew.id), str(merchant_id), str(store_id), f"C-{self.contact_codes.next()}",
            words(caller), phone, "", language, TRUE,
        )  # fmt: skip
        return Shop(
            crew=crew, merchant_id=merchant_id, store_id=store_id, language=language,
            week=_seconds(weekly), contact_name=caller, contact_phone=phone, member=member,
        )  # fmt: skip

    # --- Terminals -----------------------------------------------------------------------

    def _machine(self, shop: Shop) -> None:
        model, connection, terminal_id, sticker = self._terminal(
            shop.crew, "active", shop=shop, position=len(shop.machines)
        )
        machine = Machine(
            id=terminal_id, shop=shop, model=model, connection=connection, sticker=sticker,
            attributes=document(attributes_of(Terminal(model=model, connection=connection))),
        )  # fmt: skip
        shop.machines.append(machine)
        self.machines.append(machine)

    def _idle_machine(self, crew: Crew, position: int) -> None:
        state = ("in_stock", "in_stock", "in_repair", "retired")[position % 4]
        self._terminal(crew, state)

    def _terminal(
        self, crew: Crew, state: str, *, shop: Shop | None = None, position: int = 0
    ) -> tuple[TerminalModel, str, int, str]:
        chance = self.chance
        model, pattern = self.models.draw(chance)
        connection = _connection(chance, model.connections)
        terminal_id = self.terminals.new_id()
        sticker = self.stickers.next()
        self.serials += 1
        installed = self.plan.until - chance.randrange(370, 1400) * _DAY
        counters = PLACES["counters"]["en" if shop and shop.language == "en" else "zh"]
        sim = chance.choice(PLACES["sim_operators"]) if connection == "cellular" else ""
        minor, patch = chance.randrange(1, 9), chance.randrange(0, 30)
        self.terminals.add(
            str(terminal_id), str(crew.id), number(shop.store_id if shop else None),
            f"P-{self.terminal_codes.next()}", self._serial(pattern), str(model.pk),
            f"{minor}.{patch:02d}", f"3.{minor}.{patch}", connection, "", sim,
            words(counters[position % len(counters)] if shop else ""),
            stamp(installed + 3 * 365 * _DAY)[:10], stamp(installed)[:10], state, sticker,
            NULL, "", self.created,
        )  # fmt: skip
        self.numbers.add(str(terminal_id), "card", f"{10_500_000 + self.serials:08d}")
        if model.features.get("camera"):
            self.numbers.add(str(terminal_id), "qr", f"Q{self.serials:07d}")
        return model, connection, terminal_id, sticker

    def _serial(self, pattern: str) -> str:
        """In the maker's manner. The step has no factor in common with ten: no number twice."""
        digits = pattern.count("X")
        counter = iter(f"{(self.serials * 7919 + 104_729) % 10**digits:0{digits}d}")
        return "".join(next(counter) if sign == "X" else sign for sign in pattern)


def _models() -> "Weighted[tuple[TerminalModel, str]]":
    """The makes of this estate that the catalogue knows. Raises LookupError where none is."""
    known = {model.slug: model for model in TerminalModel.objects.all()}
    entries = [entry for entry in PLACES["models"] if entry["slug"] in known]
    if not entries:
        raise LookupError("no terminal model of the demo estate is in the catalogue")
    return Weighted(
        [(known[entry["slug"]], str(entry["serial"])) for entry in entries],
        [float(entry["weight"]) for entry in entries],
    )


def _connection(chance: random.Random, available: list[str]) -> str:
    weights = PLACES["connection_weights"]
    names = [name for name in available if name in weights]
    return chance.choices(names, [weights[name] for name in names])[0] if names else ""


@lru_cache
def _weekly(kind: str) -> dict[str, list[list[str]]]:
    days = DAYS[:-1] if kind in PLACES["closed_on_sunday"] else DAYS
    return dict.fromkeys(days, PLACES["hours"][kind])


def _seconds(weekly: dict[str, list[list[str]]]) -> Week:
    """Opening times in seconds after local midnight, Monday first."""
    return tuple(
        tuple((minutes(start) * 60, minutes(end) * 60) for start, end in weekly.get(day, []))
        for day in DAYS
    )
