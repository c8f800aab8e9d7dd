"""The merchant's step page: what it weighs, what is seen without scrolling, and the other language.

Acceptance checks 4, 9 and, of 12, requests and bytes. Its times are benchmarks/merchant_page.py.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, ViewportSize, expect

from diagnostics import actions, pictures
from diagnostics.engine import Answer, Ask
from diagnostics.fault_trees import bundled_flows
from diagnostics.flow import Step
from diagnostics.models import DiagnosisRun
from terminals.models import Terminal
from tests.browser.conftest import PHONE
from tests.browser.test_every_page import check, check_widths

pytestmark = pytest.mark.browser

KB = 1024
# ui.md 6: brotli for the parts, everything that a phone fetches for the whole.
MOST_HTML, MOST_CSS, MOST_JS, MOST_BYTES, MOST_REQUESTS = 8 * KB, 5 * KB, 3 * KB, 60 * KB, 6
# What is left of a phone inside WeChat.
WECHAT: ViewportSize = {"width": 390, "height": 664}
LANGUAGES = {"zh": "zh-CN", "en": "en-US"}
# WCAG 1.4.11: what is needed to understand a picture.
LEAST_CONTRAST = 3.0
# Each step of a merchant with a symptom that has it.
STEPS = {
    step.id: (flow.id, step)
    for flow in bundled_flows()
    for step in flow.steps
    if step.actor == "merchant"
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Step], None]:
    """`asked(step)`: from now on the walk asks this step, whatever was answered."""

    def _ask(step: Step) -> None:
        def step_after(run: DiagnosisRun, answers: Sequence[Answer]) -> Ask:
            return Ask(step, len(answers) + 1, 4)

        monkeypatch.setattr(actions, "step_after", step_after)

    return _ask


def begin(page: Page, shop: Terminal, symptom: str = "network_down") -> str:
    """Opens the first step of a symptom; returns its path."""
    page.goto(f"/t/{shop.sticker_code}/more")
    page.locator("[name=words]").fill("x")
    page.locator(f".tiles button[formaction$='/check/{symptom}']").click()
    page.wait_for_url(f"**/check/{symptom}/1")
    return re.sub(r"^https?://[^/]+", "", page.url)


def begin_all(page: Page, shop: Terminal) -> dict[str, str]:
    """The path of the first step of every symptom that some step is of."""
    return {symptom: begin(page, shop, symptom) for symptom in {s for s, _step in STEPS.values()}}


def test_a_step_costs_few_requests_and_bytes(open_browser, shop):
    """Of a phone that has nothing yet, as the browser counts them, uncompressed."""
    first = open_browser(WECHAT)
    path = begin(first, shop)
    page = first.context.new_page()
    probe = first.context.new_cdp_session(page)
    probe.send("Network.enable")
    probe.send("Network.clearBrowserCache")
    sizes: dict[str, float] = {}
    probe.on("Network.requestWillBeSent", lambda e: sizes.setdefault(e["requestId"], 0))
    probe.on(
        "Network.loadingFinished",
        lambda e: sizes.__setitem__(e["requestId"], e["encodedDataLength"]),
    )
    page.goto(path, wait_until="networkidle")
    assert page.locator("main figure > svg").count() == 1
    assert 3 <= len(sizes) <= MOST_REQUESTS
    assert all(size > 0 for size in sizes.values())
    assert sum(sizes.values()) <= MOST_BYTES


def test_the_parts_are_small_when_compressed(shop):
    """The pages of the steps with the largest drawings, and what every one of them links to."""
    static = Path(settings.BASE_DIR) / "static"

    def packed(*names: str) -> int:
        return sum(len(brotli.compress((static / name).read_bytes())) for name in names)

    assert packed("css/base.css", "css/merchant.css") <= MOST_CSS
    assert packed("js/merchant.js") <= MOST_JS
    client = Client()
    code = shop.sticker_code
    client.post(reverse("diagnostics:begin", args=[code, "no_power"]))
    page = client.get(reverse("diagnostics:step", args=[code, "no_power", 1]))
    assert page.status_code == 200
    linked = set(re.findall(rb'(?:href|src)="(/static/[^"]+)"', page.content))
    assert {re.sub(r"\.[0-9a-f]{12}\.", ".", url.decode()) for url in linked} == {
        "/static/css/base.css", "/static/css/merchant.css", "/static/img/icon.svg",
        "/static/js/merchant.js",
    }  # fmt: skip
    plain = len(brotli.compress(page.content))
    largest = max(len(one.read_bytes()) for one in FOLDER.glob("*.svg"))
    # As if the largest drawing came on top of the one that is there already, unpacked.
    assert plain + largest <= MOST_HTML


FOLDER = Path(settings.BASE_DIR) / "templates" / "diagnostics" / "pictures"

SEEN = """() => {
  const bar = document.querySelector('.m-help').getBoundingClientRect().top;
  const parts = {
    question: document.querySelector('main h1'),
    picture: document.querySelector('main figure'),
  };
  const buttons = [...document.querySelectorAll('.ans button')];
  buttons.slice(0, 2).forEach((e, i) => { parts['answer ' + i] = e; });
  return Object.entries(parts).filter(([, e]) => e).map(([name, e]) => {
    const r = e.getBoundingClientRect();
    return { name, height: r.height, fits: r.top >= 0 && r.bottom <= bar };
  });
}"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_question_picture_and_two_answers_are_seen_without_scrolling(
    open_browser, shop, asked, language
):
    page = open_browser(WECHAT, LANGUAGES[language])
    paths = begin_all(page, shop)
    for symptom, step in STEPS.values():
        asked(step)
        page.goto(paths[symptom])
        text = step.text.zh if language == "zh" else step.text.en
        expect(page.locator("main h1")).to_have_text(text)
        seen: list[dict[str, Any]] = page.evaluate(SEEN)
        names = {part["name"] for part in seen}
        assert {"question", "answer 0", "answer 1"} <= names
        assert ("picture" in names) == (step.picture is not None), step.id
        assert [part["name"] for part in seen if not part["fits"]] == [], step.id
        # A drawing that is squeezed is no help.
        assert all(part["height"] >= 140 for part in seen if part["name"] == "picture"), step.id


