"""Every control of the page in a browser without network, and the numbers that it then shows."""

import numpy as np
import pytest
from browser import ABSENT, NEEDED, requests, started
from dense_pooling import Dense

from mixedbayes.explore.sums import sums_of
from mixedbayes.plots.multiples import varying_group

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
pytestmark = pytest.mark.skipif(ABSENT, reason=NEEDED)

NASTY = "<script>alert('no')</script>&\"<b>{{"
ALL = ["sleep", "simpson", "gpa", "apart", "slope", "schools", "crossed", "machines", "bent"]
CLOSE = {"rtol": 1e-10, "atol": 1e-10}
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = started(webdriver, tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, page):
    """The page of a model, whose log has no error when the test ends."""

    def get(name):
        browser.get_log("browser"), browser.get_log("performance")
        browser.get(page(name).as_uri())
        return browser

    yield get
    assert browser.get_log("browser") == []


@pytest.fixture
def rows(fitted):
    """Sums of a model and its rows for dense least squares."""

    def get(name):
        post = fitted(name).posterior
        sums = sums_of(post, varying_group(post, None))
        return sums, Dense.of(sums)

    return get


def run(browser, script, *arguments):
    return browser.execute_script(script, *arguments)


def find(browser, selector):
    return browser.find_element("css selector", selector)


def click(browser, selector):
    run(browser, "document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
    find(browser, selector).click()


def press(browser, selector, *keys):
    find(browser, selector).send_keys(*keys)


def said(browser):
    return run(browser, "return document.getElementById('said').textContent")


def typed(browser, key, value):
    """A number typed into the field beside a slider."""
    keys = webdriver.Keys
    press(browser, f"#exact-{key}", keys.CONTROL + "a", keys.NULL, repr(value), keys.TAB)


def table(browser):
    """By the head of its row: n, and (q, 4) own, pooled, sd and pooling."""
    found = run(
        browser,
        "return [...document.querySelectorAll('#table tbody tr')].map((r) =>"
        "[r.cells[0].textContent, [...r.cells].slice(1).map((c) => c.dataset.value)])",
    )
    out = {}
    for head, cells in found:
        values = np.array([float(v) for v in cells])
        out[head] = values[0], values[1:].reshape(-1, 4)
    return out


def state(browser):
    """What all controls show."""
    return run(
        browser,
        "return [...document.querySelectorAll('#controls input, #controls select')]"
        ".filter((e) => !['answer'].includes(e.name))"
        ".map((e) => [e.id || e.value, e.type === 'radio' ? e.checked : e.value])",
    )


def agree(browser, sums, dense, *, sd, cor=0.0, sigma=1.0, weights=None, newcomer=None):
    """The table has the numbers that all rows give."""
    J = sums.group.n_levels
    weights = np.ones(J) if weights is None else np.array(weights, float)
    labels = [str(level) for level in sums.group.levels]
    if newcomer is not None:
        dense, weights, labels = newcomer, np.append(weights, 1.0), [*labels, "newcomer"]
    wanted = dense.given(np.array(sd), cor, sigma, weights)
    found = table(browser)
    for j, name in enumerate(labels):
        _, values = found[name]
        np.testing.assert_allclose(values[:, 1], wanted["coef"][j].astype(float), **CLOSE)
        np.testing.assert_allclose(values[:, 2], wanted["sd"][j].astype(float), **CLOSE)
        np.testing.assert_allclose(values[:, 3], wanted["pooling"][j].astype(float), **CLOSE)


def means(sums):
    cor = 0.0 if sums.cor is None else float(sums.cor.mean())
    sigma = 1.0 if sums.sigma is None else float(sums.sigma.mean())
    return {"sd": sums.sd.mean(axis=0), "cor": cor, "sigma": sigma}


@pytest.mark.parametrize("name", ALL)
def test_a_page_opens_with_the_numbers_of_python_and_asks_for_nothing(opened, rows, page, name):
    browser = opened(name)
    agree(browser, *rows(name), **means(rows(name)[0]))
    assert requests(browser) == [page(name).as_uri()]
    for picture, mark in (("lines", "pooled"), ("lines", "population"), ("arrows", "pooled-dot")):
        drawn = f"return document.querySelectorAll('#{picture} .{mark}').length"
        assert run(browser, drawn) >= 1
    odd = "return [...document.querySelectorAll('#lines [d], #arrows [d]')]"
    assert (
        run(browser, odd + ".filter((e) => /NaN|Infinity/.test(e.getAttribute('d'))).length") == 0
    )


def test_numbers_are_typed_and_computed_to_the_last_digits(opened, rows):
    browser, (sums, dense) = opened("sleep"), rows("sleep")
    at = {"sd": [12.5, 3.25], "cor": -0.625, "sigma": 31.0}
    for key, value in (("sd0", 12.5), ("sd1", 3.25), ("cor", -0.625), ("sigma", 31.0)):
        typed(browser, key, value)
        assert float(find(browser, f"#scale-{key}").get_attribute("value")) == pytest.approx(
            value, rel=0.02
        )
    agree(browser, sums, dense, **at)
    assert said(browser).startswith("sigma, the sd of residuals 31 ms. Subject ")
    assert "→" in said(browser)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("sd0", -1.0, "0 or greater"),
        ("cor", 1.5, "between −1 and 1"),
        ("sigma", 0.0, "greater than 0"),
    ],
)
def test_numbers_that_cannot_be_are_refused(opened, key, value, why):
    browser = opened("sleep")
    before = find(browser, f"#exact-{key}").get_attribute("value")
    shown = table(browser)["308"][1]
    typed(browser, key, value)
    assert why in said(browser)
    assert (table(browser)["308"][1] == shown).all()
    assert find(browser, f"#exact-{key}").get_attribute("value") == before


