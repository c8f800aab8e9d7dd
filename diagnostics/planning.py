"""What to do next at the least expected cost: pure numbers, no texts, no Django, deterministic.

One fault is present; steps are independent given the fault. Minutes are the only currency. The
rule is expectimin of a given depth over unnormalised weights, whose leaves are the best cut of
the greedy fix sequence (ECR, Heckerman, Breese and Rommelse, CACM 38(3), 1995): each round the
fix with the greatest chance per minute, handing over at the best point of that sequence. Why
not information gain, and what each depth costs, stands in docs/diagnosis.md.
"""

import dataclasses
import math
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import TypeAlias

# Weights w[f] = P(fault and everything that was seen); their sum is the chance to get here.
Weights = Sequence[float]
# A set of outcomes that were seen, a bit each: their order does not matter to the belief.
Key = int

UNSOLVED = "unsolved"
DEPTH = 2
# Whole trees look as deep as their size affords: (at most so many steps, depth).
COMPILED_DEPTHS = ((10, 6), (14, 4))
COMPILED_DEPTH = 3
# How many steps, the best by the shallow look, are looked into deeper. Six lost nothing against
# the full width on any model that was measured; three halve the time of a live step.
LIVE_BEAM, COMPILED_BEAM = 3, 6
# Positions looked at in one decision, never milliseconds: the same answers give the same step.
LIVE_BUDGET, COMPILED_BUDGET = 3_000, 60_000
MOST_STATES = 2_000
# Of one whole tree, at all: five times the largest that was met. Authors can write flows whose
# whole policy nobody lives to see.
MOST_GROWN = 8_000
# Of a whole tree: when so many positions were looked at, the rest of it looks no deeper than a
# live step.
TREE_BUDGET = 150_000
EPS = 1e-12
# An outcome that leaves less than this of every weight is not taken for one that says nothing:
# what is kept is divided by it.
LEAST_SHRINK = 1e-3
# Of what is told: the same on every way to a state.
PLACES = 6


@dataclass(frozen=True, slots=True)
class Branch:
    """One outcome of a step: P(label | fault) per fault; `ends`: the walk is handed over here."""

    label: str
    factors: tuple[float, ...]
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A step as numbers. A check has a branch per answer, "not sure" included.

    A fix has `cures`, P(solved | fault) per fault; solved ends the walk at no further cost.
    `unless`: pairs of (step, label) that make this one pointless.
    """

    id: str
    minutes: float
    branches: tuple[Branch, ...] = ()
    cures: tuple[float, ...] | None = None
    unless: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Exit:
    """A way to hand over, in minutes per fault."""

    id: str
    minutes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that the choice depends on. Order of `moves` breaks ties.

    `delta`: minutes that a question must save over the best that needs none.
    """

    prior: tuple[float, ...]
    moves: tuple[Move, ...]
    exits: tuple[Exit, ...]
    delta: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do: a step, or an exit. `minutes`: expected from here, by the look ahead.

    `options`: every step looked at with its expected minutes, best first; `without`: the
    expected minutes of going on without any more question.
    """

    step_id: str | None
    exit_id: str
    minutes: float
    without: float
    options: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a policy leads to from one state, per walk that gets there.

    `minutes`: with handing over; `steps`: of the steps alone; `calls`: share that is handed over.
    """

    minutes: float
    steps: float
    calls: float


@dataclass(slots=True)
class Tree:
    """A whole policy: what to do in every state that it leads to itself, and what comes of it.

    `prospects` are exact for this policy under the problem's numbers.
    """

    decisions: dict[Key, Decision] = field(default_factory=dict)
    prospects: dict[Key, Prospect] = field(default_factory=dict)
    start: Key = 0

    @property
    def minutes(self) -> float:
        """Expected minutes from the start."""
        return self.prospects[self.start].minutes

    @property
    def call_share(self) -> float:
        """Share of the walks that is handed over."""
        return self.prospects[self.start].calls


# What comes before the choice in a state: a step that must be done, handing over (""), or None.
Rule: TypeAlias = Callable[[Key, Weights], str | None]
# The step that comes right before the chosen one in a state, or None.
Before: TypeAlias = Callable[[Key, str], str | None]


