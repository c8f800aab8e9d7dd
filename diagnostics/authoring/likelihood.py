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
DIGITS = 6


def word_of(number: float, words: dict[str, float] = LIKELIHOODS) -> str:
    """The nearest word; of two equally near ones the lower."""
    return min(words, key=lambda word: (round(abs(words[word] - number), 9), words[word]))


def number_of(word: str, before: float | None, words: dict[str, float] = LIKELIHOODS) -> float:
    """The number of a chosen word: `before` as it is where that is what its word says already."""
    if before is not None and word_of(before, words) == word:
        return before
    return words[word]


def row_of(words: Sequence[str], before: Sequence[float] | None) -> list[float]:
    """A row of likelihoods, one per answer, from chosen words.

    An unchanged row stays exact. A changed one is scaled to sum to 1: words are no arithmetic,
    and a row that sums to more would itself count as evidence.
    """
    if before is not None and [word_of(number) for number in before] == list(words):
        return list(before)
    exact = before if before is not None and len(before) == len(words) else [None] * len(words)
    return scaled([number_of(word, old) for word, old in zip(words, exact, strict=True)])


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