@pytest.mark.parametrize("key", ["sd0", "sd1", "cor", "sigma"])
def test_sliders_move_by_keyboard_and_say_what_changed(opened, rows, key):
    browser, (sums, dense) = opened("sleep"), rows("sleep")
    slider = find(browser, f"#scale-{key}")
    start = float(slider.get_attribute("value"))
    press(browser, f"#scale-{key}", webdriver.Keys.ARROW_RIGHT)
    after = float(slider.get_attribute("value"))
    assert after > start
    assert said(browser).count("Subject 309: Intercept ") == 1
    at = means(sums)
    if key.startswith("sd"):
        at["sd"][int(key[2])] = after
    else:
        at[key] = after
    agree(browser, sums, dense, **at)
    assert "posterior mean" in slider.get_attribute("aria-valuetext")
    ghost = "return document.querySelectorAll('#lines .before').length"
    assert run(browser, ghost) == 1
    press(browser, f"#scale-{key}", webdriver.Keys.HOME)
    assert float(slider.get_attribute("value")) == float(slider.get_attribute("min"))
    assert "→" in said(browser)


def test_a_slider_is_dragged(opened):
    browser = opened("simpson")
    slider = find(browser, "#scale-sd0")
    drag = webdriver.ActionChains(browser).click_and_hold(slider).move_by_offset(60, 0)
    before = said(browser)
    drag.perform()
    moved = float(find(browser, "#exact-sd0").get_attribute("value"))
    assert said(browser) == before  # it speaks when the slider is let go
    webdriver.ActionChains(browser).release().perform()
    assert moved > float(slider.get_attribute("max")) / 2
    assert said(browser) != before


@pytest.mark.parametrize("name", ["sleep", "slope", "schools", "machines"])
def test_presets(opened, rows, fitted, name):
    browser, (sums, dense) = opened(name), rows(name)
    pressed = "return [...document.querySelectorAll('[aria-pressed=true]')].map((b) => b.id)"
    assert run(browser, pressed) == ["preset-posterior"]
    click(browser, "#preset-complete")
    assert run(browser, pressed) == ["preset-complete"]
    agree(browser, sums, dense, **(means(sums) | {"sd": np.zeros(len(sums.group.terms))}))
    groups = {k: v for k, v in table(browser).items() if k != "population"}
    everybody = table(browser)["population"][1][:, 1]
    for _, values in groups.values():
        np.testing.assert_array_equal(values[:, 1], everybody)
        np.testing.assert_allclose(values[:, 3], 1.0, rtol=1e-12)
    click(browser, "#preset-none")
    assert run(browser, pressed) == ["preset-none"]
    for head, (_, values) in table(browser).items():
        if head != "population":
            np.testing.assert_array_equal(values[:, 0], values[:, 1])
    assert find(browser, "#exact-sd0").get_attribute("placeholder") == "∞"
    assert run(browser, "return document.querySelectorAll('#lines .population').length") == 0
    click(browser, "#preset-posterior")
    agree(browser, sums, dense, **means(sums))