def test_the_other_language_keeps_step_and_answers(open_browser, shop):
    page = open_browser(PHONE)
    path = begin(page, shop)
    page.locator(".ans button[value=none]").click()
    page.wait_for_url("**/2")
    second = page.url
    question = page.locator("main h1").inner_text()
    page.locator("a.lang").click()
    page.wait_for_load_state()
    assert page.url.split("?")[0] == second
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("main h1").inner_text() != question
    assert not re.search("[\u4e00-\u9fff]", page.locator("main").inner_text())
    for label in page.locator("main svg[role=img]").all():
        assert not re.search("[\u4e00-\u9fff]", label.get_attribute("aria-label") or "")
    page.locator("a.back").click()
    page.wait_for_url(f"**{path}")
    expect(page.locator(".ans .sel")).to_have_attribute("value", "none")
    page.goto(f"{path}?lang=zh-hans")
    expect(page.locator(".ans .sel")).to_have_attribute("value", "none")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"


PAINTS = """(classes) => {
  const art = document.querySelector('svg.art');
  const paints = {};
  for (const name of ['', ...classes]) {
    const shape = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    if (name) shape.setAttribute('class', name);
    art.append(shape);
    const look = getComputedStyle(shape);
    paints[name] = { fill: look.fill, stroke: look.stroke };
    shape.remove();
  }
  return { paints, panel: getComputedStyle(art).backgroundColor };
}"""


def luminance(colour: str) -> float:
    """Of `rgb(r, g, b)`, as WCAG defines it."""
    parts = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_lines_and_marks_stand_out_in_both_themes(open_browser, shop, dark):
    """Lines on the panel, on paper and on a screen; what is light on what is dark."""
    page = open_browser(PHONE, dark=dark)
    begin(page, shop)
    known = set(re.findall(r"p-[a-z]+", " ".join(f.read_text() for f in FOLDER.glob("*.svg"))))
    found = page.evaluate(PAINTS, sorted(known | {"p-mark", "p-halo"}))
    paints, panel = found["paints"], found["panel"]
    grounds = [panel, paints["p-body"]["fill"], paints["p-lit"]["fill"]]
    lines = [paints[name]["stroke"] for name in ("", "p-fine", "p-go", "p-ok", "p-bad", "p-mark")]
    solids = [paints[name]["fill"] for name in ("p-ink", "p-gofill", "p-okfill", "p-badfill")]
    for colour, ground in itertools.product([*lines, *solids], grounds):
        assert contrast(colour, ground) >= LEAST_CONTRAST, (colour, ground)
    paper = paints["p-body"]["fill"]
    for name in ("p-tone", "p-chip", "p-water"):
        fill = paints[name]["fill"]
        seen = max(contrast(paints[""]["stroke"], fill), contrast(fill, paper))
        assert seen >= LEAST_CONTRAST, name
    assert contrast(paints["p-light"]["stroke"], paints["p-off"]["fill"]) >= LEAST_CONTRAST
    assert contrast(paints["p-mark"]["stroke"], paints["p-halo"]["stroke"]) >= LEAST_CONTRAST


@pytest.mark.parametrize(
    ("language", "dark"), [("zh", False), ("en", True)], ids=["zh-light", "en-dark"]
)
def test_step_pages_with_a_picture_are_accessible(open_browser, shop, asked, language, dark):
    """axe and overflow: a check and a fix with a mark, one that waits, one without a picture."""
    page = open_browser(PHONE, LANGUAGES[language], dark=dark)
    paths = begin_all(page, shop)
    plain = next(step.id for _symptom, step in STEPS.values() if step.picture is None)
    for name in ("no_net_icon", "reseat_battery", "refit_sim", "safety", plain):
        symptom, step = STEPS[name]
        asked(step)
        page.set_viewport_size(PHONE)
        page.goto(paths[symptom])
        assert page.locator("figure").count() == (name in pictures.steps())
        check(page, name)
        check_widths(page, name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_guide_prints_on_two_sheets_without_navigation(open_browser, shop, language):
    page = open_browser(PHONE, LANGUAGES[language])
    for name in [*(flow.id for flow in bundled_flows()), "sign_in"]:
        page.goto(f"/guides/{name}/")
        page.emulate_media(media="print")
        for hidden in (".m-top", ".m-help", ".skip", ".no-print"):
            assert not page.locator(hidden).first.is_visible(), (name, hidden)
        assert page.locator("figure").first.is_visible()
        sheet = page.pdf(prefer_css_page_size=True, print_background=True)
        sheets = len(re.findall(rb"/Type\s*/Page\b", sheet))
        assert 1 <= sheets <= (1 if name == "sign_in" else 2), (name, sheets)
        page.emulate_media(media="screen")
