"""How tickets go: the courses that lead to an end, and the ones that are still open."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from posdoctor.accounts.actor import Actor
from tickets.estate import phrases
from tickets.estate.promises import ROUND_THE_CLOCK
from tickets.estate.seeded import Weighted
from tickets.estate.stories import Ending, Story
from tickets.lifecycle import Certainty, FixedBy, Priority, Proof, WaitFor
from tickets.sla.defaults import BUDGETS
from tickets.sla.models import Promise

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
ZONE = 8 * _HOUR  # Asia/Shanghai, without summer time
_DESK_OPENS, _DESK_CLOSES = 8 * _HOUR, 22 * _HOUR
_SILENCE = 72 * _HOUR
# No step takes more of what is left until the newest moment of the data, so that every course
# ends before it.
_MOST_OF_ROOM = 6
# Of the time that was promised for the first answer, what the desk needs on an ordinary day: to
# take a ticket up, and to answer then.
_TO_TAKE_UP, _TO_ANSWER = 0.24, 0.12

FIRST_MINUTES = {
    priority: budget.total_seconds() / 60
    for priority, budget in BUDGETS[Promise.FIRST_RESPONSE].items()
}

# Until an engineer is there, and until a supplier answers, in minutes.
_WAY = {Priority.URGENT: 95, Priority.HIGH: 280, Priority.NORMAL: 800, Priority.LOW: 1300}
_SUPPLY = {Priority.URGENT: 105, Priority.HIGH: 310, Priority.NORMAL: 2300, Priority.LOW: 4200}

_VISITED = {FixedBy.FIELD, FixedBy.DEPOT}
_SUPPLIED = {FixedBy.ACQUIRER, FixedBy.NETWORK_PROVIDER, FixedBy.MAKER}
_BY_ACTOR: dict[str, Weighted[FixedBy]] = {
    "merchant": Weighted([FixedBy.MERCHANT, FixedBy.DESK, FixedBy.ITSELF], [60, 30, 10]),
    "desk": Weighted([FixedBy.DESK, FixedBy.MERCHANT, FixedBy.MAKER], [84, 10, 6]),
    "field": Weighted([FixedBy.FIELD], [1]),
    "depot": Weighted([FixedBy.DEPOT], [1]),
    "security": Weighted([FixedBy.DEPOT], [1]),
    "acquirer": Weighted([FixedBy.ACQUIRER], [1]),
    "network_provider": Weighted([FixedBy.NETWORK_PROVIDER], [1]),
}


@dataclass(eq=False)
class Scene:
    """A story on its way, with who works on it. `now` only moves forward."""

    story: Story
    chance: random.Random
    desk: Actor
    engineer: Actor
    now: int
    until: int
    # Above one in weeks in which the desk falls behind.
    pace: float = 1.0

    @property
    def language(self) -> str:
        """What merchant and desk write in."""
        return self.story.language

    def said(self, kind: str, **blanks: str) -> str:
        """A sentence about this story's topic."""
        story = self.story
        return phrases.said(self.chance, kind, self.language, story.topic, story.cause, **blanks)

    def noted(self) -> str:
        """An internal note about this story's cause."""
        return phrases.note(self.chance, self.story.topic, self.story.cause)

    def after(self, minutes: float, *, at_desk: bool = True) -> int:
        """Moves on by about so many minutes; at the desk, into its hours.

        Urgent and high ones are worked on at night too. Never reaches `until`.
        """
        if at_desk:
            minutes *= self.pace
        drawn = int(min(minutes * self.chance.lognormvariate(0, 0.6), minutes * 6) * _MINUTE) + 20
        room = self.until - self.now
        self.now += min(drawn, room // _MOST_OF_ROOM)
        if at_desk and self.story.priority not in ROUND_THE_CLOCK:
            later = _desk_time(self.now, self.chance)
            # Who has little time left works on in the evening.
            if later - self.now < room // 3:
                self.now = later
        return self.now

    def likely(self, probability: float) -> bool:
        """True with that probability."""
        return self.chance.random() < probability


def is_staffed(at: int) -> bool:
    """Whether somebody at the desk answers the phone."""
    return _DESK_OPENS <= (at + ZONE) % _DAY < _DESK_CLOSES


def _desk_time(at: int, chance: random.Random) -> int:
    """The same moment in the desk's hours, else soon after it opens next."""
    if is_staffed(at):
        return at
    day, second = divmod(at + ZONE, _DAY)
    day += second >= _DESK_CLOSES
    return day * _DAY - ZONE + _DESK_OPENS + chance.randrange(60, 40 * _MINUTE)


# --- To an end ---------------------------------------------------------------------------


def fixed_by(chance: random.Random, actor: str) -> FixedBy:
    """Who ends a fault that `actor` (of the flow's fault) can mend."""
    return _BY_ACTOR.get(actor, _BY_ACTOR["desk"]).draw(chance)


def finished(scene: Scene, ending: Ending, *, is_taken_up: bool = False) -> None:
    """The common course: taken up, talked over, mended by whoever can, confirmed or silent."""
    if not is_taken_up:
        take_up(scene)
    if ending.fixed_by in _VISITED:
        _visit(scene)
    elif ending.fixed_by in _SUPPLIED:
        _supplier(scene, ending.fixed_by)
    else:
        _talk(scene)
    _resolve(scene, ending)
    if scene.until - scene.now > _DAY and scene.likely(0.05):
        _come_back(scene, ending)
    _close(scene)


def cancelled(scene: Scene) -> None:
    """It works again, or was filed twice."""
    story = scene.story
    if scene.likely(0.5):
        take_up(scene)
    actor = scene.desk if scene.likely(0.7) else story.merchant
    reason = phrases.reason(scene.chance, "cancel_reasons", scene.language)
    story.cancel(actor, reason, scene.after(40))


def merged(scene: Scene, double: Story) -> None:
    """A second report of the same fault is filed before the desk takes the first one up."""
    scene.now = max(scene.now, double.at)
    take_up(scene)
    double.merge_into(scene.story, scene.desk, scene.after(3))
    scene.now = max(scene.now, scene.story.at)


def take_up(scene: Scene) -> None:
    """The desk takes the ticket and answers for the first time."""
    story, desk, chance = scene.story, scene.desk, scene.chance
    promised = FIRST_MINUTES[Priority(story.priority)]
    team: tuple[int, str] | None = None
    if scene.likely(0.25):
        team = chance.choices(story.machine.shop.crew.teams[:2], [3, 1])[0]
        story.assign(desk, None, team, scene.after(promised * 0.06))
    if story.attention_at and scene.likely(0.08):
        story.add_words(scene.said("chasers"), scene.after(promised * 0.3, at_desk=False))
    story.assign(desk, desk, team, scene.after(promised * _TO_TAKE_UP))
    story.reply(desk, scene.said("replies"), scene.after(promised * _TO_ANSWER))
    if scene.likely(0.06) and story.priority != Priority.URGENT:
        reason = phrases.reason(chance, "priority_reasons")
        story.set_priority(desk, Priority.URGENT, reason, scene.after(3))


def _talk(scene: Scene) -> None:
    story, desk = scene.story, scene.desk
    if scene.likely(0.4):
        story.note(desk, scene.noted(), scene.after(6))
    if scene.likely(0.35):
        story.reply(desk, scene.said("questions"), scene.after(10))
        story.wait(desk, WaitFor.MERCHANT, scene.now)
        story.add_words(scene.said("answers"), scene.after(45, at_desk=False))
        story.reply(desk, scene.said("replies"), scene.after(10))
    elif scene.likely(0.3):
        story.add_words(scene.said("answers"), scene.after(20, at_desk=False))


def _supplier(scene: Scene, who: str) -> None:
    story, desk = scene.story, scene.desk
    wait_for = WaitFor(who)
    if scene.likely(0.6):
        story.note(desk, scene.noted(), scene.after(10))
    told = phrases.waiting(scene.chance, wait_for, scene.language)
    story.reply(desk, told, scene.after(8))
    story.wait(desk, wait_for, scene.now)
    story.resume(desk, scene.after(_SUPPLY[Priority(story.priority)]))


def _visit(scene: Scene) -> None:
    story, desk, engineer = scene.story, scene.desk, scene.engineer
    if scene.likely(0.5):
        story.note(desk, scene.noted(), scene.after(6))
    way = _WAY[Priority(story.priority)]
    _book(scene)
    story.arrive(engineer, scene.after(way))
    if scene.likely(0.12):
        reason = phrases.reason(scene.chance, "left_reasons")
        story.leave(engineer, reason, scene.after(30))
        _book(scene)
        story.arrive(engineer, scene.after(way * 1.5))
    scene.desk = engineer


def _book(scene: Scene) -> None:
    told = scene.said("visits", engineer=scene.engineer.name)
    scene.story.reply(scene.desk, told, scene.after(10))
    scene.story.dispatch(scene.desk, scene.engineer, scene.after(2))


def _resolve(scene: Scene, ending: Ending) -> None:
    scene.story.resolve(scene.desk, ending, scene.after(25))


def _come_back(scene: Scene, ending: Ending) -> None:
    """It broke again before it was confirmed."""
    story = scene.story
    story.add_words(scene.said("still_broken"), scene.after(300, at_desk=False))
    story.reply(scene.desk, scene.said("replies"), scene.after(20))
    _resolve(scene, ending)


def _close(scene: Scene) -> None:
    story = scene.story
    if scene.likely(0.55):
        story.confirm(scene.after(90, at_desk=False))
        return
    assert story.resolved_at is not None
    silent = story.resolved_at + _SILENCE + scene.chance.randrange(1, 6)
    if silent <= scene.until:
        story.close_silent(silent)


# --- Still open --------------------------------------------------------------------------

Course = Callable[[Scene, Ending], None]


def _soon(scene: Scene, most: float = 35) -> int:
    """Moves on a little, by so many minutes at most, and never to `until`."""
    room = scene.until - scene.now
    scene.now += int(min(scene.chance.uniform(most / 10, most) * _MINUTE, room * 0.2))
    return scene.now


def _meanwhile(scene: Scene) -> int:
    """Moves on by a good part of the time that is left."""
    scene.now += int((scene.until - scene.now) * scene.chance.uniform(0.2, 0.7))
    return scene.now


def _begin(scene: Scene) -> None:
    """Taken up and answered, most in time; the supervisor gives some of them out."""
    story, desk = scene.story, scene.desk
    crew = story.machine.shop.crew
    promised = FIRST_MINUTES[Priority(story.priority)] * (2.5 if scene.likely(0.07) else 0.4)
    team = crew.teams[0] if scene.likely(0.4) else None
    by = crew.supervisor if scene.likely(0.3) else desk
    story.assign(by, desk, team, _soon(scene, promised))
    story.reply(desk, scene.said("replies"), _soon(scene, promised))


def _still_new(scene: Scene, _ending: Ending) -> None:
    if scene.likely(0.3):
        team = scene.story.machine.shop.crew.teams[0]
        scene.story.assign(scene.desk, None, team, _soon(scene))
    if scene.likely(0.25):
        scene.story.add_words(scene.said("chasers"), _soon(scene))


def _still_working(scene: Scene, _ending: Ending) -> None:
    _begin(scene)
    if scene.likely(0.5):
        scene.story.note(scene.desk, scene.noted(), _meanwhile(scene))
    if scene.likely(0.4):
        scene.story.add_words(scene.said("answers"), _meanwhile(scene))


def _given_to_team(scene: Scene, _ending: Ending) -> None:
    _begin(scene)
    team = scene.story.machine.shop.crew.teams[1]
    scene.story.note(scene.desk, scene.noted(), _soon(scene))
    scene.story.assign(scene.desk, None, team, _soon(scene))


def _waits_for_merchant(scene: Scene, _ending: Ending) -> None:
    _begin(scene)
    scene.story.reply(scene.desk, scene.said("questions"), _soon(scene))
    remind = scene.until + scene.chance.randrange(10, 60) * _HOUR
    scene.story.wait(scene.desk, WaitFor.MERCHANT, scene.now, remind)


def _waits_for_supplier(scene: Scene, ending: Ending) -> None:
    _begin(scene)
    supplied = ending.fixed_by if ending.fixed_by in _SUPPLIED else FixedBy.ACQUIRER
    wait_for = WaitFor(supplied)
    told = phrases.waiting(scene.chance, wait_for, scene.language)
    scene.story.reply(scene.desk, told, _soon(scene))
    remind = scene.until + scene.chance.randrange(10, 40) * _HOUR
    scene.story.wait(scene.desk, wait_for, scene.now, remind)


def _visit_booked(scene: Scene, _ending: Ending) -> None:
    _begin(scene)
    told = scene.said("visits", engineer=scene.engineer.name)
    scene.story.reply(scene.desk, told, _soon(scene))
    scene.story.dispatch(scene.desk, scene.engineer, _soon(scene))


def _on_site(scene: Scene, ending: Ending) -> None:
    _visit_booked(scene, ending)
    scene.story.arrive(scene.engineer, _meanwhile(scene))


def _to_confirm(scene: Scene, ending: Ending) -> None:
    _begin(scene)
    scene.story.resolve(scene.desk, ending, _soon(scene))


def _broken_again(scene: Scene, ending: Ending) -> None:
    _to_confirm(scene, ending)
    scene.story.add_words(scene.said("still_broken"), _soon(scene))


@dataclass(frozen=True)
class OpenCourse:
    """How an open ticket stands, and where its clock does.

    `due` is the minute, from the newest moment of the data on, at which `promise` falls due;
    the ticket is filed accordingly. Without it the ticket is at most `hours` old. Those that
    are `grave` cannot take payments: promised round the clock, they are due at night too.
    """

    name: str
    play: Course
    due: int | None = None
    hours: int = 0
    promise: str = Promise.RESTORE.value
    is_grave: bool = False
    is_stop: bool = False


_FIRST = Promise.FIRST_RESPONSE.value
# In this order around and around, for each provider: the first few already show every state
# and every group of the inbox, and each hour of the next four has something that falls due.
STILL_OPEN = (
    OpenCourse("new", _still_new, 6, promise=_FIRST, is_grave=True),
    OpenCourse("stopped", _still_new, -14, promise=_FIRST, is_stop=True),
    OpenCourse("working", _still_working, 20, is_grave=True),
    OpenCourse("to confirm", _to_confirm, hours=30),
    OpenCourse("waits for merchant", _waits_for_merchant, hours=40),
    OpenCourse("visit booked", _visit_booked, 52, is_grave=True),
    OpenCourse("working", _still_working, -40, is_grave=True),
    OpenCourse("on site", _on_site, 83, is_grave=True),
    OpenCourse("new", _still_new, 35, promise=_FIRST),
    OpenCourse("stopped, visit booked", _visit_booked, 142, is_stop=True),
    OpenCourse("given to a team", _given_to_team, 205, is_grave=True),
    OpenCourse("waits for supplier", _waits_for_supplier, 1300),
    OpenCourse("broken again", _broken_again, 160, is_grave=True),
    OpenCourse("working", _still_working, 400),
    OpenCourse("working", _still_working, 110, is_grave=True),
    OpenCourse("to confirm", _to_confirm, hours=20),
    OpenCourse("waits for merchant", _waits_for_merchant, hours=60),
    OpenCourse("new", _still_new, -20, promise=_FIRST),
    OpenCourse("working", _still_working, -150),
    OpenCourse("working", _still_working, 680),
)
# The courses of the next round fall due between those of the last.
ROUND_SHIFT = 17


def ending_of(
    chance: random.Random, cause: str, who: str, language: str, symptom: str, *, told_as: str = ""
) -> Ending:
    """A resolution by `who` (an actor of the flow); `told_as`: the note of another cause."""
    sure = chance.random() < 0.72
    by = fixed_by(chance, who)
    certainty = Certainty.SURE if sure else Certainty.GUESS
    note = phrases.resolution(told_as or cause, by, language, sure=sure)
    return Ending(cause, certainty, by, _proof(chance, by, symptom), note)


def _proof(chance: random.Random, by: FixedBy, symptom: str) -> Proof:
    if by in {FixedBy.MERCHANT, FixedBy.ITSELF} and chance.random() < 0.5:
        return Proof.TOLD
    if symptom == "cannot_print":
        return Proof.SLIP_TEXT
    if symptom in {"cannot_sign_in", "tamper_locked"} and chance.random() < 0.7:
        return Proof.SIGN_IN
    return Proof.TEST_SALE if symptom else Proof.TOLD
