"""Twelve months of runs and tickets about an estate, written day by day.

Memory stays bounded: stories are rows as soon as they are told, and rows leave in batches.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diagnostics.models import DiagnosisRun, DiagnosisStep
from posdoctor.accounts.actor import Actor, reporter
from terminals.lifecycle import TerminalState
from terminals.models import Terminal, TerminalEvent
from tickets.estate import phrases
from tickets.estate.people import (
    PROVIDER_WEIGHTS,
    Crew,
    Estate,
    Machine,
    Plan,
    Shop,
    actor_cells,
)
from tickets.estate.plots import (
    ROUND_SHIFT,
    STILL_OPEN,
    ZONE,
    OpenCourse,
    Scene,
    cancelled,
    ending_of,
    finished,
    is_staffed,
    merged,
)
from tickets.estate.promises import Book, Policy
from tickets.estate.rows import Sheet, document, flush, moment, number, stamp, words
from tickets.estate.seeded import Codes, Weighted, spread, token
from tickets.estate.stories import Desk, Ending, Story
from tickets.estate.walks import Walk, Walks
from tickets.lifecycle import Impact, first_priority
from tickets.models import Ticket

Report = Callable[[str], None]

_DAY, _HOUR = 86_400, 3600
DAYS = 365
# Of all walks, this share ends at the counter and never becomes a ticket.
SELF_SOLVED = 0.65
_ABANDONED = 0.05
_FLUSH_ROWS = 60_000
_SPIKE_SHARE = 0.015
_SPIKE_HOURS = 3
_WEEKDAY = (1.1, 1.0, 1.0, 1.0, 1.15, 1.2, 0.95)

# Nothing that has ended was filed later than this before the newest moment of the data, and no
# check without a ticket began later than that: both need time to end in.
_LATEST, _LATEST_WALK = 3 * _HOUR, 2 * _HOUR
# From when on, and for how much of a day, shops are open.
_MORNING, _OPEN = 9 / 24, 13 / 24
# Minutes after which the courses of open tickets begin anew within their hour.
_ROUND = 60
# In the weeks of an outage, and in some others, the desk falls behind.
_SLOW = 1.7
_SLOW_WEEKS = 4

# How often the fault stops all payments, some, or none.
_IMPACT: dict[str, tuple[int, int, int]] = {
    "cannot_sign_in": (75, 25, 0),
    "network_down": (55, 45, 0),
    "cannot_print": (5, 55, 40),
    "card_not_read": (15, 75, 10),
    "no_power": (80, 20, 0),
    "screen_keyboard": (40, 50, 10),
    "app_firmware": (45, 50, 5),
    "declines": (10, 80, 10),
    "tamper_locked": (85, 15, 0),
    "settlement_batch": (15, 35, 50),
}
_QUESTION = (0, 10, 90)
_GRAVE = 40


@dataclass(frozen=True)
class Spike:
    """Many shops of one provider with the same fault on one morning: an outage."""

    day: int
    crew: int
    symptom: str
    cause: str


SPIKES = (
    Spike(DAYS - 118, 0, "cannot_sign_in", "si_host_down"),
    Spike(DAYS - 37, 1, "network_down", "nw_operator_outage"),
)


@dataclass(frozen=True)
class Case:
    """What is wrong with whose terminal, and how the merchant's own check ended."""

    machine: Machine
    symptom: str
    topic: str
    cause: str
    walk: Walk | None

    @property
    def is_security(self) -> bool:
        """The check ended with the terminal out of use."""
        return self.walk is not None and self.walk.kind == "stop_use"


@dataclass(frozen=True)
class Gravity:
    """Impact as the merchant says it, and the priority that follows."""

    impact: str
    terminals_down: int
    priority: str


@dataclass(frozen=True)
class Pending:
    """A ticket that will still be open: what it is about, and when it is filed."""

    course: OpenCourse
    case: Case
    gravity: Gravity
    at: int