def test_no_pooling_leaves_out_what_the_rows_do_not_say(opened):
    browser = opened("sleep")
    click(browser, "#preset-none")
    found = table(browser)
    assert np.isnan(found["373"][1][1, 1])  # one row
    assert found["373"][1][0, 1] == pytest.approx(245)
    assert found["374"][1][:, 1] == pytest.approx([286, 2])
    press(browser, "#find", "373", webdriver.Keys.ENTER)
    assert "no line of its own" in find(browser, "#lines-words").text
    assert "nothing to predict" in find(browser, "#question").text


def chosen(browser):
    return run(browser, "return document.getElementById('chosen').selectedOptions[0].text")


def test_a_group_is_found_and_chosen(opened):
    browser = opened("sleep")
    press(browser, "#find", "33")
    assert find(browser, "#found").text == "7 of 20"
    heads = list(table(browser))
    assert heads[:3] == ["population", "330", "331"]
    press(browser, "#find", webdriver.Keys.ENTER)
    assert chosen(browser) == "Subject 330"
    assert "Subject 330, 10 rows: Intercept" in said(browser)
    click(browser, "#following")
    assert chosen(browser) == "Subject 331"
    click(browser, "#previous")
    click(browser, "#previous")
    assert chosen(browser) == "Subject 337"
    press(browser, "#find", webdriver.Keys.BACKSPACE, webdriver.Keys.BACKSPACE)
    assert find(browser, "#found").text == "20 of 20"
    press(browser, "#chosen", webdriver.Keys.ARROW_DOWN)
    assert chosen(browser) == "Subject 349"
    assert find(browser, "#lines-title").text == "Subject 349 among all groups"
    click(browser, "#table [data-choose='0']")
    assert chosen(browser) == "Subject 308"
    assert run(browser, "return document.querySelector('#table .mine th').textContent") == "308"


PICTURES = [("sleep", "lines"), ("sleep", "arrows"), ("slope", "arrows"), ("schools", "lines")]


@pytest.mark.parametrize(("name", "picture"), PICTURES)
def test_a_group_is_chosen_in_the_pictures(opened, name, picture):
    browser = opened(name)
    before = chosen(browser)
    g = run(
        browser,
        "const hits = [...document.querySelectorAll(`#${arguments[0]} .hit`)];"
        "const chosen = document.getElementById('chosen').value;"
        "const other = hits.find((h) => h.dataset.group !== chosen);"
        "other.dispatchEvent(new MouseEvent('click', {bubbles: true}));"
        "return other.dataset.group",
        picture,
    )
    assert find(browser, "#chosen").get_attribute("value") == g
    assert chosen(browser) != before


def test_a_group_is_deleted_halved_and_doubled(opened, rows):
    browser, (sums, dense) = opened("sleep"), rows("sleep")
    weights = np.ones(20)
    g = int(find(browser, "#chosen").get_attribute("value"))
    words = {"0": "deleted", "0.5": "half weight", "2": "each row twice", "1": "once"}
    for value, what in words.items():
        click(browser, f"[name=weight][value='{value}']")
        weights[g] = float(value)
        agree(browser, sums, dense, **means(sums), weights=weights)
        assert f"{sums.group.levels[g]}: {what}." in said(browser)
        assert "Population: Intercept " in said(browser)
    click(browser, "[name=weight][value='0']")
    assert ", deleted" in chosen(browser)
    assert np.isnan(table(browser)[str(sums.group.levels[g])][1][:, 0]).all()
    press(browser, "[name=weight][value='0']", webdriver.Keys.ARROW_RIGHT)  # from radio to radio
    weights[g] = 0.5
    agree(browser, sums, dense, **means(sums), weights=weights)
    click(browser, "#restore")
    agree(browser, sums, dense, **means(sums))
    assert not find(browser, "#restore").is_enabled()


