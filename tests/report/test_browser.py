"""The page in a browser without network: it draws, the pointer names groups, tables filter."""

import time

import pytest
from browser import ABSENT, NEEDED, requests, started

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
pytestmark = pytest.mark.skipif(ABSENT, reason=NEEDED)

NASTY = "<script>alert('no')</script>&\"<b>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = started(webdriver, tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


def opened(browser, path):
    """The page, all of it scrolled through, so that every first picture is drawn."""
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(path.as_uri())
    for key in ("shrinkage", "pooling", "effects"):
        show(browser, f"#{key}")
    return browser


def show(browser, selector):
    browser.execute_script(
        "document.querySelector(arguments[0]).scrollIntoView({behavior: 'instant'})", selector
    )
    time.sleep(0.3)


def wait(browser, script, *arguments):
    """What a script returns, as soon as it is something."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if found := browser.execute_script(script, *arguments):
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came of {script}")


def drawn(browser, key):
    """Number of pictures of a section that have points or lines."""
    return browser.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} .plot`)]"
        ".filter((p) => p.querySelector('.scatterlayer .trace')).length",
        key,
    )


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("slopes", ["population", "means", "shrinkage", "pooling", "effects", "checks"]),
        ("counts", ["population", "means", "pooling", "effects", "checks"]),
        ("crossed", ["population", "shrinkage", "pooling", "effects", "checks"]),
        ("line", ["population", "means", "checks"]),
    ],
)
def test_pictures_are_drawn_without_errors_or_network(browser, page, name, sections):
    path = page(name)
    opened(browser, path)
    for key in sections:
        show(browser, f"#{key}")  # what is far from the window is not drawn
        wait(browser, f"return document.querySelector('#{key} .scatterlayer .trace') !== null")
    every = ("population", "means", "shrinkage", "pooling", "effects", "checks")
    assert [key for key in every if drawn(browser, key)] == sections
    assert browser.get_log("browser") == []
    assert requests(browser) == [path.as_uri()]


# Where a point of the first picture of a section is on the screen, and its hover text.
PLACE = """
const plot = document.querySelector(`#${arguments[0]} .plot`);
const trace = plot.data.findLast((t) => t.name === arguments[1]);
const k = trace.hovertext.findIndex((h) => h.includes(arguments[2]));
const {xaxis, yaxis} = plot._fullLayout;
const box = plot.getBoundingClientRect();
const at = (axis, v) => axis._offset + axis.d2p(v);
return [box.x + at(xaxis, trace.x[k]), box.y + at(yaxis, trace.y[k])];
"""
HOVER = (
    "const t = document.querySelector(`#${arguments[0]} .hoverlayer .hovertext`);"
    "return t && t.textContent"
)


def hover(browser, key, trace, text):
    """What a picture says when the mouse is on the point whose hover has this text."""
    wait(browser, "return document.querySelector(`#${arguments[0]} .scatterlayer .trace`)", key)
    show(browser, f"#{key} .plot")
    browser.execute_script("window.scrollBy({top: -120, behavior: 'instant'})")
    time.sleep(0.2)
    x, y = browser.execute_script(PLACE, key, trace, text)
    for dx in (7, 3, 0):  # the mouse comes from beside
        browser.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x + dx, "y": y}
        )
        time.sleep(0.1)
    return wait(browser, HOVER, key)


def test_the_mouse_names_the_group_and_gives_its_numbers(browser, page, fitted):
    opened(browser, page("slopes"))
    table = fitted("slopes").shrinkage()
    row = table[(table["level"] == "337") & (table["term"] == "Intercept")].iloc[0]
    said = hover(browser, "shrinkage", "no pooling", "Subject 337")
    assert "Subject 337, 10 rows" in said
    assert f"no pooling {row['no_pooling']:.4g}" in said
    assert f"partial pooling {row['partial_pooling']:.4g}" in said
    assert "Subject 337" in hover(browser, "effects", "interval excludes 0", "Subject 337")
    assert browser.get_log("browser") == []


def test_a_name_that_looks_like_code_is_shown_as_text(browser, page):
    opened(browser, page("slopes"))
    assert NASTY in hover(browser, "shrinkage", "no pooling", "alert")
    options = "document.querySelectorAll('#pooling .controls option')"
    assert NASTY in wait(browser, f"return [...{options}].map((o) => o.text)")


def test_a_level_is_chosen_by_list_button_and_click(browser, page):
    opened(browser, page("slopes"))
    chosen = "return document.querySelector('#pooling .controls select').selectedOptions[0].text"
    choose = """
    const select = document.querySelector('#pooling .controls select');
    select.value = [...select.options].findIndex((o) => o.text === arguments[0]);
    select.dispatchEvent(new Event('change'));
    """
    wait(browser, "return document.querySelector('#pooling .scatterlayer .trace')")
    browser.execute_script(choose, "335")
    note = "return document.querySelector('#pooling .controls .note').textContent"
    assert wait(browser, note) == "no line of its own"
    button = "#pooling .controls button[aria-label='next level']"
    browser.execute_script("document.querySelector(arguments[0]).click()", button)
    assert browser.execute_script(chosen) == "337"
    points = "return document.querySelector('#pooling .plot').data.at(-1).y.length"
    assert browser.execute_script(points) == 10


def test_another_picture_is_drawn_when_it_is_chosen(browser, page):
    opened(browser, page("slopes"))
    show(browser, "#shrinkage")  # what is far from the window is not drawn
    browser.execute_script(
        """
        const select = document.querySelector('#shrinkage .chooser');
        select.value = 2;
        select.dispatchEvent(new Event('change'));
        """
    )
    wait(browser, "return document.querySelector('#shrinkage-2 .scatterlayer .trace')")
    assert browser.execute_script("return document.querySelector('#shrinkage-0').hidden")


def test_tables_are_filtered_and_sorted(browser, page):
    opened(browser, page("slopes"))
    table = (
        "const d = [...document.querySelectorAll('#tables details')]"
        ".find((d) => d.textContent.startsWith('ranef')); d.open = true;"
    )
    rows = "return [...d.querySelectorAll('tbody tr')].filter((r) => !r.hidden)"
    browser.execute_script(
        table + "const i = d.querySelector('input'); i.value = '309 days';"
        "i.dispatchEvent(new Event('input'));"
    )
    found = browser.execute_script(table + rows + ".map((r) => r.cells[1].textContent)")
    assert found == ["309"]
    assert browser.execute_script(table + "return d.querySelector('output').textContent") == (
        "1 of 36 rows"
    )
    browser.execute_script(
        table + "const i = d.querySelector('input'); i.value = '';"
        "i.dispatchEvent(new Event('input'));"
        "[...d.querySelectorAll('th')].find((h) => h.textContent === 'mean').click();"
    )
    means = browser.execute_script(table + rows + ".map((r) => Number(r.cells[4].textContent))")
    assert len(means) == 36
    assert means == sorted(means)


@pytest.mark.parametrize("name", ["slopes", "counts", "crossed"])
def test_nothing_is_wider_than_a_phone(browser, page, name):
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        opened(browser, page(name))
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_paper_everything_is_drawn_open_and_as_wide_as_a_page(browser, page):
    browser.get(page("crossed").as_uri())
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    for key in ("pooling", "effects"):
        wait(browser, f"return document.querySelector('#{key} .scatterlayer .trace') !== null")
    shut = "return document.querySelectorAll('details:not([open])').length"
    assert browser.execute_script(shut) == 0
    widths = "return [...document.querySelectorAll('.plot .main-svg, math.equation')]" + (
        ".map((x) => x.getBoundingClientRect().width).filter((w) => w > 0)"
    )
    assert max(browser.execute_script(widths)) <= 641
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(shut) > 0
    assert wait(browser, f"{widths[:-1]} && w > 700).length")
