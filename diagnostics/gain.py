"""What the choice by expected minutes gains against the authored order: pure arithmetic.

Shares come with Wilson's interval, means with Student's, differences with Newcombe's and
Welch's; all at 95 %. Where a sample is too small to tell, it says so.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean, variance
from typing import Literal, TypeAlias

Z = NormalDist().inv_cdf(0.975)
# Fewer walks of either order tell nothing.
LEAST_WALKS = 30
# A phone that lay aside over noon is no walk of three hours.
MOST_MINUTES = 60.0
BANDS = (0.0, 0.4, 0.6, 0.8, 1.0)

Verdict: TypeAlias = Literal["few", "open", "better", "worse"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval and how many walks it is from; None: nothing to go by."""

    value: float | None
    low: float | None
    high: float | None
    size: int


def share(hits: int, size: int) -> Estimate:
    """A share by Wilson's interval."""
    if not size:
        return Estimate(None, None, None, 0)
    p, z2 = hits / size, Z * Z
    middle = (p + z2 / (2 * size)) / (1 + z2 / size)
    half = Z * math.sqrt(p * (1 - p) / size + z2 / (4 * size * size)) / (1 + z2 / size)
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half), size)


def mean(values: Sequence[float]) -> Estimate:
    """A mean by Student's interval; without one below two values."""
    if not values:
        return Estimate(None, None, None, 0)
    middle = fmean(values)
    if len(values) < 2:
        return Estimate(middle, None, None, 1)
    half = t_quantile(len(values) - 1) * math.sqrt(variance(values) / len(values))
    return Estimate(middle, middle - half, middle + half, len(values))


def t_quantile(degrees: float) -> float:
    """The 97.5 % point of Student's distribution (Cornish and Fisher's expansion).

    Off by less than 1 % from three degrees of freedom; for one and two the exact ones.
    """
    if degrees < 3:
        return {1: 12.706, 2: 4.303}[max(1, int(degrees))]
    z, n = Z, degrees
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of both orders, their difference (expected minus authored), and what it says.

    `few`: a sample is too small; `open`: the interval of the difference holds 0.
    """

    expected: Estimate
    authored: Estimate
    difference: Estimate
    verdict: Verdict


def compare_means(
    expected: Sequence[float], authored: Sequence[float], *, less_is_better: bool
) -> Comparison:
    """Two means; the difference by Welch's interval."""
    ours, theirs = mean(expected), mean(authored)
    sizes = ours.size, theirs.size
    if ours.value is None or theirs.value is None:
        return _compared(ours, theirs, None, None, less_is_better=less_is_better)
    if min(sizes) < 2:
        return _compared(ours, theirs, None, None, less_is_better=less_is_better)
    parts = variance(expected) / sizes[0], variance(authored) / sizes[1]
    spread = math.fsum(parts)
    if spread <= 0:
        half = 0.0
    else:
        degrees = spread**2 / (parts[0] ** 2 / (sizes[0] - 1) + parts[1] ** 2 / (sizes[1] - 1))
        half = t_quantile(degrees) * math.sqrt(spread)
    gap = ours.value - theirs.value
    return _compared(ours, theirs, gap - half, gap + half, less_is_better=less_is_better)


def compare_shares(
    expected: tuple[int, int], authored: tuple[int, int], *, less_is_better: bool
) -> Comparison:
    """Two shares as (hits, size); the difference by Newcombe's interval."""
    ours, theirs = share(*expected), share(*authored)
    a, b = ours, theirs
    if a.value is None or b.value is None:
        return _compared(ours, theirs, None, None, less_is_better=less_is_better)
    assert a.low is not None
    assert a.high is not None
    assert b.low is not None
    assert b.high is not None
    gap = a.value - b.value
    low = gap - math.hypot(a.value - a.low, b.high - b.value)
    high = gap + math.hypot(a.high - a.value, b.value - b.low)
    return _compared(ours, theirs, low, high, less_is_better=less_is_better)


def _compared(
    ours: Estimate,
    theirs: Estimate,
    low: float | None,
    high: float | None,
    *,
    less_is_better: bool,
) -> Comparison:
    size = min(ours.size, theirs.size)
    if ours.value is None or theirs.value is None:
        return Comparison(ours, theirs, Estimate(None, None, None, size), "few")
    gap = Estimate(ours.value - theirs.value, low, high, size)
    if size < LEAST_WALKS or low is None or high is None:
        return Comparison(ours, theirs, gap, "few")
    if low <= 0 <= high:
        return Comparison(ours, theirs, gap, "open")
    return Comparison(ours, theirs, gap, "better" if (high < 0) == less_is_better else "worse")