def test_a_newcomer_is_typed(opened, rows):
    browser, (sums, dense) = opened("sleep"), rows("sleep")
    days, reaction = [0.0, 3.5, 12.0], [401.25, 380.0, 500.5]
    assert not find(browser, "#leave").is_enabled()
    for x, y in zip(days, reaction, strict=True):
        field = find(browser, "#new-x")
        field.clear()
        field.send_keys(str(x))
        press(browser, "#new-y", str(y), webdriver.Keys.ENTER)
    columns = np.column_stack([np.ones(3), days])

    def more(n):
        return Dense(
            np.vstack([dense.X, columns[:n]]), np.vstack([dense.Z, columns[:n]]),
            np.append(dense.y, reaction[:n]), np.append(dense.w, np.ones(n)),
            np.append(dense.refs, [20] * n), 21, dense.placed, dense.prior, dense.rows, dense.back,
        )  # fmt: skip

    agree(browser, sums, dense, **means(sums), newcomer=more(3))
    assert "Newcomer: Intercept " in said(browser)
    assert run(browser, "return document.activeElement.id") == "new-y"
    drawn = "return document.querySelectorAll('#lines .newcomer-dot').length"
    assert run(browser, drawn) == 3
    assert find(browser, "#newcomer-key").is_displayed()
    click(browser, "[aria-label='Remove row Days 12: 500.5']")
    agree(browser, sums, dense, **means(sums), newcomer=more(2))
    click(browser, "#leave")
    assert "newcomer" not in table(browser)
    agree(browser, sums, dense, **means(sums))


@pytest.mark.parametrize(
    ("name", "place", "columns"),
    [("machines", "B", [1.0, 1.0, 0.0]), ("bent", "9", [1.0, 9.0, 81.0]), ("schools", None, [1.0])],
)
def test_a_newcomer_where_places_are_chosen(opened, rows, name, place, columns):
    browser, (sums, dense) = opened(name), rows(name)
    if place is not None:
        press(browser, "#new-x", place)
    press(browser, "#new-y", "70")
    click(browser, "#add")
    J = dense.J
    more = Dense(
        np.vstack([dense.X, columns]), np.vstack([dense.Z, [1.0]]), np.append(dense.y, 70.0),
        np.append(dense.w, 1.0), np.append(dense.refs, J), J + 1, dense.placed, dense.prior,
        dense.rows, dense.back,
    )  # fmt: skip
    agree(browser, sums, dense, **means(sums), newcomer=more)


@pytest.mark.parametrize("name", ["sleep", "simpson", "schools"])
def test_questions_are_answered_after_the_reader_has_chosen(opened, name):
    browser = opened(name)
    start, numbers = state(browser), table(browser)
    count = int(find(browser, "#question").text.split()[2].rstrip("."))
    assert count >= 4
    asked, right = set(), 0
    for k in range(count):
        question = find(browser, "#question").text
        assert question.startswith(f"{k + 1} of {count}. ")
        asked.add(question)
        assert not find(browser, "#reveal").is_enabled()
        assert find(browser, "#verdict").text == ""
        click(browser, f"#choices label:nth-child({k % 3 + 1}) input")
        click(browser, "#reveal")
        verdict = find(browser, "#verdict").text
        assert verdict.startswith(("Yes: ", "No: "))
        right += verdict.startswith("Yes")
        if "is halved" in question:
            assert "towards the population" in verdict or "away" in verdict or "hardly" in verdict
        if "a line is still drawn" in question:
            assert "on the line of the population" in verdict
        if "Does it rise or fall" in question:
            assert "it falls" in verdict  # all rows of simpson together
        click(browser, "#next")
        np.testing.assert_equal(table(browser), numbers)
        assert [v for v in state(browser) if v[0] != "chosen"] == [
            v for v in start if v[0] != "chosen"
        ]
    assert len(asked) == count
    assert 0 < right < count or count < 6


