"""The drawings beside steps: what each shows, its spots that can be marked, which step has which.

All of it is data of `data/pictures.yaml`; the drawings themselves lie in
templates/diagnostics/pictures/, one file for each name. No words are in a drawing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

# What every drawing is drawn on, in its own units, and how round a mark is at most.
WIDTH, HEIGHT = 320, 180
ROUND = 26.0
# Forms of the terminal catalogue -> the variation of a drawing, where it has one.
FAMILIES: Mapping[str, str] = {
    "countertop_android": "desktop",
    "countertop_classic": "desktop",
    "unattended_android": "desktop",
    "mpos": "mpos",
    "qr_box": "qr_box",
}
_DATA = Path(__file__).parent / "data" / "pictures.yaml"


class PicturesError(ValueError):
    """The file of pictures is not sound; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A box with round ends round something, in the drawing's units. `says`: what, by language."""

    left: float
    top: float
    width: float
    height: float
    says: Mapping[str, str]

    @property
    def round(self) -> float:
        """The radius of its corners; a square box is a circle."""
        return min(self.width, self.height, 2 * ROUND) / 2


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing of one form of terminal. `file` is its name without a suffix."""

    name: str
    file: str
    shows: Mapping[str, str]
    spots: Mapping[str, Spot]
    forms: Mapping[str, "Drawing"] = field(default_factory=dict)

    def of_form(self, form: str) -> "Drawing":
        """The variation for a form of the terminal catalogue; the drawing itself without one."""
        return self.forms.get(FAMILIES.get(form, ""), self)


def drawing(name: str) -> Drawing | None:
    """The drawing of that name, or None."""
    return _drawings().get(name)


def drawings() -> Mapping[str, Drawing]:
    """Every drawing by its name, in file order."""
    return _drawings()


def of_step(step_id: str) -> tuple[str, str] | None:
    """Name and mark of the picture that a step of the bundled flows has; mark may be empty."""
    return _steps().get(step_id)


def steps() -> Mapping[str, tuple[str, str]]:
    """Every step with a picture: its id -> name and mark."""
    return _steps()


@lru_cache(maxsize=1)
def _document() -> Mapping[str, Any]:
    document = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or set(document) != {"drawings", "steps"}:
        raise PicturesError("drawings and steps are needed")
    return document


@lru_cache(maxsize=1)
def _drawings() -> Mapping[str, Drawing]:
    return MappingProxyType(dict(read_drawings(_document()["drawings"] or {})))


def read_drawings(entries: Mapping[str, Any]) -> Iterator[tuple[str, Drawing]]:
    """Name and drawing of every entry of the file. Raises PicturesError."""
    for name, entry in entries.items():
        plain = _drawing(name, name, entry, {})
        forms = {
            family: _drawing(name, f"{name}.{family}", entry | (changes or {}), plain.spots)
            for family, changes in entry.get("forms", {}).items()
        }
        if not set(forms) <= set(FAMILIES.values()):
            raise PicturesError(f"{name}.forms: an unknown form")
        yield name, Drawing(name, plain.file, plain.shows, plain.spots, MappingProxyType(forms))


def _drawing(
    name: str, file: str, entry: Mapping[str, Any], inherited: Mapping[str, Spot]
) -> Drawing:
    """A variation inherits the words of a spot and gives its own place."""
    spots = {
        spot: _spot(f"{file}.{spot}", value, inherited.get(spot))
        for spot, value in (entry.get("spots") or {}).items()
    }
    if not set(inherited) <= set(spots):
        raise PicturesError(f"{file}.spots: every spot of {name} is needed")
    return Drawing(name, file, _words(f"{file}.shows", entry.get("shows")), MappingProxyType(spots))


def _spot(where: str, entry: Mapping[str, Any], inherited: Spot | None) -> Spot:
    """`ring: [x, y, radius]`, or `[x, y, half the width, half the height]`."""
    x, y, rx, *rest = (float(number) for number in entry["ring"])
    ry = rest[0] if rest else rx
    if not (rx <= x <= WIDTH - rx and ry <= y <= HEIGHT - ry):
        raise PicturesError(f"{where}: the ring leaves the drawing")
    says = inherited.says if inherited else _words(f"{where}.says", entry.get("says"))
    return Spot(x - rx, y - ry, 2 * rx, 2 * ry, says)


def _words(where: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or not value.get("zh") or not value.get("en"):
        raise PicturesError(f"{where}: a text in zh and en is needed")
    return MappingProxyType({"zh": str(value["zh"]), "en": str(value["en"])})


@lru_cache(maxsize=1)
def _steps() -> Mapping[str, tuple[str, str]]:
    entries = _document()["steps"] or {}
    return MappingProxyType(
        {step: (str(entry["name"]), str(entry.get("mark", ""))) for step, entry in entries.items()}
    )
