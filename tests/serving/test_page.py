"""The server's page in headless Chromium: a picture is dropped, the answer is drawn, in light, dark and narrow."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if not all(programs.values()):
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    options = ChromeOptions()
    options.binary_location = programs["chromium"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in [*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(argument)
    driver = Chrome(options=options, service=Service(programs["chromedriver"]))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def digit(tmp_path_factory):
    """A picture of an eight."""
    path = tmp_path_factory.mktemp("digit") / "eight.png"
    pixels = (load_digits().images[-2] * (255 / 16)).round().astype(np.uint8)
    Image.fromarray(pixels).resize((28, 28), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.mark.parametrize(("width", "scheme"), [(1000, "light"), (1000, "dark"), (380, "light")])
def test_a_picture_is_answered_and_drawn(browser, server, digit, width, scheme):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(server.address)
    browser.find_element(By.ID, "file").send_keys(str(digit))
    heading = WebDriverWait(browser, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, "article h2"))[0]
    wanted = server.ask("/predict/digits", digit.read_bytes(), "image/png").json["predictions"][0]
    assert heading.text == wanted["prediction"]
    names = [each.text for each in browser.find_elements(By.CSS_SELECTOR, ".bars span:first-child")]
    assert names == sorted(wanted["probabilities"], key=wanted["probabilities"].get, reverse=True)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("L")
    assert (np.asarray(picture)[5, 5] > 128) == (scheme == "light")
    assert browser.get_log("browser") == []


def test_a_mistake_is_told_on_the_page(browser, server, tmp_path):
    (tmp_path / "words.png").write_text("words")
    browser.get(server.address)
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "words.png"))
    told = WebDriverWait(browser, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, "#status.bad"))[0]
    assert told.text == "words.png is no picture in one of the formats PNG, JPEG."
    browser.get_log("browser")  # Chromium notes every 400