def test_half_the_sd_of_one_effect_pulls_its_extreme_group(opened, rows):
    """The first answer is what the numbers say."""
    browser, (sums, _) = opened("schools"), rows("schools")
    question = find(browser, "#question").text
    name = question.split("of school ")[1].rstrip("?")
    before = table(browser)
    click(browser, "#choices label:nth-child(1) input")
    click(browser, "#reveal")
    after = table(browser)

    def away(found):
        return abs(found[name][1][0, 1] - found["population"][1][0, 1])

    assert away(after) < away(before)
    assert find(browser, "#verdict").text.startswith("Yes: it moves towards the population's.")
    assert float(find(browser, "#exact-sd0").get_attribute("value")) == pytest.approx(
        sums.sd.mean() / 2, rel=1e-5
    )
    press(browser, "#scale-sd0", webdriver.Keys.ARROW_RIGHT)  # what follows is another question
    assert find(browser, "#verdict").text == ""
    assert not find(browser, "#reveal").is_enabled()


def test_simpson_is_shown_where_the_data_have_it(opened, rows):
    browser, (sums, dense) = opened("simpson"), rows("simpson")
    click(browser, "#simpson")
    assert "all rows together have slope −0.354" in said(browser)
    assert "within a group 0.95" in said(browser)
    agree(browser, sums, dense, **(means(sums) | {"sd": [0.0]}))
    opened("sleep")
    assert not find(browser, "#simpson").is_displayed()
    assert 'load_data("simpson")' in find(browser, "#no-simpson").text


def test_the_most_unusual_group_is_shown(opened, rows):
    browser, (sums, dense) = opened("sleep"), rows("sleep")
    click(browser, "#outlier")
    name = chosen(browser).removeprefix("Subject ").removesuffix(", deleted")
    weights = (np.asarray(sums.group.levels) != name).astype(float)
    assert weights.sum() == 19
    assert f"Subject {name} lies furthest" in said(browser)
    agree(browser, sums, dense, **means(sums), weights=weights)

    # Mahalanobis' distance of the group's rows from what the population lets expect.
    def far(j):
        at, own = means(sums), dense.refs == j
        R = np.array([[1, at["cor"]], [at["cor"], 1]])
        Z, psi = dense.Z[own], np.outer(at["sd"], at["sd"]) * R
        beta = dense.given(at["sd"], at["cor"], at["sigma"], np.ones(20))["population"].astype(
            float
        )
        V, rest = Z @ psi @ Z.T + at["sigma"] ** 2 * np.eye(own.sum()), dense.y[own] - Z @ beta
        left = rest - Z @ np.linalg.lstsq(Z, rest)[0]  # what no line of the group's would reach
        return rest @ np.linalg.solve(V, rest) - left @ left / at["sigma"] ** 2

    assert str(sums.group.levels[int(np.argmax([far(j) for j in range(20)]))]) == name


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("phone", [True, False])
def test_nothing_is_wider_than_the_window(opened, browser, name, phone):
    if phone:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        opened(name)
        width = run(browser, "return [document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1]
        if phone:  # the picture stays in sight while a slider is moved
            run(browser, "document.querySelector('#scales').scrollIntoView()")
            top = "return document.querySelector('#lines').getBoundingClientRect().top"
            assert 0 <= run(browser, top) < 60
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_page_is_drawn_anew_when_its_width_changes(opened, browser):
    opened("sleep")
    wide = run(browser, "return document.querySelector('#lines').getAttribute('viewBox')")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        narrow = "return document.querySelector('#lines').getAttribute('viewBox')"
        browser.execute_async_script("setTimeout(arguments[0], 200)")
        assert run(browser, narrow) != wide
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name_and_is_reached_by_the_keyboard(opened, browser):
    opened("sleep")
    press(browser, "#new-x", "1")
    press(browser, "#new-y", "300", webdriver.Keys.ENTER)
    controls = "[...document.querySelectorAll('button, input, select, summary, [tabindex]')]"
    visible = f"{controls}.filter((e) => e.offsetParent !== null && !e.disabled)"
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "slider", "spinbutton", "combobox", "searchbox", "radio", "image", "region"}
    named = [
        (n["role"]["value"], n.get("name", {}).get("value", ""))
        for n in nodes
        if n.get("role", {}).get("value") in roles and not n.get("ignored")
    ]
    assert {role for role, _ in named} >= roles - {"region"}
    assert [role for role, name in named if not name.strip()] == []
    for group in ("How much is pooled", "One group", "A newcomer", "Predict, then look"):
        assert any(n.get("name", {}).get("value") == group for n in nodes)
    run(browser, "document.activeElement.blur(); window.scrollTo(0, 0);"
                 "document.body.tabIndex = -1; document.body.focus()")  # fmt: skip
    reached = set()
    for _ in range(run(browser, f"return {visible}.length") + 10):
        webdriver.ActionChains(browser).send_keys(webdriver.Keys.TAB).perform()
        reached.add(run(browser, f"return {controls}.indexOf(document.activeElement)"))
    # Of radios one is reached by Tab, and the others by arrows.
    missed = run(
        browser,
        f"return {visible}.filter((e) => e.type !== 'radio' && "
        f"!arguments[0].includes({controls}.indexOf(e))).map((e) => e.outerHTML)",
        sorted(reached),
    )
    assert missed == []
    live = "return [...document.querySelectorAll('[aria-live=polite]')].map((e) => e.id)"
    assert run(browser, live) == ["said", "verdict"]


