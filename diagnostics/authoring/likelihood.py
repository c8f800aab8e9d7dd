"""Five words for how likely something is; an exact number stays until its word is changed."""

from collections.abc import Sequence
from typing import Any

# What authors choose from, as P(answer | cause) or P(solved | cause).
LIKELIHOODS: dict[str, float] = {
    "never": 0.01,
    "rarely": 0.05,
    "sometimes": 0.25,
    "often": 0.7,
    "nearly_always": 0.95,
}
# How a fact about the terminal changes how often a cause is met.
TIMES: dict[str, float] = {
    "hardly": 0.02,
    "much_less": 0.1,
    "less": 0.5,
    "more": 2.0,
    "much_more": 5.0,
}
# How many of those who are asked skip a check or are not sure.
SKIPS: dict[str, float] = {
    "never": 0.01,
    "rarely": 0.05,
    "sometimes": 0.15,
    "often": 0.35,
    "mostly": 0.6,
}
DIGITS = 6
# So much of a row is left for the answers whose words were not chosen, or all are scaled.
LEAST_LEFT = 0.02


def word_of(number: float, words: dict[str, float] = LIKELIHOODS) -> str:
    """The nearest word; of two equally near ones the lower."""
    return min(words, key=lambda word: (round(abs(words[word] - number), 9), words[word]))


def number_of(word: str, before: float | None, words: dict[str, float] = LIKELIHOODS) -> float:
    """The number of a chosen word: `before` as it is where that is what its word says already."""
    if before is not None and word_of(before, words) == word:
        return before
    return words[word]


def row_of(words: Sequence[str], before: Sequence[float]) -> list[float]:
    """A row of likelihoods, one per answer, from chosen words; `before` as the author saw it.

    An unchanged row stays exact. Of a changed one the chosen words hold, and the others share
    what is left, since a row that sums to more than 1 would itself count as evidence. Where the
    chosen words leave nothing, all are scaled.
    """
    is_chosen = [word_of(old) != word for word, old in zip(words, before, strict=True)]
    if not any(is_chosen):
        return list(before)
    numbers = [number_of(word, old) for word, old in zip(words, before, strict=True)]
    chosen = sum(n for n, changed in zip(numbers, is_chosen, strict=True) if changed)
    others = sum(n for n, changed in zip(numbers, is_chosen, strict=True) if not changed)
    left = 1 - chosen
    if others <= 0 or left < LEAST_LEFT:
        return scaled(numbers)
    return [
        round(n if changed else n * left / others, DIGITS)
        for n, changed in zip(numbers, is_chosen, strict=True)
    ]


def scaled(numbers: Sequence[float]) -> list[float]:
    """In the same proportions, with the sum 1; nothing at all is shared out evenly."""
    total = sum(numbers)
    if total <= 0:
        return [round(1 / len(numbers), DIGITS) for _ in numbers]
    return [round(number / total, DIGITS) for number in numbers]


def rounded(value: Any) -> Any:
    """The same plain data with numbers of at most six decimals."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, DIGITS) if isinstance(value, float) else value
