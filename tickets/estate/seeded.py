"""Chance that is the same for the same seed, and codes that cannot meet twice. Pure."""

import base64
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from posdoctor.core.refs import ALPHABET

_T = TypeVar("_T")
_ROUNDS = 4


class Codes:
    """A row of codes in the alphabet of references: mixed up, never one twice.

    A Feistel network over pairs of half codes is a permutation: the n-th code of one seed
    differs from every other, without a memory of the codes given out. `length` is even.
    """

    def __init__(
        self, draw: random.Random, length: int, *, taken: frozenset[str] = frozenset()
    ) -> None:
        self._half = length // 2
        self._size = len(ALPHABET) ** self._half
        self._keys = [
            (draw.randrange(1, self._size), draw.randrange(self._size)) for _ in range(_ROUNDS)
        ]
        self._taken = taken
        self._count = 0

    def next(self) -> str:
        """The next code. Codes in `taken` (from an earlier load) are passed over."""
        while True:
            left, right = divmod(self._count, self._size)
            self._count += 1
            for times, plus in self._keys:
                left, right = right, (left + (right * right + times) * times + plus) % self._size
            code = self._word(left) + self._word(right)
            if code not in self._taken:
                return code

    def _word(self, value: int) -> str:
        word = ""
        for _ in range(self._half):
            value, letter = divmod(value, len(ALPHABET))
            word += ALPHABET[letter]
        return word


class Weighted(Generic[_T]):
    """Draws by weight; the sums are worked out once."""

    def __init__(self, items: Sequence[_T], weights: Sequence[float]) -> None:
        self.items = items
        self._sums = list(accumulate(weights))

    def draw(self, chance: random.Random) -> _T:
        """One item."""
        return chance.choices(self.items, cum_weights=self._sums)[0]


def token(chance: random.Random) -> str:
    """22 characters of the URL-safe alphabet: the shape of `secrets.token_urlsafe(16)`."""
    raw = chance.getrandbits(128).to_bytes(16, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def spread(total: int, weights: Sequence[float]) -> Iterator[int]:
    """Whole shares of `total` by weight, in order; they sum to `total`."""
    whole = sum(weights)
    given, so_far = 0, 0.0
    for position, weight in enumerate(weights, start=1):
        so_far += weight
        upto = total if position == len(weights) else round(total * so_far / whole)
        yield upto - given
        given = upto