# Contrast of what is read and of what is drawn with what is behind it, as WCAG computes it.
CONTRAST = """
const channel = (v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number);
  return .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b); };
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + .05) / (y + .05); };
const behind = (e) => { for (; e; e = e.parentElement) {
  const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; }
  return getComputedStyle(document.body).backgroundColor; };
const found = [];
for (const e of document.querySelectorAll('body *')) {
  if (e.disabled || !e.getClientRects().length || e.closest('.hidden, .skip')) continue;
  const style = getComputedStyle(e), svg = e instanceof SVGElement;
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  const text = e.outerHTML.slice(0, 80), kind = e.getAttribute('class');
  if (own) found.push([ratio(svg ? style.fill : style.color, behind(e)), 4.5, text]);
  if (svg && /^(pooled|own|population|newcomer|before|cross)$/.test(kind)) {
    found.push([ratio(style.stroke, behind(e)), 3, text]);
  }
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_have_enough_contrast(opened, browser, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        opened("simpson")
        click(browser, "#preset-complete")
        found = run(browser, CONTRAST)
        assert len(found) > 60
        assert [f for f in found if f[0] < f[1]] == []
        back = run(browser, "return getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(255, 255, 255)") == (scheme == "light")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_name_that_looks_like_code_is_shown_as_text(opened):
    browser = opened("sleep")
    assert NASTY in table(browser)
    press(browser, "#find", "alert")
    press(browser, "#find", webdriver.Keys.ENTER)
    assert chosen(browser) == f"Subject {NASTY}"
    assert NASTY[:10] in find(browser, "#arrows").text


def test_groups_far_from_zero_are_told_apart(opened, rows):
    """A response of mean 1e6: labels inside of the picture, numbers and points where they are."""
    browser, (sums, _) = opened("far"), rows("far")
    shown = run(
        browser,
        "return [...document.querySelectorAll('#table tbody tr')].map((r) =>"
        "[...r.cells].map((c) => c.textContent))",
    )
    pooled = [float(cells[3].replace("−", "-")) for cells in shown[1:]]
    exact = [values[0, 1] for name, (_, values) in table(browser).items() if name != "population"]
    np.testing.assert_allclose(pooled, exact, atol=0.01)
    assert len(set(pooled)) == 8
    assert {cells[0] for cells in shown} == {"population", '""', *(f"g{k}" for k in range(1, 8))}
    for picture in ("lines", "arrows"):
        written = run(
            browser,
            "return [...document.querySelectorAll(`#${arguments[0]} > text.muted`)].map((t) =>"
            "[t.textContent, t.getAttribute('text-anchor'), t.getBBox().x])",
            picture,
        )
        for anchor in ("end", "middle"):
            along = [text for text, own, _ in written if own == anchor]
            assert len(along) == len(set(along)) > 1
        assert min(x for _, _, x in written) >= 0
    heights = run(
        browser,
        "return JSON.parse(document.getElementById('content').textContent).points.y.bytes.length",
    )
    assert heights >= 8 * len(sums.y)  # as doubles: floats would be 0.06 apart
    press(browser, "#new-x", "2")
    press(browser, "#new-y", "1000012.25", webdriver.Keys.ENTER)
    assert "x 2: 1000012.25" in find(browser, "#typed").text
