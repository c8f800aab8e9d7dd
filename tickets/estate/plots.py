"""How tickets go: the courses that lead to an end, and the ones that are still open."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from posdoctor.accounts.actor import Actor
from tickets.estate import phrases
from tickets.estate.seeded import Weighted
from tickets.estate.stories import Ending, Story
from tickets.lifecycle import Certainty, FixedBy, Priority, Proof, WaitFor

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
ZONE = 8 * _HOUR  # Asia/Shanghai, without summer time
_DESK_OPENS, _DESK_CLOSES = 8 * _HOUR, 22 * _HOUR
_SILENCE = 72 * _HOUR
# A course takes nine days at most; one that is reopened, sixteen.
LONGEST = 9 * _DAY
REOPENS_BEFORE = 16 * _DAY

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
    # A short course for the last days: it must end before `until`.
    is_quick: bool = False

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
        """Moves on by about so many minutes; at the desk, into its hours."""
        longest = 20 if self.is_quick else minutes * 6
        drawn = minutes * self.chance.lognormvariate(0, 0.6)
        self.now += int(min(drawn, longest) * _MINUTE) + 20
        if at_desk and not self.is_quick:
            self.now = _desk_time(self.now, self.chance)
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
    if ending.fixed_by in _VISITED and not scene.is_quick:
        _visit(scene)
    elif ending.fixed_by in _SUPPLIED:
        _supplier(scene, ending.fixed_by)
    else:
        _talk(scene)
    _resolve(scene, ending)
    opened_long_ago = scene.story.opened_at < scene.until - REOPENS_BEFORE
    if opened_long_ago and scene.likely(0.05):
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
    team: tuple[int, str] | None = None
    if scene.likely(0.25):
        team = chance.choices(story.machine.shop.crew.teams[:2], [3, 1])[0]
        story.assign(desk, None, team, scene.after(4))
    if story.attention_at and scene.likely(0.08) and not scene.is_quick:
        story.add_words(scene.said("chasers"), scene.after(15, at_desk=False))
    minutes = {Priority.URGENT: 6, Priority.HIGH: 12, Priority.NORMAL: 25}.get(
        Priority(story.priority), 60
    )
    story.assign(desk, desk, team, scene.after(minutes))
    if scene.likely(0.06) and story.priority != Priority.URGENT:
        reason = phrases.reason(chance, "priority_reasons")
        story.set_priority(desk, Priority.URGENT, reason, scene.after(3))
    story.reply(desk, scene.said("replies"), scene.after(5))


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
    story.resume(desk, scene.after(150))


def _visit(scene: Scene) -> None:
    story, desk, engineer = scene.story, scene.desk, scene.engineer
    if scene.likely(0.5):
        story.note(desk, scene.noted(), scene.after(6))
    _book(scene)
    story.arrive(engineer, scene.after(150))
    if scene.likely(0.12):
        reason = phrases.reason(scene.chance, "left_reasons")
        story.leave(engineer, reason, scene.after(30))
        _book(scene)
        story.arrive(engineer, scene.after(240))
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
    if scene.is_quick or scene.likely(0.55):
        story.confirm(scene.after(90, at_desk=False))
        return
    assert story.resolved_at is not None
    silent = story.resolved_at + _SILENCE + scene.chance.randrange(1, 6)
    if silent <= scene.until:
        story.close_silent(silent)


# --- Still open --------------------------------------------------------------------------

Course = Callable[[Scene, Ending], None]


def _soon(scene: Scene) -> int:
    """Moves on a little, and never to `until`."""
    room = scene.until - scene.now
    scene.now += int(min(scene.chance.uniform(3, 35) * _MINUTE, room * 0.2))
    return scene.now


def _begin(scene: Scene) -> None:
    story, desk = scene.story, scene.desk
    team = story.machine.shop.crew.teams[0]
    if scene.likely(0.4):
        story.assign(desk, desk, team, _soon(scene))
    else:
        story.assign(desk, desk, None, _soon(scene))
    story.reply(desk, scene.said("replies"), _soon(scene))


def _still_new(scene: Scene, _ending: Ending) -> None:
    if scene.likely(0.3):
        team = scene.story.machine.shop.crew.teams[0]
        scene.story.assign(scene.desk, None, team, _soon(scene))
    if scene.likely(0.25):
        scene.story.add_words(scene.said("chasers"), _soon(scene))


def _still_working(scene: Scene, _ending: Ending) -> None:
    _begin(scene)
    if scene.likely(0.5):
        scene.story.note(scene.desk, scene.noted(), _soon(scene))
    if scene.likely(0.4):
        scene.story.add_words(scene.said("answers"), _soon(scene))


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
    scene.story.arrive(scene.engineer, _soon(scene))


def _to_confirm(scene: Scene, ending: Ending) -> None:
    _begin(scene)
    scene.story.resolve(scene.desk, ending, _soon(scene))


def _broken_again(scene: Scene, ending: Ending) -> None:
    _to_confirm(scene, ending)
    scene.story.add_words(scene.said("still_broken"), _soon(scene))


@dataclass(frozen=True)
class OpenCourse:
    """How an open ticket stands, and how long ago (hours) it was filed at most."""

    name: str
    play: Course
    hours: int
    is_stop: bool = False


# In this order around and around: the first few already show every state.
STILL_OPEN = (
    OpenCourse("new", _still_new, 14),
    OpenCourse("stopped", _still_new, 14, is_stop=True),
    OpenCourse("working", _still_working, 30),
    OpenCourse("to confirm", _to_confirm, 30),
    OpenCourse("waits for merchant", _waits_for_merchant, 70),
    OpenCourse("visit booked", _visit_booked, 48),
    OpenCourse("waits for supplier", _waits_for_supplier, 70),
    OpenCourse("on site", _on_site, 20),
    OpenCourse("new", _still_new, 14),
    OpenCourse("working", _still_working, 48),
    OpenCourse("stopped, visit booked", _visit_booked, 30, is_stop=True),
    OpenCourse("working", _still_working, 20),
    OpenCourse("broken again", _broken_again, 48),
    OpenCourse("new", _still_new, 10),
    OpenCourse("working", _still_working, 20),
    OpenCourse("to confirm", _to_confirm, 40),
    OpenCourse("waits for merchant", _waits_for_merchant, 40),
    OpenCourse("new", _still_new, 8),
    OpenCourse("working", _still_working, 30),
    OpenCourse("new", _still_new, 12),
)


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
