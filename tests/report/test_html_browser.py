"""The HTML report as a reader meets it: opened from disk in headless Chromium, clicked, typed at, looked at on a phone.

Skipped where Debian's `chromium` and `chromium-driver`, or selenium, are missing.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.report.html import page
from runner.report.report import build_report
from runner.report.runs import find_runs
from tests.support.conditions import CASES, write_runs
from tests.support.written_runs import writer

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver import ActionChains, Chrome, ChromeOptions  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

PROGRAMS = ("chromium", "chromedriver")
# Root and containers have no sandbox, and the only page opened is our own.
QUIET = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += [
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
]
WIDE = 1200
# Best first: #1 … #6.
ORDER = [f"{model} {rate}" for rate in ("0.1", "0.01", "0.001") for model in ("resnet", "cnn")]


class Page:
    """The report in the browser, by what a reader sees of it."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        return self.run("return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector)

    def rows(self) -> list[str]:
        """Model and learning rate of the rows in view, from the top."""
        script = "return [...document.querySelectorAll('#table tbody tr')].filter((row) => !row.hidden)"
        return self.run(f"{script}.map((row) => `${{row.cells[1].textContent}} ${{row.cells[2].textContent}}`)")

    def row(self, rank: int) -> WebElement:
        script = "return [...document.querySelectorAll('#table tbody tr')]"
        return self.run(f"{script}.find((row) => row.cells[0].textContent === arguments[0])", str(rank))

    def heading(self, key: str) -> WebElement:
        return self.one(f'#table th[data-key="{key}"]')

    def drawn(self) -> list[str]:
        """The ranks at the ends of the curves of the first chart."""
        return sorted(self.texts("#curves figure:first-child .end"))

    def focused(self) -> WebElement:
        return self.browser.switch_to.active_element

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Chrome]:
    """One Chromium for all tests."""
    programs = {name: shutil.which(name) for name in PROGRAMS}
    if missing := [name for name, path in programs.items() if path is None]:
        pytest.skip(f"{' and '.join(missing)} not installed (Debian: chromium, chromium-driver)")
    options = ChromeOptions()
    options.binary_location = str(programs["chromium"])
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in [*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(argument)
    driver = Chrome(options=options, service=Service(str(programs["chromedriver"])))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def written(grid, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(build_report(find_runs([grid]))), encoding="utf-8")
    return path


@pytest.fixture
def view(browser, written) -> Page:
    """The report, freshly opened on a wide and light screen; no test leaves an error on the console."""
    show(browser, WIDE, "light")
    browser.get(written.as_uri())
    return Page(browser)


@pytest.fixture(autouse=True)
def no_error(request) -> Iterator[None]:
    """What the browser complains of fails the test that made it complain."""
    yield
    if "view" in request.fixturenames:
        assert [each["message"] for each in request.getfixturevalue("browser").get_log("browser")] == []


def show(browser: Chrome, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def brightness(colour: str) -> float:
    """Mean of red, green and blue of `rgb(…)`, from 0 to 1."""
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 / 255


def test_it_opens_from_disk_and_fetches_nothing(view):
    assert view.one("h1").text == "12 runs in 6 groups, ranked by test/accuracy"
    assert view.rows() == ORDER
    assert view.run("return performance.getEntriesByType('resource').length") == 0
    assert [each.text for each in view.all("h2") if each.is_displayed()] == [
        *("Runs", "Learning curves", "What quality costs", "What the best have in common"),
        *("Selected runs against the best", "Not in the table"),
    ]


def test_an_address_is_refused_by_the_policy(view):
    script = """
      const done = arguments[0];
      document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
      new Image().src = "https://example.invalid/picture.png";
    """
    assert view.browser.execute_async_script(script) == "img-src"
    assert "Content Security Policy" in view.browser.get_log("browser")[0]["message"]


def test_a_heading_sorts_both_ways(view):
    assert view.heading("test/accuracy").get_attribute("aria-sort") == "descending"
    view.heading("test/loss").find_element(By.TAG_NAME, "button").click()
    assert view.rows() == ORDER
    assert view.heading("test/loss").get_attribute("aria-sort") == "ascending"
    assert view.heading("test/accuracy").get_attribute("aria-sort") == "none"
    view.press(Keys.ENTER)  # the heading has kept the focus
    assert view.rows() == ORDER[::-1]
    assert view.heading("test/loss").get_attribute("aria-sort") == "descending"
    view.heading("model").find_element(By.TAG_NAME, "button").click()
    assert view.rows() == [*ORDER[1::2], *ORDER[::2]]


def test_a_click_on_a_row_draws_and_removes_its_curve(view):
    assert view.drawn() == ["#1", "#2", "#3", "#4", "#5"]
    view.row(6).click()
    assert view.row(6).get_attribute("aria-selected") == "true"
    assert view.drawn() == ["#1", "#2", "#3", "#4", "#5", "#6"]
    view.row(1).click()
    assert view.row(1).get_attribute("aria-selected") == "false"
    assert view.drawn() == ["#2", "#3", "#4", "#5", "#6"]
    assert len(view.all("#curves figure:first-child .line.seed")) == 2 * 5
    view.one("#pick-none").click()
    assert view.drawn() == [] and "Select rows" in view.one("#curves figure").text


def test_a_row_keeps_its_colour_while_others_come_and_go(view):
    before = view.row(5).get_attribute("class")
    view.row(1).click()
    view.row(6).click()
    assert view.row(5).get_attribute("class") == before
    colours = [view.row(rank).get_attribute("class") for rank in (2, 3, 4, 5, 6)]
    assert len(set(colours)) == 5


def test_the_curve_can_be_chosen_and_its_values_read(view):
    figure = view.one("#curves figure")
    Select(figure.find_element(By.TAG_NAME, "select")).select_by_value("val/loss")
    figure.find_element(By.TAG_NAME, "summary").click()
    assert figure.find_element(By.CSS_SELECTOR, "tbody tr").text == "#1 resnet · lr 0.1 0.0324 0.0324 300"
    assert [each.text for each in figure.find_elements(By.CSS_SELECTOR, "thead th")][2] == "lowest"


def test_the_last_half_of_the_curves_can_be_seen_alone(view):
    points = "return document.querySelector('#curves .line:not(.seed)[d]').getAttribute('d').split('L').length"
    assert view.run(points) == 30
    view.one('#curves input[value="late"]').click()
    assert view.run(points) == 16  # steps 150 to 300


def test_curves_can_be_drawn_against_seconds(view):
    words = "return [...document.querySelectorAll('#curves svg text')].map((each) => each.textContent)"
    assert "step" in view.run(words) and "seconds" not in view.run(words)
    view.all('#curves input[value="seconds"]')[0].click()
    assert "seconds" in view.run(words)
    last = "return document.querySelector('#curves .line:not(.seed)[d]').getAttribute('d').split('L').length"
    assert view.run(last) == 30


def test_the_table_works_by_keyboard_alone(view):
    view.run("document.getElementById('table').focus()")
    view.press(*[Keys.TAB] * (len(view.all("#table thead button")) + 1))
    assert view.focused().text.split()[0] == "1"
    assert view.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    view.press(Keys.SPACE)
    assert view.drawn() == ["#2", "#3", "#4", "#5"]
    view.press(Keys.ARROW_DOWN, Keys.ENTER)
    assert view.drawn() == ["#3", "#4", "#5"]
    view.press(Keys.END, " ")
    assert view.drawn() == ["#3", "#4", "#5", "#6"]
    assert view.one("#status").get_attribute("textContent") == "#6 cnn · lr 0.001 is drawn. 4 selected."
    view.press(Keys.HOME)
    assert view.focused().text.split()[0] == "1"
    assert len(view.all('#table tbody tr[tabindex="0"]')) == 1


def test_the_filter_takes_words_and_comparisons(view):
    view.one("#filter").send_keys("resnet lr<0.1")
    assert view.rows() == [ORDER[2], ORDER[4]]
    assert view.one("#count").text == "2 of 6"
    assert len(view.all("#parallel .thread")) == 2
    view.one("#pick-best").click()
    assert view.drawn() == ["#3", "#5"]


def test_the_filter_understands_conditions_as_where_does(browser, tmp_path):
    """Every case on one page, by the filter's own function; `view` is not asked for, as it opens another page."""
    path = tmp_path / "report.html"
    report = build_report(find_runs([write_runs(tmp_path / "runs")]), group=False)
    path.write_text(page(report), encoding="utf-8")
    browser.get(path.as_uri())
    letters = "[...document.querySelectorAll('#table tbody tr')].filter((row) => !row.hidden)"
    script = f"""
      const filter = document.getElementById("filter");
      filter.value = arguments[0];
      filter.dispatchEvent(new Event("input"));
      return {letters}.map((row) => row.row.name).sort().join("");
    """
    found = {condition: browser.execute_script(script, condition) for condition, _ in CASES}
    assert found == dict(CASES)


def test_points_are_weighed_by_validation_data_and_the_test_of_the_best_stands_beside(browser, tmp_path):
    write, latency = writer(tmp_path / "runs"), "benchmark/{}/latency_ms/batch_1"
    tested = {"data/tested_samples": 100.0, latency.format("eager"): 4.0}
    write(choices={"quantization": "none"}, metrics={"val/accuracy": 0.9, "test/accuracy": 0.5} | tested)
    for name, val, test in (("static", 0.8, 0.99), ("dynamic", 0.7, 0.98)):
        metrics = {"compressed/val/accuracy": val, "compressed/accuracy": test, "baseline/val/accuracy": 0.9}
        program = {latency.format("int8"): 1.0 + (name == "dynamic")}
        write(choices={"quantization": name}, settings={"recipe": name}, metrics=metrics | tested | program)
    path = tmp_path / "report.html"
    path.write_text(page(build_report(find_runs([tmp_path / "runs"]))), encoding="utf-8")
    browser.get(path.as_uri())
    view = Page(browser)
    assert view.one("h1").text == "3 runs, ranked by final/val/accuracy"
    assert view.one("#about").text.startswith(
        "on validation data, of the network that each run ended with; the highest"
    )
    assert view.texts("#figures dt")[:2] == ["Best final/val/accuracy", "final/accuracy"]
    assert view.texts("#figures dd")[1] == "0.5of the best, 95 % interval 0.4038 to 0.5962"
    front = "On the front: #2 static · int8; #1 quantization none · eager."
    said = view.texts("#pareto svg title")[0]
    assert said == f"val/accuracy against latency at batch 1, 5 points. {front}"


def test_a_range_dragged_along_an_axis_keeps_its_rows(view):
    assert len(view.all("#parallel .thread")) == 6
    hand = view.all("#parallel .hand")[-1]  # the metric, the best on top
    view.run("arguments[0].scrollIntoView({ block: 'center' })", hand)
    height = hand.size["height"]
    actions = ActionChains(view.browser).move_to_element_with_offset(hand, 0, -height // 2 + 2)
    actions.click_and_hold().move_by_offset(0, 60).release().perform()
    assert view.rows() == ORDER[:2]
    assert len(view.all("#parallel .thread")) == 2
    view.one("#clear-ranges").click()
    assert view.rows() == ORDER


def test_the_pareto_front_is_that_of_all_programs(view):
    latency, size = view.all("#pareto figure")
    for figure in (latency, size):
        figure.find_element(By.TAG_NAME, "summary").click()
    assert [row.text for row in latency.find_elements(By.CSS_SELECTOR, "tbody tr")] == [
        "#2 cnn · lr 0.1 · int8 1 ms 0.95",
        "#2 cnn · lr 0.1 · eager 2 ms 0.96",
        "#1 resnet · lr 0.1 · eager 5 ms 0.97",
    ]
    assert [row.text for row in size.find_elements(By.CSS_SELECTOR, "tbody tr")] == [
        "#2 cnn · lr 0.1 · int8_program 8.49 kB 0.95",
        "#2 cnn · lr 0.1 · float_program 34 kB 0.96",
        "#1 resnet · lr 0.1 · float_program 166 kB 0.97",
    ]
    assert len(latency.find_elements(By.CSS_SELECTOR, ".point.best")) == 3
    assert "cnn · lr 0.1 · int8" in view.texts("#pareto figure:first-child .name")


def test_differences_from_the_best_are_told_for_the_selected(view):
    view.one("#pick-none").click()
    view.row(4).click()
    lines = [" ".join(row.text.split()) for row in view.all("#differences tr")]
    assert lines[0] == "Setting Best: resnet · lr 0.1 #4 cnn · lr 0.01"
    assert "model resnet cnn" in lines and "optimizer.lr 0.1 0.01" in lines
    assert view.texts("#differences .differs") == ["cnn", "0.01", "[10, 20]"]


def test_columns_can_be_shown_and_hidden(view):
    view.one("#columns summary").click()
    boxes = {each.text: each.find_element(By.TAG_NAME, "input") for each in view.all("#columns label")}
    assert not boxes["benchmark/eager/latency_ms/batch_1"].is_selected()
    boxes["benchmark/eager/latency_ms/batch_1"].click()
    boxes["test/loss"].click()
    heads = [each.get_attribute("data-key") for each in view.all("#table thead th")]
    assert "benchmark/eager/latency_ms/batch_1" in heads and "test/loss" not in heads
    view.press(Keys.ESCAPE)
    assert view.one("#columns").get_attribute("open") is None


def test_what_failed_is_told_as_it_was_said(view):
    assert view.texts("#others tbody tr > *")[:3] == ["failed", "failed", "Loss <is> not a number"]


def test_everything_that_can_be_reached_has_a_name(view):
    script = """
      const controls = [...document.querySelectorAll("button, select, input, [role=region], [role=img], figure svg")];
      const name = (each) => each.getAttribute("aria-label") || each.querySelector("title")?.textContent
        || each.labels?.[0]?.textContent || (each.tagName === "BUTTON" && each.textContent);
      return controls.filter((each) => !name(each)?.trim() && each.getAttribute("aria-hidden") !== "true")
        .map((each) => each.outerHTML.slice(0, 80));
    """
    assert view.run(script) == []
    [title, *_] = view.texts("#curves figure:first-child svg[role=img] title")
    assert title.startswith("Learning curves of val/accuracy. #1 resnet · lr 0.1 ends at 0.9676.")


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_colours_follow_the_readers_scheme(view, scheme, dark):
    show(view.browser, WIDE, scheme)
    colours = view.run(
        "const body = getComputedStyle(document.body), figure = getComputedStyle(document.querySelector('figure'));"
        "return [body.backgroundColor, figure.backgroundColor, body.color]"
    )
    paper, card, ink = map(brightness, colours)
    assert (paper < 0.2, card < 0.2, ink > 0.8) == (dark, dark, dark)


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_scrolls_tables_and_not_the_page(view, width):
    show(view.browser, width, "light")
    view.browser.refresh()
    assert view.run("return document.documentElement.scrollWidth") == width
    table = view.one("#table")
    assert table.size["width"] <= width and view.run("return arguments[0].scrollWidth", table) > width
    assert all(chart.size["width"] <= width for chart in view.all("#curves svg[role=img]"))


def test_charts_follow_the_width_of_the_window(view):
    before = view.one("#curves svg[role=img]").size["width"]
    show(view.browser, 700, "light")
    drawn_again = "requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(arguments[0])))"
    view.browser.execute_async_script(drawn_again)
    assert view.one("#curves svg[role=img]").size["width"] not in (before, 0)
    assert view.run("return document.documentElement.scrollWidth") == 700