# --- Walks ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk as the page measures it. `minutes` None: given up, it has no end.

    `came_back`: None where it is too early to say or it was not solved. `cause`: what the desk
    found, empty where nobody said; `top`: the causes it ended with, the likeliest first.
    """

    symptom: str
    is_expected: bool
    minutes: float | None
    is_solved: bool
    came_back: bool | None
    steps: tuple[tuple[str, str], ...]
    top: tuple[tuple[str, float], ...] = ()
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Gain:
    """All measures of one set of walks."""

    minutes: Comparison
    solved: Comparison
    steps: Comparison
    reopened: Comparison
    given_up: Comparison


def gain_of(walks: Iterable[Walk]) -> Gain:
    """Both orders side by side."""
    arms: dict[bool, list[Walk]] = {True: [], False: []}
    for walk in walks:
        arms[walk.is_expected].append(walk)
    ended = {arm: [w for w in rows if w.minutes is not None] for arm, rows in arms.items()}
    minutes = {arm: [min(w.minutes or 0.0, MOST_MINUTES) for w in ended[arm]] for arm in arms}
    steps = {arm: [float(len(w.steps)) for w in ended[arm]] for arm in arms}
    solved = {arm: (sum(w.is_solved for w in ended[arm]), len(ended[arm])) for arm in arms}
    known = {arm: [w.came_back for w in rows if w.came_back is not None]
             for arm, rows in arms.items()}  # fmt: skip
    back = {arm: (sum(known[arm]), len(known[arm])) for arm in arms}
    lost = {arm: (len(arms[arm]) - len(ended[arm]), len(arms[arm])) for arm in arms}
    return Gain(
        minutes=compare_means(minutes[True], minutes[False], less_is_better=True),
        solved=compare_shares(solved[True], solved[False], less_is_better=False),
        steps=compare_means(steps[True], steps[False], less_is_better=True),
        reopened=compare_shares(back[True], back[False], less_is_better=True),
        given_up=compare_shares(lost[True], lost[False], less_is_better=True),
    )


@dataclass(frozen=True, slots=True)
class SkipRate:
    """How often one step was answered "not sure"."""

    symptom: str
    step: str
    unsure: Estimate


def skip_rates(walks: Iterable[Walk], unsure: str, most: int) -> list[SkipRate]:
    """Of steps with an answer at all, those first that are surely skipped the most."""
    counts: dict[tuple[str, str], list[int]] = {}
    for walk in walks:
        for step, answer in walk.steps:
            tally = counts.setdefault((walk.symptom, step), [0, 0])
            tally[0] += answer == unsure
            tally[1] += 1
    rates = [SkipRate(*key, share(hits, size)) for key, (hits, size) in counts.items() if hits]
    return sorted(rates, key=lambda rate: (-(rate.unsure.low or 0), rate.symptom, rate.step))[:most]


@dataclass(frozen=True, slots=True)
class Band:
    """Walks whose top cause had about this weight: what was foretold, and what came true."""

    low: float
    high: float
    foretold: float | None
    right: Estimate

    @property
    def holds(self) -> bool | None:
        """Whether what was foretold lies in the interval; None: too few to tell."""
        if self.foretold is None or self.right.size < LEAST_WALKS:
            return None
        assert self.right.low is not None
        assert self.right.high is not None
        return self.right.low <= self.foretold <= self.right.high


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of walks that the desk closed with a cause: bands of the top cause's weight; how often the
    top cause was right, and one of the top three.
    """

    bands: list[Band]
    first: Estimate
    three: Estimate


def calibration_of(walks: Iterable[Walk]) -> Calibration:
    """Both orders together: the weights come from the same numbers."""
    known = [walk for walk in walks if walk.cause and walk.top]
    bands = []
    for low, high in pairwise(BANDS):
        inside = [w for w in known if low <= w.top[0][1] < high or high == 1.0 == w.top[0][1]]
        right = share(sum(w.top[0][0] == w.cause for w in inside), len(inside))
        foretold = fmean(w.top[0][1] for w in inside) if inside else None
        bands.append(Band(low, high, foretold, right))
    hits = sum(w.top[0][0] == w.cause for w in known)
    near = sum(w.cause in {cause for cause, _weight in w.top[:3]} for w in known)
    return Calibration(bands, share(hits, len(known)), share(near, len(known)))