def open_count(tickets: int) -> int:
    """How many of so many tickets are still open: about fifty of the default estate."""
    return min(tickets, round(tickets * 0.3), 50 + max(0, tickets - 1200) // 2500)


class History:
    """Writes the history of one plan. `photographed` are the stories that get a photo."""

    def __init__(
        self, plan: Plan, estate: Estate, policies: Mapping[int, Policy], walks: Walks,
        report: Report,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.policies = policies
        self.estate = estate
        self.walks = walks
        self.report = report
        self.chance = plan.chance("history")
        self.desk = Desk(Book(policies, plan.until))
        self.runs = Sheet(
            DiagnosisRun,
            "id provider_id ref terminal_id flow_version_id attributes given order tree_key "
            "browser_key user_id via language screen_text state outcome started_at finished_at",
        )
        self.steps = Sheet(DiagnosisStep, "run_id position step_id answer_id answered_at")
        self.stops = Sheet(
            TerminalEvent,
            "provider_id terminal_id kind actor_user_id actor_name actor_role note data "
            "occurred_at",
        )
        taken = Ticket.objects.values_list("ref", flat=True).iterator()
        self.ticket_codes = Codes(self.chance, 6, taken=frozenset(ref[2:] for ref in taken))
        taken = DiagnosisRun.objects.values_list("ref", flat=True).iterator()
        self.run_codes = Codes(self.chance, 8, taken=frozenset(ref[2:] for ref in taken))
        # Some machines fail again and again, most hardly ever.
        weights = [self.chance.lognormvariate(0, 0.9) for _ in estate.machines]
        self.machines = Weighted(estate.machines, weights)
        self.reserved: set[int] = set()
        self.stopped: dict[int, tuple[int, str]] = {}
        self.photographed: list[Story] = []
        self.unfinished: list[Story] = []
        self.reported = 0
        self.owed = 0.0
        # Local midnight of the day that ends at `until` or soon after.
        self.first_day = (plan.until + ZONE - 1) // _DAY - DAYS + 1
        weeks = range(self.first_day // 7, (self.first_day + DAYS) // 7)
        self.slow_weeks = {*self.chance.sample(weeks, _SLOW_WEEKS)}
        self.slow_weeks |= {(self.first_day + spike.day) // 7 for spike in SPIKES}

    # --- The year ------------------------------------------------------------------------

    def load(self) -> None:
        """Writes everything: the year day by day, then what is still open."""
        still_open = open_count(self.plan.tickets)
        cast = self._cast(still_open)
        past = self.plan.tickets - still_open
        spikes = {spike.day: spike for spike in SPIKES if spike.crew < len(self.estate.crews)}
        in_spike = int(past * _SPIKE_SHARE) if past >= 100 else 0
        weights = [self._weight(day) for day in range(DAYS)]
        per_day = spread(past - in_spike * len(spikes), weights)
        for day, count in enumerate(per_day):
            self._day(day, count)
            if day in spikes:
                self._outage(spikes[day], in_spike)
            self._write(at_least=_FLUSH_ROWS)
        for pending in cast:
            self._open_ticket(pending)
        self._write()
        for terminal_id, (at, cause) in self.stopped.items():
            Terminal.objects.filter(pk=terminal_id).update(
                state=TerminalState.STOPPED, stopped_at=moment(at), stopped_for=cause
            )

    def _weight(self, day: int) -> float:
        """Busier at the weekend, and the estate grows a little over the year.

        The last day counts as far as it has come.
        """
        weekday = (self.first_day + day + 3) % 7  # 1 January 1970 was a Thursday
        passed = self.plan.until - _LATEST - ((self.first_day + day) * _DAY - ZONE)
        share = min(1.0, max(0.0, passed / _DAY - _MORNING) / _OPEN)
        return share * _WEEKDAY[weekday] * (0.8 + 0.4 * day / DAYS)

    def _cast(self, count: int) -> list[Pending]:
        """The open tickets of all providers, on different machines as far as there are."""
        cast: list[Pending] = []
        crews = self.estate.crews
        weights = PROVIDER_WEIGHTS[: len(crews)]
        for crew, share in zip(crews, spread(count, weights), strict=True):
            machines = [machine for machine in self.estate.machines if machine.shop.crew is crew]
            self.chance.shuffle(machines)
            free: list[Machine] = []
            for position in range(share):
                free = free or list(machines)
                cast.append(self._pending(position, free))
        chosen = {pending.case.machine.id for pending in cast}
        self.reserved = chosen if len(chosen) < len(self.estate.machines) // 2 else set()
        return cast

    def _pending(self, position: int, free: list[Machine]) -> Pending:
        """Takes a machine out of `free` whose shop is open when the ticket must be filed."""
        turn, place = divmod(position, len(STILL_OPEN))
        course = STILL_OPEN[place]
        found = None
        for tried in range(min(len(free), 25)):
            machine = free[-1 - tried]
            case = self._case_for(course, machine)
            gravity = self._gravity(case, is_grave=course.is_grave)
            at = self._filed_at(course, turn, machine.shop, gravity)
            if found is None or machine.shop.is_open(at + ZONE):
                found = Pending(course, case, gravity, at)
            if machine.shop.is_open(at + ZONE):
                break
        assert found is not None
        free.remove(found.case.machine)
        return found

    def _case_for(self, course: OpenCourse, machine: Machine) -> Case:
        """No stopped machine where the course knows of none; a grave case is a grave fault."""
        case = self._case(machine, is_stop=course.is_stop)
        for _try in range(60):
            is_fault = _IMPACT.get(case.topic, _QUESTION)[0] >= _GRAVE
            if case.is_security == course.is_stop and (is_fault or not course.is_grave):
                break
            case = self._case(machine, is_stop=course.is_stop)
        return case

    def _filed_at(self, course: OpenCourse, turn: int, shop: Shop, gravity: Gravity) -> int:
        """When a ticket of this course was filed, to stand where it stands now."""
        if course.due is None:
            return self._lately(shop, course.hours)
        # Around and around within what the course is for: overdue stays overdue.
        minutes = course.due + turn * ROUND_SHIFT % _ROUND * (1 if course.due > 0 else -1)
        policy = self.policies[shop.crew.id]
        due = self.plan.until + int((minutes + self.chance.uniform(-3, 3)) * 60)
        at = policy.opened_for(course.promise, gravity.priority, due, self.chance.random())
        return min(at, self.plan.until - int(self.chance.uniform(2, 6) * 60))

    @property
    def _sheets(self) -> tuple[Sheet, ...]:
        desk = self.desk
        book = desk.book
        return (
            self.runs, self.steps, desk.tickets, desk.events, desk.messages, self.stops,
            book.clocks, book.segments, book.alerts,
        )  # fmt: skip

    @property
    def tables(self) -> list[str]:
        """The tables that the history goes into."""
        return [sheet.table for sheet in self._sheets]

    def _write(self, *, at_least: int = 1) -> None:
        if sum(map(len, self._sheets)) < at_least:
            return
        flush(*self._sheets)
        told = self.desk.tickets.written
        if told - self.reported >= self.plan.tickets // 20 or told == self.plan.tickets:
            self.reported = told
            rows = sum(sheet.written for sheet in self._sheets)
            self.report(f"{told:,} of {self.plan.tickets:,} tickets, {rows:,} rows")

    def _day(self, day: int, count: int) -> None:
        """Tickets and the walks that needed none, spread over the day."""
        left = count
        while left > 0:
            left -= self._past_ticket(day, left)
        self.owed += count * SELF_SOLVED / (1 - SELF_SOLVED)
        while self.owed >= 1:
            self.owed -= 1
            self._walk_without_ticket(day)

    # --- Who and when --------------------------------------------------------------------

    def _somebody(self, day: int, latest: int) -> tuple[Machine, int]:
        """A machine and a moment of this day in its shop's opening hours.

        What would be after `latest` is at the same hour of the day before.
        """
        while True:
            machine = self.machines.draw(self.chance)
            if machine.id in self.reserved and day >= DAYS - 6:
                continue
            at = self._moment(machine.shop, day)
            if at is not None:
                return machine, at if at <= latest else at - _DAY

    def _moment(self, shop: Shop, day: int) -> int | None:
        intervals = shop.week[(self.first_day + day + 3) % 7]
        if not intervals:
            return None
        start, end = self.chance.choice(intervals)
        # Much is noticed when the shop opens.
        second = start + int((end - start) * self.chance.random() ** 1.3)
        return (self.first_day + day) * _DAY - ZONE + second

    # --- Runs ----------------------------------------------------------------------------

    def _walk_without_ticket(self, day: int) -> None:
        latest = self.plan.until - _LATEST_WALK
        machine, at = self._somebody(day, latest)
        walk = None
        while walk is None:
            symptom = self.walks.symptom_for(machine, self.chance)
            walk = self.walks.draw(machine, symptom, "solved", self.chance)
        at = min(at, self.plan.until - walk.seconds - 1)
        left_off = len(walk.steps) > 1 and self.chance.random() < _ABANDONED
        self._run(machine, walk, at, upto=len(walk.steps) - 1 if left_off else None)

    def _run(
        self, machine: Machine, walk: Walk | None, started: int, *, upto: int | None = None,
        by: Actor | None = None,
    ) -> tuple[int, str, str]:  # fmt: skip
        """Writes a run and its steps; `upto` cuts an abandoned one off. Gives id, ref, state."""
        chance, shop = self.chance, machine.shop
        run_id, ref = self.runs.new_id(), f"D-{self.run_codes.next()}"
        state = "direct" if walk is None else walk.kind if upto is None else "running"
        finished_at = started + (walk.seconds if walk else 0) if upto is None else None
        screen = ""
        if walk and chance.random() < 0.3:
            screen = phrases.said(chance, "screens", shop.language, walk.symptom)
        self.runs.add(
            str(run_id), str(shop.crew.id), ref, str(machine.id),
            number(walk.version_id if walk else None), machine.attributes, "[]", "expected", "",
            "" if by else f"{chance.getrandbits(256):064x}", number(by.user_id if by else None),
            by.via if by else "link", shop.language, words(screen), state,
            walk.outcome if walk and upto is None else "{}", stamp(started), stamp(finished_at),
        )  # fmt: skip
        for position, step_id, answer_id, seconds in (walk.steps if walk else ())[:upto]:
            self.steps.add(str(run_id), position, step_id, answer_id, stamp(started + seconds))
        return run_id, ref, state

    # --- Cases ---------------------------------------------------------------------------

    def _case(self, machine: Machine, *, is_stop: bool = False) -> Case:
        """What is wrong with this machine; a fifth of the dangerous-looking ones is a question."""
        chance = self.chance
        if not is_stop and chance.random() < 0.09:
            return self._unchecked(machine)
        while True:
            symptom = self.walks.symptom_for(machine, chance)
            if is_stop or chance.random() < 0.12:
                walk = self.walks.draw(machine, symptom, "stop_use", chance)
            else:
                walk = self.walks.draw(machine, symptom, "call", chance)
            if walk:
                return Case(machine, symptom, symptom, walk.cause, walk)

    def _unchecked(self, machine: Machine) -> Case:
        """Reported without a walk: a question mostly, else a fault in the merchant's words."""
        if self.chance.random() < 0.6:
            return Case(machine, "", "", "question", None)
        topic = self.walks.symptom_for(machine, self.chance)
        cause = self.chance.choice(self.walks.flow(topic).faults).id
        return Case(machine, "", topic, cause, None)

    def _ending(self, case: Case) -> Ending:
        fault = self.walks.fault(case.topic, case.cause)
        language = case.machine.shop.language
        # A ticket without a flow has no causes to choose from.
        cause = case.cause if case.symptom else "other"
        who = fault.actor if fault else "desk"
        return ending_of(self.chance, cause, who, language, case.topic, told_as=case.cause)

    # --- Tickets -------------------------------------------------------------------------

    def _past_ticket(self, day: int, left: int) -> int:
        """One ticket that came to its end, or a pair; says how many tickets it wrote."""
        machine, at = self._somebody(day, self.plan.until - _LATEST)
        case = self._case(machine)
        scene = self._filed(case, at)
        drawn = self.chance.random()
        if drawn < 0.04:
            cancelled(scene)
        elif drawn < 0.07 and left > 1:
            return self._twice(case, scene)
        else:
            finished(scene, self._ending(case))
            follows = drawn > 0.985 and left > 1 and day < DAYS - 60
            if follows and scene.story.closed_at is not None:
                return self._follow_up(case, scene)
        self._end(scene, case)
        return 1

    def _twice(self, case: Case, scene: Scene) -> int:
        """Filed once more a few minutes later, merged, and then the common course."""
        later = scene.now + self.chance.randrange(120, 1500)
        double = self._filed(Case(case.machine, "", case.topic, case.cause, None), later)
        merged(scene, double.story)
        double.story.finish(self.plan.until)
        finished(scene, self._ending(case), is_taken_up=True)
        self._end(scene, case)
        return 2

    def _follow_up(self, case: Case, scene: Scene) -> int:
        """The same fault again after more than thirty days: a linked new ticket."""
        first = scene.story
        assert first.closed_at is not None
        at = first.closed_at + self.chance.randrange(31 * _DAY, 40 * _DAY)
        second = self._story(case, None)
        second.previous, second.source = first, str(Ticket.Source.FOLLOW_UP)
        second.impact, second.priority = first.impact, first.priority
        second.terminals_down, second.is_security = first.terminals_down, first.is_security
        body = phrases.said(self.chance, "still_broken", second.language)
        second.report(second.merchant, body, at, previous=first.ref)
        second.title = first.title
        first.followed_up(second, at)
        again = self._scene(second, at)
        finished(again, self._ending(case))
        self._end(scene, case)
        second.finish(self.plan.until)
        return 2

    def _open_ticket(self, pending: Pending) -> None:
        """A ticket that is not done yet."""
        case = pending.case
        scene = self._filed(case, pending.at, pending.gravity)
        pending.course.play(scene, self._ending(case))
        story = scene.story
        if case.walk and case.is_security:
            self.stopped[case.machine.id] = (story.opened_at, case.walk.stopped_for)
        if story.language != "en" or len(self.photographed) < 3:
            self.photographed.append(story)
        story.finish(self.plan.until)
        self.unfinished.append(story)

    def _lately(self, shop: Shop, hours: int) -> int:
        """A moment of the last hours in which the shop was open, else any."""
        at = self.plan.until
        for _try in range(40):
            at = self.plan.until - int(self.chance.uniform(1, hours) * _HOUR)
            if shop.is_open(at + ZONE):
                break
        return at

    def _outage(self, spike: Spike, count: int) -> None:
        """Tickets of one morning with one cause, from different machines as far as there are."""
        crew = self.estate.crews[spike.crew]
        machines = [machine for machine in self.estate.machines if machine.shop.crew is crew]
        self.chance.shuffle(machines)
        start = (self.first_day + spike.day) * _DAY - ZONE + 10 * _HOUR
        for position in range(count):
            machine = machines[position % len(machines)]
            at = start + int(_SPIKE_HOURS * _HOUR * self.chance.random() ** 2)
            walk = self.walks.draw(machine, spike.symptom, "call", self.chance)
            case = Case(machine, spike.symptom, spike.symptom, spike.cause, walk)
            scene = self._filed(case, at)
            finished(scene, self._ending(case))
            self._end(scene, case)

    def _story(self, case: Case, run_id: int | None) -> Story:
        return Story(
            desk=self.desk, machine=case.machine, ref=f"T-{self.ticket_codes.next()}",
            track_token=token(self.chance), symptom=case.symptom,
            language=case.machine.shop.language, topic=case.topic, cause=case.cause, run_id=run_id,
        )  # fmt: skip

    def _scene(self, story: Story, at: int) -> Scene:
        crew: Crew = story.machine.shop.crew
        # The first person at the desk gets a fair share, so that "mine" is never empty.
        desk = self.chance.choices(crew.desk, [4, 3, 2, 2])[0]
        engineer = self.chance.choice(crew.engineers)
        week = (at + ZONE) // _DAY // 7
        return Scene(
            story=story, chance=self.chance, desk=desk, engineer=engineer, now=at,
            until=self.plan.until, pace=_SLOW if week in self.slow_weeks else 1.0,
        )  # fmt: skip

    def _filed(self, case: Case, at: int, gravity: Gravity | None = None) -> Scene:
        """The run, and the report of it a minute or two later."""
        chance, machine = self.chance, case.machine
        shop = machine.shop
        by_phone = is_staffed(at) and chance.random() < (0.12 if case.walk else 0.7)
        by = chance.choice(shop.crew.desk) if by_phone else None
        seconds = case.walk.seconds if case.walk else 0
        started = at - seconds - chance.randrange(30, 150)
        run_id, run_ref, state = self._run(machine, case.walk, started, by=by)
        story = self._story(case, run_id)
        story.source = str(Ticket.Source.PHONE if by_phone else Ticket.Source.STICKER)
        story.is_security = state == "stop_use"
        given = gravity or self._gravity(case)
        story.impact, story.terminals_down = given.impact, given.terminals_down
        story.priority = given.priority
        actor = by or reporter(provider_id=shop.crew.id)
        body = phrases.said(chance, "openers", story.language, case.topic, case.cause)
        story.report(actor, body, at, run=run_ref, state=state)
        if case.walk and story.is_security:
            self._stop(machine, case.walk, started + seconds, actor)
        return self._scene(story, at)

    def _gravity(self, case: Case, *, is_grave: bool = False) -> Gravity:
        """A machine that failed; a grave case stops all payments, whatever is usual."""
        weights = _IMPACT.get(case.topic, _QUESTION)
        impact = self.chance.choices([Impact.ALL, Impact.SOME, Impact.NONE], weights)[0]
        if is_grave:
            impact = Impact.ALL
        there = len(case.machine.shop.machines)
        is_everywhere = impact == Impact.ALL and self.chance.random() < 0.3
        down = there if is_everywhere else 1
        priority = first_priority(
            impact, terminals_down=down, terminals_at_store=there, is_security=case.is_security
        )
        return Gravity(str(impact), down, str(priority))

    # --- Terminals out of use ------------------------------------------------------------

    def _stop(self, machine: Machine, walk: Walk, at: int, actor: Actor) -> None:
        self._terminal_event(machine, "stopped", actor, "", walk.stopped_for, at)

    def _end(self, scene: Scene, case: Case) -> None:
        """The story's row, and the release of a terminal that was stopped for it."""
        story = scene.story
        story.finish(self.plan.until)
        if story.is_security and case.walk:
            reason = phrases.reason(self.chance, "release_reasons")
            supervisor = case.machine.shop.crew.supervisor
            at = story.resolved_at or story.at
            self._terminal_event(
                case.machine, "released", supervisor, reason, case.walk.stopped_for, at
            )

    def _terminal_event(
        self, machine: Machine, kind: str, actor: Actor, note: str, cause: str, at: int
    ) -> None:
        self.stops.add(
            str(machine.shop.crew.id), str(machine.id), kind, *actor_cells(actor),
            words(note), document({"cause": cause}), stamp(at),
        )  # fmt: skip
