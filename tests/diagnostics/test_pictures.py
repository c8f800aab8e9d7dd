"""The drawings: sound and small files without words, marks on spots that exist, words in both."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from diagnostics import pictures
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import Picture, parse, validate
from diagnostics.guides import written
from diagnostics.templatetags.pictures import picture

FOLDER = Path(settings.BASE_DIR) / "templates" / "diagnostics" / "pictures"
FILES = sorted(FOLDER.glob("*.svg"))
SHEET = Path(settings.BASE_DIR) / "static" / "css" / "merchant.css"
SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "g", "path", "rect", "circle", "ellipse"}
ATTRIBUTES = {
    "class", "cx", "cy", "d", "fill", "height", "r", "rx", "ry", "stroke", "stroke-dasharray",
    "stroke-width", "transform", "viewBox", "width", "x", "y",
}  # fmt: skip
LARGEST = 4 * 1024
LEAST_STEPS = 25


def every_drawing() -> list[pictures.Drawing]:
    """The drawings and their variations."""
    plain = list(pictures.drawings().values())
    return plain + [form for one in plain for form in one.forms.values()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_drawing_is_small_sound_and_without_words(file: Path) -> None:
    content = file.read_bytes()
    assert len(content) < LARGEST
    root = ET.fromstring(content)  # noqa: S314 - our own file
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox") == f"0 0 {pictures.WIDTH} {pictures.HEIGHT}"
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in SHAPES
        assert set(element.keys()) <= ATTRIBUTES
        assert not (element.text or "").strip()
        assert not (element.tail or "").strip()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_colours_are_those_of_the_theme(file: Path) -> None:
    """Only classes that the style sheet knows, so that every shape follows light and dark."""
    known = set(re.findall(r"\.(p-[a-z]+)", SHEET.read_text(encoding="utf-8")))
    for element in ET.fromstring(file.read_bytes()).iter():  # noqa: S314 - our own file
        assert set((element.get("class") or "").split()) <= known
        for paint in ("fill", "stroke"):
            assert element.get(paint) in {None, "none", "currentColor"}


def test_every_file_is_a_drawing_and_every_drawing_a_file() -> None:
    assert {file.stem for file in FILES} == {one.file for one in every_drawing()}


def test_marks_lie_on_their_drawing() -> None:
    for one in every_drawing():
        for spot in one.spots.values():
            assert 0 <= spot.left < spot.left + spot.width <= pictures.WIDTH
            assert 0 <= spot.top < spot.top + spot.height <= pictures.HEIGHT


def test_every_drawing_is_shown_somewhere() -> None:
    used = {name for name, _mark in pictures.steps().values()}
    used |= set(re.findall(r"'picture': '(\w+)'", str(written())))
    assert not set(pictures.drawings()) - used


def test_every_assignment_is_a_step_with_that_spot() -> None:
    steps = {step.id: step for flow in bundled_flows() for step in flow.steps}
    for step_id, (name, mark) in pictures.steps().items():
        assert steps[step_id].picture == Picture(name, mark)
        assert not mark or mark in pictures.drawings()[name].spots


def test_the_steps_where_a_look_helps_have_a_picture() -> None:
    shown = {step.id for flow in bundled_flows() for step in flow.steps if step.picture}
    assert len(shown) >= LEAST_STEPS
    assert "safety" in shown


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [({"name": "unicorn"}, "no drawing unicorn"), ({"name": "tap", "mark": "horn"}, "no spot")],
)
def test_a_flow_with_an_unknown_picture_cannot_be_published(
    spoilt: dict[str, str], reason: str
) -> None:
    document = bundled_flows()[0].to_dict()
    document["steps"][1]["picture"] = spoilt
    (problem,) = validate(parse(document))
    assert problem.code == "picture"
    assert reason in problem.reason


def test_the_alternative_says_what_is_drawn_and_what_is_marked() -> None:
    with translation.override("en"):
        page = render_to_string("diagnostics/_picture.html", picture(Picture("adapter", "plug")))
    label = re.search(r'aria-label="([^"]+)"', page)
    assert label is not None
    assert label[1].startswith("A charger in a wall socket")
    assert label[1].endswith("the plug at the terminal.")
    assert page.count('class="p-mark"') == 1
    with translation.override("zh-hans"):
        plain = render_to_string("diagnostics/_picture.html", picture(Picture("adapter")))
    assert "充电头插在墙上的插座里" in plain
    assert "p-mark" not in plain


def test_a_form_of_terminal_has_its_own_drawing_and_mark() -> None:
    asked = Picture("power_key", "key")
    pages = {
        form: render_to_string("diagnostics/_picture.html", picture(asked, form))
        for form in ("portable_android", "countertop_classic", "qr_box", "unheard_of")
    }
    assert pages["portable_android"] == pages["unheard_of"]
    assert len(set(pages.values())) == 3


def test_a_picture_that_is_gone_leaves_the_words_alone() -> None:
    """An old flow version may name a drawing that was taken out since."""
    assert render_to_string("diagnostics/_picture.html", picture(Picture("gone"))).strip() == ""
    assert render_to_string("diagnostics/_picture.html", picture(None)).strip() == ""


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"shows": {"zh": "一", "en": "one"}, "spots": {"a": {"ring": [10, 10, 20]}}}, "leaves"),
        ({"shows": {"zh": "一"}}, "zh and en"),
        ({"shows": {"zh": "一", "en": "one"}, "forms": {"fridge": {}}}, "unknown form"),
    ],
)
def test_an_unsound_entry_is_named(entry: dict[str, object], reason: str) -> None:
    with pytest.raises(pictures.PicturesError, match=reason) as error:
        dict(pictures.read_drawings({"thing": entry}))
    assert str(error.value).startswith("thing")


def test_the_file_has_no_key_twice() -> None:
    """YAML keeps the last of two equal keys without a word."""
    path = Path(pictures.__file__).parent / "data" / "pictures.yaml"
    names = re.findall(r"^  (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert len(names) == len(document["drawings"]) + len(document["steps"])