class OutcomeError(KeyError):
    """The problem has no such step, or the step no such outcome."""


# Of one outcome of a step: its bit, its factors, whether it ends the walk, and what it shrinks
# every weight by where it says nothing, else 1.
_NumberedBranch: TypeAlias = tuple[Key, tuple[float, ...], bool, float]
# Of one fault that a fix cures: the fault, the chance, and the minutes of each varied exit.
_Cure: TypeAlias = tuple[int, float, tuple[float, ...]]
# A fix that waits for its turn: minus its chance per minute, its number, its chance, and whether
# doing another one changes that.
_Waiting: TypeAlias = tuple[float, int, float, bool]
# Fixes only from a state: cost, the first fix or -1, and the least that any fixes could cost.
_Plan: TypeAlias = tuple[float, int, float]


@dataclass(frozen=True, slots=True)
class _NumberedMove:
    """A move as numbers. `blocked`: the bits that use it up or make it pointless.

    A fix has one branch, its failure. `likely_first`: the branches, those that need no work before
    the likelier ones. `counted`: the bits of those that go on.
    """

    index: int
    minutes: float
    blocked: Key
    branches: tuple[_NumberedBranch, ...]
    likely_first: tuple[_NumberedBranch, ...]
    counted: tuple[Key, ...]
    cures: tuple[_Cure, ...]
    is_fix: bool


