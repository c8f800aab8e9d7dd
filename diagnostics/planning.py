"""What to do next at the least expected cost: pure numbers, no texts, no Django, deterministic.

One fault is present; steps are independent given the fault. Minutes are the only currency. The
rule is expectimin of a given depth over unnormalised weights, whose leaves are the best cut of
the greedy fix sequence (ECR, Heckerman, Breese and Rommelse, CACM 38(3), 1995): each round the
fix with the greatest chance per minute, handing over at the best point of that sequence. Why
not information gain, and what each depth costs, stands in docs/diagnosis.md.
"""

import dataclasses
import heapq
import math
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
# Of a whole tree: when so many positions were looked at, the rest of it looks no deeper than a
# live step.
TREE_BUDGET = 150_000
EPS = 1e-12
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


class Planner:
    """Chooses steps for one problem. Keeps what it worked out; `forget` drops it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._bits: dict[tuple[str, str], int] = {}
        # Per move: the bits of all its outcomes, and those of others that make it pointless.
        self._done: list[Key] = []
        self._pointless: list[Key] = []
        # Per move: (bit, factors, ends) of each branch; a fix has one, its failure.
        self._branches: list[list[tuple[Key, tuple[float, ...], bool]]] = []
        self._cures: list[tuple[tuple[int, float], ...]] = []
        self._fixes: list[int] = []
        self._number()
        self._index = {move.id: i for i, move in enumerate(problem.moves)}
        self._open_exits = _worth_having(problem.exits)
        self._exits = [exit_.minutes for exit_ in self._open_exits]
        self._known = self._cost_when_known()
        self._plans: dict[Key, tuple[float, int]] = {}
        self._searched: dict[tuple[Key, int], float] = {}
        self._left = 0
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
            for known, factors, _ends in self._branches[index]:
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
        self._left, self._beam = budget, beam
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
            ranked = sorted((found.get(i, q), i) for q, i in looked)[: self._beam]
            deeper = {
                i: self._through(weights, key, i, level - 1, total, math.inf) for _q, i in ranked
            }
            if self._left < 0:
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
        if depth and self._left >= 0:
            looked = sorted(self._look(weights, key, best))
            if looked:
                best = min(best, looked[0][0])
            if depth > 1:
                total = sum(weights)
                for _q, i in looked[: self._beam]:
                    best = min(best, self._through(weights, key, i, depth - 1, total, best))
        if self._left >= 0:
            self._searched[key, depth] = best
        return best

    def _look(self, weights: Weights, key: Key, most: float) -> list[tuple[float, int]]:
        """(Expected cost, move) of one step followed by fixes only, for all that may be worth it.

        Left out is what cannot cost less than `most` even if the fault were known after it.
        """
        total = sum(weights)
        least = sum(map(mul, weights, self._known))
        if least >= most:
            return []
        found = []
        for i, move in enumerate(self.problem.moves):
            if key & self._done[i] or key & self._pointless[i]:
                continue
            cost = move.minutes * total
            if cost + least >= most and move.cures is None:
                continue
            for bit, child, ends in self._children(weights, i):
                cost += self.cost_out(child) if ends else self._plan(child, key | bit)[0]
            found.append((cost, i))
        return found

    def _children(self, weights: Weights, index: int) -> Iterable[tuple[Key, list[float], bool]]:
        for bit, factors, ends in self._branches[index]:
            yield bit, list(map(mul, weights, factors)), ends

    # --- Fixes and exits -------------------------------------------------------------

    def _plan(self, weights: Weights, key: Key) -> tuple[float, int]:
        """ECR: cost of the greedy fix sequence cut at its best point; and its first fix, or -1.

        All cuts are tried: the cost of cutting is not monotone. A chance only falls, so a fix
        whose chance is old news is weighed again when it comes up.
        """
        known = self._plans.get(key)
        if known is not None:
            return known
        self._left -= 1
        left = list(weights)
        total = sum(left)
        outs = self._costs_out(left)
        best, first, opening, cost = min(outs), -1, -1, 0.0
        heap = self._rates(left, key)
        while heap:
            rate, i = heapq.heappop(heap)
            minutes = self.problem.moves[i].minutes
            chance = self._chance(i, left)
            now = -chance / minutes
            if heap and now > rate and (now, i) > heap[0]:
                heapq.heappush(heap, (now, i))
                continue
            opening = i if opening < 0 else opening
            cost += minutes * total
            if cost >= best:
                break
            self._solve(i, left, outs)
            total -= chance
            cut = cost + min(outs)
            if cut < best:
                best, first = cut, opening
        self._plans[key] = best, first
        return best, first

    def _rates(self, weights: Weights, key: Key) -> list[tuple[float, int]]:
        """A heap of (minus the chance per minute, fix) of the fixes that may help."""
        heap = []
        for i in self._fixes:
            if not (key & self._done[i] or key & self._pointless[i]):
                chance = self._chance(i, weights)
                if chance > 0:
                    heap.append((-chance / self.problem.moves[i].minutes, i))
        heapq.heapify(heap)
        return heap

    def _chance(self, index: int, weights: Weights) -> float:
        chance = 0.0
        for f, cure in self._cures[index]:
            chance += weights[f] * cure
        return chance

    def _solve(self, index: int, left: list[float], outs: list[float]) -> None:
        """Takes what the fix solves out of the weights and out of the costs of the exits."""
        for f, cure in self._cures[index]:
            solved = left[f] * cure
            left[f] -= solved
            for e, minutes in enumerate(self._exits):
                outs[e] -= solved * minutes[f]

    def _costs_out(self, weights: Weights) -> list[float]:
        """Cost of each exit that can be the cheapest."""
        return [sum(map(mul, weights, minutes)) for minutes in self._exits]

    def cost_out(self, weights: Weights) -> float:
        """Cost of the cheapest exit."""
        return min(self._costs_out(weights))

    def _exit_of(self, weights: Weights) -> Exit:
        """The cheapest exit; of equals the one that is named first."""
        costs = self._costs_out(weights)
        return self._open_exits[costs.index(min(costs))]

    # --- The problem, once -----------------------------------------------------------

    def _number(self) -> None:
        position = 0
        for i, move in enumerate(self.problem.moves):
            branches = list(move.branches)
            if move.cures is not None:
                self._fixes.append(i)
                branches = [Branch(UNSOLVED, tuple(1 - cure for cure in move.cures))]
            mask, numbered = 0, []
            for branch in branches:
                bit = 1 << position
                position += 1
                mask |= bit
                self._bits[move.id, branch.label] = bit
                numbered.append((bit, branch.factors, branch.ends))
            # Done without an outcome that says anything.
            self._bits[move.id, ""] = 1 << position
            mask |= 1 << position
            position += 1
            self._done.append(mask)
            self._branches.append(numbered)
            self._cures.append(
                tuple((f, cure) for f, cure in enumerate(move.cures or ()) if cure > 0)
            )
        for move in self.problem.moves:
            pointless = 0
            for pair in move.unless:
                pointless |= self._bits.get(pair, 0)
            self._pointless.append(pointless)

    def _cost_when_known(self) -> tuple[float, ...]:
        """Per fault the least cost if it were known: its own fixes, handed over at the best cut."""
        found = []
        for f in range(len(self.problem.prior)):
            out = min(minutes[f] for minutes in self._exits)
            own = [
                (move.minutes / move.cures[f], move.minutes, move.cures[f])
                for move in self.problem.moves
                if move.cures is not None and move.cures[f] > 0
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
        the rest is decided by the greedy look alone, and is still right, only less good.
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
                if ends or share <= growth.least:
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
        chosen = self.choose(weights, key, depth=depth, budget=growth.budget, beam=COMPILED_BEAM)
        growth.looked += growth.budget - self._left
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
