"""The built site: links, pictures, search, clicks, and how it looks to a browser."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from browser import ABSENT, NEEDED, requests, started

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESKTOP = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
OWN_SCHEMES = ("http", "https", "mailto", "data", "javascript")


class Page(HTMLParser):
    """Anchors, links and pictures of a page; links of its text apart from those around it."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.pictures, self.loaded = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.anchors.add(attrs["id"])
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "img":
            self.pictures.append((attrs.get("src", ""), attrs.get("alt")))
        if tag in ("script", "img") and attrs.get("src"):
            self.loaded.append(attrs["src"])
        if tag == "link" and attrs.get("href") and attrs.get("rel") != "canonical":
            self.loaded.append(attrs["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {
        str(p.relative_to(site)): Page(p.read_text(encoding="utf-8"))
        for p in site.rglob("*.html")
        if "_static" not in p.parts
    }


def _target(site, page, link):
    """File and anchor that a link of a page leads to; None where it leaves the site."""
    parts = urlsplit(link)
    if parts.scheme in OWN_SCHEMES or parts.netloc:
        return None
    own = site / page
    file = (own.parent / unquote(parts.path)).resolve() if parts.path else own.resolve()
    return file, unquote(parts.fragment)


def test_no_internal_link_is_broken(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links:
            found = _target(site, name, link)
            if found is None:
                continue
            file, anchor = found
            there = (
                pages.get(str(file.relative_to(site.resolve()))) if file.suffix == ".html" else None
            )
            if not file.exists() or (anchor and there and anchor not in there.anchors):
                broken.append((name, link))
    assert not broken


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_missing(site, pages):
    for name, page in pages.items():
        for link in page.loaded:
            found = _target(site, name, link)
            assert found is not None or link.startswith("data:"), (name, link)
            assert found is None or found[0].exists(), (name, link)


def test_pictures_of_pages_written_by_hand_say_what_they_show(site, pages, sources):
    for name in sources:
        for source, words in pages[f"{name}.html"].pictures:
            assert words, (name, source)


def test_no_output_is_the_name_of_an_object_alone(site, sources):
    for name in sources:
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        assert not re.search(r"&lt;[\w.]+ (size|object|at 0x)[^&]*&gt;", text), name


def test_every_answer_is_within_two_clicks_of_the_front_page(site, pages, questions):
    def reached(name):
        found = (_target(site, name, link) for link in pages[name].links)
        inside = [t for t in found if t is not None and t[0].suffix == ".html"]
        return {str(file.relative_to(site.resolve())) for file, _ in inside}

    first = reached("index.html")
    second = set().union(*(reached(name) for name in first if name in pages))
    for q in questions:
        assert q["anchor"] in pages[f"{q['page']}.html"].anchors, q
        assert f"{q['page']}.html" in first | second, q


@pytest.fixture(scope="module")
def index(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(re.fullmatch(r"Search\.setIndex\((.*)\)\s*", text, re.DOTALL)[1])


def test_the_search_index_has_the_words_on_the_page(site, index, questions):
    stemmer = pytest.importorskip("snowballstemmer").stemmer("english")
    names = index["docnames"]
    script = (site / "_static" / "language_data.js").read_text(encoding="utf-8")
    ignored = set(re.findall(r'"(\w+)"', re.search(r"stopwords = [^;]*?\]", script)[0]))

    def pages_of(word):
        stem = stemmer.stemWord(word)
        found = [index[kind].get(stem, []) for kind in ("terms", "titleterms")]
        return {names[i] for f in found for i in (f if isinstance(f, list) else [f])}

    for q in questions:
        words = re.findall(r"\w+", q["search"].lower())
        words = [w for w in words if len(w) > 1 and w not in ignored]
        assert words
        assert not [w for w in words if q["page"] not in pages_of(w)], q


def test_language_models_find_every_page_of_the_guide(site, sources):
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# mixedbayes\n\n> ")
    assert not [name for name in sources if f"({name}.html)" not in text]


# ---- in a browser ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if ABSENT:
        pytest.skip(NEEDED)
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    driver = started(webdriver, tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


def _look(browser, site, name, screen):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get_log("browser"), browser.get_log("performance")
    browser.get((site / name).as_uri())
    width = browser.execute_script("return document.documentElement.scrollWidth")
    errors = [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
    return width, errors, [u for u in requests(browser) if not u.startswith("file:")]


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_page_is_wider_than_the_screen_or_writes_an_error(browser, site, pages, screen):
    wrong = []
    for name in pages:
        width, errors, elsewhere = _look(browser, site, name, screen)
        if width > screen["width"] or errors or elsewhere:
            wrong.append((name, width, errors, elsewhere))
    assert not wrong


def test_what_is_wider_than_a_phone_scrolls(browser, site, sources):
    """A table or a block that ends beyond the screen has a box around it that does not."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    lost = {}
    for name in sources:
        browser.get((site / f"{name}.html").as_uri())
        lost[name] = browser.execute_script("""
            const inside = (e) => e.getBoundingClientRect().right <= innerWidth + 1;
            const scrolls = (e) => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
            const boxed = (e) => e && ((scrolls(e) && inside(e)) || boxed(e.parentElement));
            const wide = document.querySelectorAll('.bd-article :is(table, pre, img, math)');
            return [...wide].filter(e => !inside(e) && !boxed(e)).map(e => e.innerText)""")
    assert {name: found for name, found in lost.items() if found} == {}


def test_the_search_finds_the_page_of_each_question(browser, site, questions):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", DESKTOP)
    done = "return document.querySelector('.search-summary')?.textContent.includes('found')"
    script = "return [...document.querySelectorAll('#search-results ul.search li a')]"
    lost = []
    for q in questions:
        words = q["search"].replace(" ", "+")
        browser.get(f"{(site / 'search.html').as_uri()}?q={words}")
        WebDriverWait(browser, 20).until(lambda b: b.execute_script(done))
        links = browser.execute_script(f"{script}.map(a => a.getAttribute('href'))")
        first = [link.split("?")[0].split("#")[0] for link in links[:4]]
        if f"{q['page']}.html" not in first:
            lost.append((q["search"], q["page"], first))
    assert not lost