class Planner:
    """Chooses steps for one problem. Keeps what it worked out; `forget` drops it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._bits: dict[tuple[str, str], int] = {}
        self._index = {move.id: i for i, move in enumerate(problem.moves)}
        self._open_exits = _worth_having(problem.exits)
        self._exits = [exit_.minutes for exit_ in self._open_exits]
        # Of an exit that costs the same for every fault the sum of the weights is enough. Without
        # one: more than any exit costs.
        self._varied = [minutes for minutes in self._exits if not _is_even(minutes)]
        even = [minutes[0] for minutes in self._exits if _is_even(minutes)]
        self._flat = min(even) if even else max(max(minutes) for minutes in self._exits)
        # Bits of what says nothing and changes no fix, and what each shrinks the weights by.
        self._shrinking: dict[Key, float] = {}
        self._moves = self._numbered()
        self._telling = ~sum(self._shrinking)
        self._fixes = [move for move in self._moves if move.is_fix]
        self._blocking = 0
        for fix in self._fixes:
            self._blocking |= fix.blocked
        curable = {f for fix in self._fixes for f, _cure, _row in fix.cures}
        # The dearest way out for a fault that a fix can cure.
        self._dearest = max([1.0, *(minutes[f] for minutes in self._exits for f in curable)])
        self._known = self._cost_when_known()
        self._plans: dict[Key, _Plan] = {}
        self._searched: dict[tuple[Key, int], float] = {}
        self._open_fixes: dict[Key, tuple[tuple[_NumberedMove, bool], ...]] = {}
        # Positions so far, and how many there may be before this decision's budget is used up.
        self._seen: set[Key] = set()
        self._most_seen = 0
        self._beam = LIVE_BEAM

    # --- States ----------------------------------------------------------------------

    def state(self, evidence: Iterable[tuple[str, str]]) -> tuple[Key, list[float]]:
        """Key and weights after these (step, label) pairs. Raises OutcomeError.

        A label that the problem gives no branch for uses the step up and is no evidence.
        """
        key, weights = 0, list(self.problem.prior)
        for step_id, label in evidence:
            if step_id not in self._index:
                raise OutcomeError(step_id)
            index = self._index[step_id]
            bit = self._bits.get((step_id, label))
            if bit is None:
                key |= self._bits[step_id, ""]
                continue
            key |= bit
            for known, factors, _ends, _shrinks in self._moves[index].branches:
                if known == bit:
                    weights = [w * f for w, f in zip(weights, factors, strict=True)]
        return key, weights

    def labels(self, key: Key) -> list[tuple[str, str]]:
        """The (step, label) pairs of a state, in the order of the steps; "" said nothing."""
        return [pair for pair, bit in self._bits.items() if key & bit]

    def exit_of(self, weights: Weights) -> str:
        """The cheapest exit; of equals the one that is named first."""
        return self._exit_of(weights).id

    def after(self, step_id: str, weights: Weights) -> list[tuple[Key, list[float], bool]]:
        """(Key, weights, whether it is handed over) of every outcome of a step but solved."""
        return list(self._children(weights, self._index[step_id]))

    def minutes_of(self, step_id: str) -> float:
        """What a step takes."""
        return self.problem.moves[self._index[step_id]].minutes

    def forget(self) -> None:
        """Drops what was worked out, as a new process would start."""
        self._plans.clear()
        self._searched.clear()
        self._seen.clear()
        self._open_fixes.clear()

    # --- Choice ----------------------------------------------------------------------

    def choose(
        self,
        weights: Weights,
        key: Key = 0,
        *,
        depth: int = DEPTH,
        budget: int = LIVE_BUDGET,
        beam: int = LIVE_BEAM,
    ) -> Decision:
        """The step with the least expected minutes, or the exit.

        `budget`: positions that may be looked at; when they are used up, the shallower look
        decides. `beam`: steps that are looked into deeper; one planner keeps to one. Weights
        that sum to 0 (answers that contradict each other) hand over.
        """
        total = math.fsum(weights)
        out = self._exit_of(weights)
        if total <= 0:
            return Decision(None, out.id, max(out.minutes), max(out.minutes))
        self._most_seen, self._beam = len(self._seen) + budget, beam
        plan, first = self._plan(weights, key)
        looked = self._look(weights, key, math.inf)
        deep = self._deepen(weights, key, looked, depth, total)
        scored = {i: deep.get(i, q) for q, i in looked}
        return self._decision(scored, plan, first, out, total)

    def _decision(
        self,
        scored: Mapping[int, float],
        plan: float,
        first: int,
        out: Exit,
        total: float,
    ) -> Decision:
        value, index = plan, first
        asked, question = math.inf, -1
        # In authored order, and better only by more than rounding: ties go to the author.
        for i in sorted(scored):
            if self.problem.moves[i].cures is None:
                if scored[i] < asked - EPS * total:
                    asked, question = scored[i], i
            elif scored[i] < value - EPS * total:
                value, index = scored[i], i
        if asked < value - max(self.problem.delta, EPS) * total:
            value, index = asked, question
        best_first = sorted(scored, key=lambda i: (round(scored[i] / total, PLACES), i))
        return Decision(
            step_id=self.problem.moves[index].id if index >= 0 else None,
            exit_id=out.id,
            minutes=round(value / total, PLACES),
            without=round(plan / total, PLACES),
            options=tuple(
                (self.problem.moves[i].id, round(scored[i] / total, PLACES)) for i in best_first
            ),
        )

    def _deepen(
        self,
        weights: Weights,
        key: Key,
        looked: Sequence[tuple[float, int]],
        depth: int,
        total: float,
    ) -> dict[int, float]:
        """Expected cost of the most promising steps by the deepest look that is paid for."""
        found: dict[int, float] = {}
        for level in range(2, depth + 1):
            ranked = self._promising([(found.get(i, q), i) for q, i in looked], total)
            deeper = {i: self._through(weights, key, i, level - 1, total, math.inf) for i in ranked}
            if self._is_used_up():
                break  # half looked at is no basis: the level above decides
            found |= deeper
        return found

    def _through(
        self, weights: Weights, key: Key, index: int, depth: int, total: float, most: float
    ) -> float:
        """Cost of a step and the best after it; given up where it passes `most`."""
        cost = self.problem.moves[index].minutes * total
        for bit, child, ends in self._children(weights, index):
            cost += self.cost_out(child) if ends else self._search(child, key | bit, depth)
            if cost >= most:
                break
        return cost

    def _search(self, weights: Weights, key: Key, depth: int) -> float:
        known = self._searched.get((key, depth))
        if known is not None:
            return known
        best, _first = self._plan(weights, key)
        if depth > 1 and not self._is_used_up():
            looked = self._look(weights, key, best)
            best = min([best, *(q for q, _i in looked)])
            total = sum(weights)
            for i in self._promising(looked, total):
                best = min(best, self._through(weights, key, i, depth - 1, total, best))
        elif depth and not self._is_used_up():
            best = self._glance(weights, key, best)
        if not self._is_used_up():
            self._searched[key, depth] = best
        return best

    def _promising(self, looked: Sequence[tuple[float, int]], total: float) -> list[int]:
        """The moves to be looked into deeper. Equal to rounding is equal: ties go to the author."""
        ranked = sorted((round(q / total, PLACES), i) for q, i in looked)
        return [i for _minutes, i in ranked[: self._beam]]

    def _look(self, weights: Weights, key: Key, most: float) -> list[tuple[float, int]]:
        """(Expected cost, move) of one step followed by fixes only, for all that may be worth it.

        Left out is what cannot cost less than `most` even if the fault were known after it.
        """
        total = sum(weights)
        least = sum(map(mul, weights, self._known))
        if least >= most:
            return []
        scale = self._scale(key)
        found = []
        for move in self._worth_a_look(key, total, least, most):
            cost = move.minutes * total
            for branch in move.branches:
                cost += self._after(weights, key, branch, scale)[0]
            found.append((cost, move.index))
        return found

    def _glance(self, weights: Weights, key: Key, best: float) -> float:
        """The least cost that `_look` would find, if it is less than `best`; else `best`.

        A step is given up as soon as it could not be the one even if the fault were known after
        the outcomes that were not worked out yet.
        """
        total = sum(weights)
        least = sum(map(mul, weights, self._known))
        if least >= best:
            return best
        scale = self._scale(key)
        for move in self._worth_a_look(key, total, least, best):
            cost, rest = move.minutes * total, least
            for f, cure, _row in move.cures:
                rest -= weights[f] * cure * self._known[f]
            for branch in move.likely_first:
                if cost + rest >= best:
                    break
                value, low = self._after(weights, key, branch, scale)
                cost += value
                rest -= low
            else:
                best = min(best, cost)
        return best

    def _worth_a_look(
        self, key: Key, total: float, least: float, most: float
    ) -> list[_NumberedMove]:
        """The open moves, of the checks those that could cost less than `most`.

        Counts the positions that they lead to, whether or not these need to be worked out.
        """
        found = [
            move
            for move in self._moves
            if not key & move.blocked and (move.is_fix or move.minutes * total + least < most)
        ]
        self._seen.update([key | bit for move in found for bit in move.counted])
        return found

    def _after(
        self, weights: Weights, key: Key, branch: _NumberedBranch, scale: float
    ) -> tuple[float, float]:
        """Cost of fixes only after an outcome, and the least that any fixes could cost.

        `weights`, `key` and its `scale` are those of the state before it.
        """
        bit, factors, ends, shrinks = branch
        scale *= shrinks
        plan = self._plans.get((key | bit) & self._telling)
        if plan is not None:
            return plan[0] * scale, plan[2] * scale
        child = list(map(mul, weights, factors))
        if ends:
            plan = self.cost_out(child), -1, sum(map(mul, child, self._known))
        else:
            plan = self._sequence(child, key | bit)
        self._keep(key | bit, plan, scale)
        return plan[0], plan[2]

    def _is_used_up(self) -> bool:
        return len(self._seen) > self._most_seen

    def _children(self, weights: Weights, index: int) -> Iterable[tuple[Key, list[float], bool]]:
        for bit, factors, ends, _shrinks in self._moves[index].branches:
            yield bit, list(map(mul, weights, factors)), ends

    # --- Fixes and exits -------------------------------------------------------------

    # Costs are proportional to the weights. So "not sure", which shrinks them all alike, needs no
    # work of its own: plans are kept under the key of what tells something, for weights that
    # nothing else has shrunk.

    def _scale(self, key: Key) -> float:
        """What the outcomes of a state that say nothing have shrunk its weights by."""
        scale = 1.0
        if key & ~self._telling:
            for bit, shrinks in self._shrinking.items():
                if key & bit:
                    scale *= shrinks
        return scale

    def _keep(self, key: Key, plan: _Plan, scale: float) -> None:
        if scale == 1:
            self._plans[key & self._telling] = plan
        elif scale > 0:
            cost, first, low = plan
            self._plans[key & self._telling] = cost / scale, first, low / scale

    def _plan(self, weights: Weights, key: Key) -> tuple[float, int]:
        """Cost of fixes only from a state, and the first of them, or -1."""
        self._seen.add(key)
        scale = self._scale(key)
        plan = self._plans.get(key & self._telling)
        if plan is not None:
            return plan[0] * scale, plan[1]
        plan = self._sequence(weights, key)
        self._keep(key, plan, scale)
        return plan[0], plan[1]

    def _sequence(self, weights: Weights, key: Key) -> _Plan:
        """ECR: the greedy fix sequence cut at its best point."""
        total = sum(weights)
        outs = [sum(map(mul, weights, minutes)) for minutes in self._varied]
        best, first = min([self._flat * total, *outs]), -1
        queue = self._queue(weights, key)
        if queue:
            best, first = self._best_cut(queue, list(weights), total, outs, best)
        return best, first, sum(map(mul, weights, self._known))

    def _queue(self, weights: Weights, key: Key) -> list[_Waiting]:
        """The open fixes that may help, the greatest chance per minute first."""
        queue = []
        for fix, is_shared in self._fixes_open(key & self._blocking):
            chance = 0.0
            for f, cure, _row in fix.cures:
                chance += weights[f] * cure
            if chance > 0:
                queue.append((-chance / fix.minutes, fix.index, chance, is_shared))
        queue.sort()
        return queue

    def _fixes_open(self, blocked: Key) -> tuple[tuple[_NumberedMove, bool], ...]:
        """The fixes that these bits leave open, each with whether it shares a fault with another
        of them, so that doing that one lowers its chance."""
        known = self._open_fixes.get(blocked)
        if known is None:
            fixes = [fix for fix in self._fixes if not blocked & fix.blocked]
            times = Counter(f for fix in fixes for f, _cure, _row in fix.cures)
            known = self._open_fixes[blocked] = tuple(
                (fix, any(times[f] > 1 for f, _cure, _row in fix.cures)) for fix in fixes
            )
        return known

    def _best_cut(
        self,
        queue: list[_Waiting],
        left: list[float],
        total: float,
        outs: list[float],
        best: float,
    ) -> tuple[float, int]:
        """Cost of the sequence cut at its best point, at most `best`; and its first fix, or -1.

        All cuts are tried: the cost of cutting is not monotone. Uses its arguments up: `left`, the
        weights; `total`, their sum; `outs`, the cost of each varied exit.
        """
        # A fix that solves less per minute than this cannot pay, nor can any after it: everybody
        # whom no fix helps spends its minutes, and nobody saves more than the dearest way out.
        floor = (sum(chance for _rate, _i, chance, _shared in queue) - total) / self._dearest
        first, cost, position = -1, 0.0, 0
        while position < len(queue):
            rate, i, chance, is_shared = queue[position]
            if rate >= floor:
                break
            position += 1
            move = self._moves[i]
            if is_shared:
                # A chance only falls, so it is weighed again when it comes up.
                chance = sum(left[f] * cure for f, cure, _row in move.cures)
                again = (-chance / move.minutes, i, chance, True)
                if position < len(queue) and again > queue[position]:
                    insort(queue, again, position)
                    continue
            cost += move.minutes * total
            if cost >= best:
                break
            self._solve(move, left, outs)
            total -= chance
            cut = cost + min([self._flat * total, *outs])
            if cut < best:
                best, first = cut, queue[0][1]
        return best, first

    def _solve(self, fix: _NumberedMove, left: list[float], outs: list[float]) -> None:
        """Takes what the fix solves out of the weights and out of the costs of the exits."""
        for f, cure, row in fix.cures:
            solved = left[f] * cure
            left[f] -= solved
            for e, minutes in enumerate(row):
                outs[e] -= solved * minutes

    def cost_out(self, weights: Weights) -> float:
        """Cost of the cheapest exit."""
        outs: list[float] = [sum(map(mul, weights, minutes)) for minutes in self._varied]
        return min([self._flat * sum(weights), *outs])

    def _exit_of(self, weights: Weights) -> Exit:
        """The cheapest exit; of equals the one that is named first."""
        costs = [sum(map(mul, weights, minutes)) for minutes in self._exits]
        return self._open_exits[costs.index(min(costs))]

    # --- The problem, once -----------------------------------------------------------

    def _numbered(self) -> list[_NumberedMove]:
        position, masks = 0, []
        for move in self.problem.moves:
            mask = 0
            # "": done without an outcome that says anything.
            for label in (*(branch.label for branch in _branches_of(move)), ""):
                self._bits[move.id, label] = 1 << position
                mask |= 1 << position
                position += 1
            masks.append(mask)
        blocking = 0
        for i, move in enumerate(self.problem.moves):
            for pair in move.unless:
                masks[i] |= self._bits.get(pair, 0)
            if move.cures is not None:
                blocking |= masks[i]
        return [self._numbered_move(i, masks[i], blocking) for i in range(len(masks))]

    def _numbered_move(self, index: int, blocked: Key, blocking: Key) -> _NumberedMove:
        """`blocking`: the bits that block any fix."""
        move = self.problem.moves[index]
        branches: list[_NumberedBranch] = []
        order: list[tuple[bool, float, int]] = []
        for branch in _branches_of(move):
            bit, shrinks = self._bits[move.id, branch.label], 1.0
            is_harmless = move.cures is None and not branch.ends and not bit & blocking
            if is_harmless and branch.factors[0] >= LEAST_SHRINK and _is_even(branch.factors):
                self._shrinking[bit] = shrinks = branch.factors[0]
            branches.append((bit, branch.factors, branch.ends, shrinks))
            needs_work = bit not in self._shrinking
            order.append((needs_work, -sum(branch.factors), len(order)))
        nothing = self._bits[move.id, ""]
        if move.cures is None and not nothing & blocking:
            self._shrinking[nothing] = 1.0
        return _NumberedMove(
            index=index,
            minutes=move.minutes,
            blocked=blocked,
            branches=tuple(branches),
            likely_first=tuple(branches[n] for *_, n in sorted(order)),
            counted=tuple(bit for bit, _factors, ends, _shrinks in branches if not ends),
            cures=tuple(
                (f, cure, tuple(minutes[f] for minutes in self._varied))
                for f, cure in enumerate(move.cures or ())
                if cure > 0
            ),
            is_fix=move.cures is not None,
        )

    def _cost_when_known(self) -> tuple[float, ...]:
        """Per fault the least cost if it were known: its own fixes, handed over at the best cut."""
        fixes = [(move, move.cures) for move in self.problem.moves if move.cures is not None]
        found = []
        for f in range(len(self.problem.prior)):
            out = min(minutes[f] for minutes in self._exits)
            own = [
                (move.minutes / cures[f], move.minutes, cures[f])
                for move, cures in fixes
                if cures[f] > 0
            ]
            best, cost, alive = out, 0.0, 1.0
            for _rate, minutes, cure in sorted(own):
                cost += minutes * alive
                alive *= 1 - cure
                best = min(best, cost + out * alive)
            found.append(best)
        return tuple(found)

    # --- Whole trees -----------------------------------------------------------------

    def compile(
        self,
        evidence: Iterable[tuple[str, str]] = (),
        *,
        rule: Rule | None = None,
        before: Before | None = None,
        depth: int | None = None,
        budget: int = COMPILED_BUDGET,
        most_states: int = MOST_STATES,
        least: float = 0.0,
    ) -> Tree:
        """The whole policy from what is known at the start.

        `rule` comes before the choice; `before` names the step that the chosen one waits for.
        States that are not likelier than `least` are not in the tree. When it has `most_states`,
        the rest is decided by the greedy look alone, and is still right, only less good. A tree
        of MOST_GROWN states grows no further: whoever gets beyond it is led by live steps, and
        counts here as handed over.
        """
        key, weights = self.state(evidence)
        growth = _Growth(rule, depth or affordable_depth(len(self.problem.moves)), budget)
        growth.before, growth.most_states, growth.least = before, most_states, least
        growth.tree.start = key
        self._grow(growth, weights, key)
        return growth.tree

    def _grow(self, growth: "_Growth", weights: list[float], key: Key) -> Prospect:
        known = growth.tree.prospects.get(key)
        if known is not None:
            return known
        decision = self._decided(growth, weights, key)
        growth.tree.decisions[key] = decision
        total = math.fsum(weights)
        if decision.step_id is None:
            found = Prospect(self.cost_out(weights) / total, 0.0, 1.0)
        else:
            index = self._index[decision.step_id]
            cost = steps = self.problem.moves[index].minutes * total
            calls = 0.0
            for bit, child, ends in self._children(weights, index):
                share = math.fsum(child)
                if share <= 0:
                    continue
                if ends or share <= growth.least or len(growth.tree.decisions) >= MOST_GROWN:
                    cost += self.cost_out(child)
                    calls += share
                    continue
                rest = self._grow(growth, child, key | bit)
                cost += rest.minutes * share
                steps += rest.steps * share
                calls += rest.calls * share
            found = Prospect(cost / total, steps / total, calls / total)
        growth.tree.prospects[key] = found
        return found

    def _decided(self, growth: "_Growth", weights: list[float], key: Key) -> Decision:
        ruled = growth.rule(key, weights) if growth.rule else None
        if ruled is not None:
            return Decision(ruled or None, self._exit_of(weights).id, 0.0, 0.0)
        depth = growth.depth
        if len(growth.tree.decisions) >= growth.most_states:
            depth = 1
        elif growth.looked >= TREE_BUDGET:
            depth = min(depth, DEPTH)
        seen = len(self._seen)
        chosen = self.choose(weights, key, depth=depth, budget=growth.budget, beam=COMPILED_BEAM)
        growth.looked += len(self._seen) - seen
        waits = growth.before(key, chosen.step_id) if growth.before and chosen.step_id else None
        return dataclasses.replace(chosen, step_id=waits) if waits else chosen


@dataclass(slots=True)
class _Growth:
    """One compilation under way."""

    rule: Rule | None
    depth: int
    budget: int
    before: Before | None = None
    most_states: int = 0
    least: float = 0.0
    # Positions so far.
    looked: int = 0
    tree: Tree = field(default_factory=Tree)


def _branches_of(move: Move) -> tuple[Branch, ...]:
    """Its outcomes that leave something to do; of a fix one, its failure."""
    if move.cures is None:
        return move.branches
    return (Branch(UNSOLVED, tuple(1 - cure for cure in move.cures)),)


def _is_even(numbers: tuple[float, ...]) -> bool:
    """Whether it is the same for every fault."""
    return numbers.count(numbers[0]) == len(numbers)


def _worth_having(exits: Sequence[Exit]) -> list[Exit]:
    """Without those that for every fault are as dear as one named before, or dearer."""
    kept: list[Exit] = []
    for exit_ in exits:
        if not any(
            all(a <= b for a, b in zip(known.minutes, exit_.minutes, strict=True)) for known in kept
        ):
            kept.append(exit_)
    return kept


def affordable_depth(steps: int) -> int:
    """How deep a whole tree over so many steps is searched."""
    return next((depth for most, depth in COMPILED_DEPTHS if steps <= most), COMPILED_DEPTH)


def expected_cost(problem: Problem, policy: Mapping[Key, Decision], planner: Planner) -> float:
    """Minutes that `policy`, made for other numbers, costs under `problem`'s: exact.

    Both problems have the same moves in the same order. States the policy does not hold are
    decided by `planner`, which is the policy's own.
    """
    truth = Planner(problem)

    def cost(weights: list[float], believed: list[float], key: Key) -> float:
        decision = policy.get(key) or planner.choose(believed, key)
        if decision.step_id is None:
            return truth.cost_out(weights)
        found = truth.minutes_of(decision.step_id) * math.fsum(weights)
        real = truth.after(decision.step_id, weights)
        guessed = planner.after(decision.step_id, believed)
        for (bit, child, ends), (_bit, guess, _ends) in zip(real, guessed, strict=True):
            if math.fsum(child) > 0:
                found += truth.cost_out(child) if ends else cost(child, guess, key | bit)
        return found

    return cost(list(problem.prior), list(planner.problem.prior), 0) / math.fsum(problem.prior)
