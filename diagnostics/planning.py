"""What to do next at the least expected cost: pure numbers, no texts, no Django, deterministic.

One fault is present; steps are independent given the fault. Minutes are the only currency. The
rule is expectimin of a given depth over unnormalised weights, whose leaves are the best cut of
the greedy fix sequence (ECR, Heckerman, Breese and Rommelse, CACM 38(3), 1995): each round the
fix with the greatest chance per minute, handing over at the best point of that sequence. Why
not information gain, and what each depth costs, stands in docs/diagnosis.md.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
# the full width on any model that was measured.
BEAM = 6
# Positions looked at in one decision, never milliseconds: the same answers give the same step.
LIVE_BUDGET, COMPILED_BUDGET = 3_000, 60_000
EPS = 1e-12


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


@dataclass(slots=True)
class Tree:
    """A whole policy: what to do in every state that it leads to itself.

    `minutes` and `call_share` are exact for this policy under the problem's numbers.
    """

    decisions: dict[Key, Decision] = field(default_factory=dict)
    minutes: float = 0.0
    call_share: float = 0.0
    # Expected minutes from each state by the policy itself, not by the look ahead.
    values: dict[Key, float] = field(default_factory=dict)


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

    def after(self, step_id: str, weights: Weights) -> list[tuple[list[float], Key]]:
        """(Weights, key of the outcome) for every outcome of a step that goes on."""
        index = self._index[step_id]
        return [(child, bit) for bit, child, ends in self._children(weights, index) if not ends]

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
    ) -> Decision:
        """The step with the least expected minutes, or the exit.

        `budget`: positions that may be looked at; when they are used up, the shallower look
        decides. Weights that sum to 0 (answers that contradict each other) hand over.
        """
        total = math.fsum(weights)
        out = self._exit_of(weights)
        if total <= 0:
            return Decision(None, out.id, max(out.minutes), max(out.minutes))
        self._left = budget
        plan, first = self._plan(weights, key)
        looked = self._look(weights, key, math.inf)
        deep = self._deepen(weights, key, looked, depth, total)
        scored = sorted((deep.get(i, q), i) for q, i in looked)
        return self._decision(scored, plan, first, out, total)

    def _decision(
        self,
        scored: Sequence[tuple[float, int]],
        plan: float,
        first: int,
        out: Exit,
        total: float,
    ) -> Decision:
        fixes = self.problem.moves
        value, index = plan, first
        for q, i in scored:
            if fixes[i].cures is not None and q < value - EPS * total:
                value, index = q, i
        for q, i in scored:
            if fixes[i].cures is None:
                if q < value - max(self.problem.delta, EPS) * total:
                    value, index = q, i
                break  # the best question comes first
        return Decision(
            step_id=fixes[index].id if index >= 0 else None,
            exit_id=out.id,
            minutes=value / total,
            without=plan / total,
            options=tuple((fixes[i].id, q / total) for q, i in scored),
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
            deeper: dict[int, float] = {}
            ranked = sorted((found.get(i, q), i) for q, i in looked)[:BEAM]
            for _q, i in ranked:
                cost = self.problem.moves[i].minutes * total
                for bit, child, ends in self._children(weights, i):
                    cost += self._leave(child) if ends else self._search(child, key | bit, level - 1)
                deeper[i] = cost
            if self._left < 0:
                break  # half looked at is no basis: the level above decides
            found |= deeper
        return found

    def _search(self, weights: Weights, key: Key, depth: int) -> float:
        known = self._searched.get((key, depth))
        if known is not None:
            return known
        best, _first = self._plan(weights, key)
        if depth and self._left >= 0:
            total = math.fsum(weights)
            looked = self._look(weights, key, best)
            if looked:
                looked.sort()
                best = min(best, looked[0][0])
                if depth > 1:
                    for _q, i in looked[:BEAM]:
                        cost = self.problem.moves[i].minutes * total
                        for bit, child, ends in self._children(weights, i):
                            cost += (
                                self._leave(child)
                                if ends
                                else self._search(child, key | bit, depth - 1)
                            )
                            if cost >= best:
                                break
                        best = min(best, cost)
        if self._left >= 0:
            self._searched[key, depth] = best
        return best

    def _look(self, weights: Weights, key: Key, most: float) -> list[tuple[float, int]]:
        """(Expected cost, move) of one step followed by fixes only, for all that may be worth it.

        Left out is what cannot cost less than `most` even if the fault were known after it.
        """
        total = math.fsum(weights)
        least = math.fsum(w * v for w, v in zip(weights, self._known, strict=True))
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
                cost += self._leave(child) if ends else self._plan(child, key | bit)[0]
            found.append((cost, i))
        return found

    def _children(
        self, weights: Weights, index: int
    ) -> Iterable[tuple[Key, list[float], bool]]:
        for bit, factors, ends in self._branches[index]:
            yield bit, [w * f for w, f in zip(weights, factors, strict=True)], ends

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
        moves, cures = self.problem.moves, self._cures
        left = list(weights)
        total = math.fsum(left)
        outs = self._costs_out(left)
        best, first, cost = min(outs), -1, 0.0
        heap = []
        for i in self._fixes:
            if not (key & self._done[i] or key & self._pointless[i]):
                chance = 0.0
                for f, cure in cures[i]:
                    chance += left[f] * cure
                if chance > 0:
                    heap.append((-chance / moves[i].minutes, i))
        heapq.heapify(heap)
        opening = -1
        while heap:
            rate, i = heapq.heappop(heap)
            chance = 0.0
            for f, cure in cures[i]:
                chance += left[f] * cure
            now = -chance / moves[i].minutes
            if heap and now > rate and (now, i) > heap[0]:
                heapq.heappush(heap, (now, i))
                continue
            if opening < 0:
                opening = i
            cost += moves[i].minutes * total
            if cost >= best:
                break
            for f, cure in cures[i]:
                solved = left[f] * cure
                left[f] -= solved
                for e, minutes in enumerate(self._exits):
                    outs[e] -= solved * minutes[f]
            total -= chance
            cut = cost + min(outs)
            if cut < best:
                best, first = cut, opening
        self._plans[key] = best, first
        return best, first

    def _costs_out(self, weights: Weights) -> list[float]:
        """Cost of each exit that can be the cheapest."""
        return [
            math.fsum(w * c for w, c in zip(weights, minutes, strict=True))
            for minutes in self._exits
        ]

    def _leave(self, weights: Weights) -> float:
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

    def compile(self, *, depth: int | None = None, budget: int = COMPILED_BUDGET) -> Tree:
        """The whole policy from the prior. Branches that cannot happen are not in it."""
        tree = Tree()
        depth = depth or affordable_depth(len(self.problem.moves))
        total = math.fsum(self.problem.prior)
        tree.minutes, calls = self._grow(tree, list(self.problem.prior), 0, depth, budget, {})
        tree.minutes /= total
        tree.call_share = calls / total
        return tree

    def _grow(
        self,
        tree: Tree,
        weights: list[float],
        key: Key,
        depth: int,
        budget: int,
        calls: dict[Key, float],
    ) -> tuple[float, float]:
        """Cost and weight of handing over from here, by the policy."""
        if key in tree.values:
            return tree.values[key], calls[key]
        decision = self.choose(weights, key, depth=depth, budget=budget)
        tree.decisions[key] = decision
        total = math.fsum(weights)
        if decision.step_id is None:
            cost, called = self._leave(weights), total
        else:
            index = self._index[decision.step_id]
            cost, called = self.problem.moves[index].minutes * total, 0.0
            for bit, child, ends in self._children(weights, index):
                if math.fsum(child) <= 0:
                    continue
                if ends:
                    rest, out = self._leave(child), math.fsum(child)
                else:
                    rest, out = self._grow(tree, child, key | bit, depth, budget, calls)
                cost += rest
                called += out
        tree.values[key], calls[key] = cost, called
        return cost, called


def _worth_having(exits: Sequence[Exit]) -> list[Exit]:
    """Without those that for every fault are as dear as one named before, or dearer."""
    kept: list[Exit] = []
    for exit_ in exits:
        if not any(
            all(a <= b for a, b in zip(known.minutes, exit_.minutes, strict=True))
            for known in kept
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
    total = math.fsum(problem.prior)

    def cost(weights: list[float], believed: list[float], key: Key) -> float:
        decision = policy.get(key) or planner.choose(believed, key)
        if decision.step_id is None:
            return truth._leave(weights)
        index = truth._index[decision.step_id]
        found = problem.moves[index].minutes * math.fsum(weights)
        pairs = zip(
            truth._children(weights, index), planner._children(believed, index), strict=True
        )
        for (bit, child, ends), (_bit, guess, _ends) in pairs:
            if math.fsum(child) > 0:
                found += truth._leave(child) if ends else cost(child, guess, key | bit)
        return found

    return cost(list(problem.prior), list(planner.problem.prior), 0) / total
