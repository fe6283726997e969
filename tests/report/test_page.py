"""The page of a fit: complete, self-contained, safe, small."""

import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest

import mixedbayes as mb
from mixedbayes.report.page import MARK

SECTIONS = [
    "summary", "model", "population", "means", "shrinkage", "pooling", "effects", "tables",
    "checks", "diagnostics", "session",
]  # fmt: skip
VOID = {"meta", "link", "br", "input", "img", "hr"}
FAMILIES = [
    "student_t", "lognormal", "gamma", "beta", "bernoulli", "poisson", "negative_binomial",
    "cumulative",
]  # fmt: skip
NASTY = "<script>alert('no')</script>&\"<b>"


class Reader(HTMLParser):
    """Collects elements, and the texts of scripts, and checks that elements are closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.scripts, self.styles = [], [], [], []
        self.texts, self.places = {}, []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
            self.places.append(next(reversed(self.texts), ""))
        if tag == "section":
            self.texts[dict(attrs)["id"]] = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] == "style":
            self.styles.append(data)
        elif self.texts and "section" in self.open:
            self.texts[next(reversed(self.texts))] += data

    def figures(self, *sections):
        """The pictures of some sections, by default of all."""
        kinds = [a for t, a in self.elements if t == "script"]
        found = zip(self.scripts, kinds, self.places, strict=True)
        texts = [s for s, a, at in found if "type" in a and (not sections or at in sections)]
        return [json.loads(t) for t in texts]


@pytest.fixture(scope="session")
def read(page):
    made = {}

    def get(name):
        if name not in made:
            made[name] = Reader(page(name).read_text(encoding="utf-8"))
        return made[name]

    return get


@pytest.mark.parametrize("name", ["slopes", "counts", "crossed", "line", "many"])
def test_nothing_is_loaded_from_elsewhere(read, name):
    found = read(name)
    for tag, attrs in found.elements:
        for key in ("src", "href", "data", "action", "srcset", "poster"):
            value = attrs.get(key)
            assert value is None or value.startswith(("#", "data:,")), (tag, key, value)
    assert not re.search(r"@import|url\(", "".join(found.styles))
    (policy,) = [a["content"] for t, a in found.elements if "http-equiv" in a]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


@pytest.mark.parametrize("name", ["slopes", "counts", "crossed", "line", "nothing", "spread"])
def test_all_sections_are_there_and_say_something(read, name):
    found = read(name)
    assert [a["id"] for t, a in found.elements if t == "section"] == SECTIONS
    for key in SECTIONS:
        assert len(found.texts[key]) > len(key) + 20, key
    links = [a["href"] for t, a in found.elements if t == "a"]
    assert links == [f"#{s}" for s in SECTIONS]


GROUPS = ("shrinkage", "pooling", "effects")


def test_pictures_are_those_of_the_model(read):
    assert len(read("slopes").figures(*GROUPS)) == 3 + 1 + 2  # plane, two terms; lines; two terms
    assert len(read("crossed").figures(*GROUPS)) == 2 + 2 + 2
    assert len(read("counts").figures(*GROUPS)) == 0 + 1 + 1
    assert read("line").figures(*GROUPS) == []
    assert len(read("slopes").figures("population")) == 1
    assert len(read("counts").figures("population")) == 2  # log odds, odds ratios
    assert len(read("slopes").figures("means")) == 2  # along Days; slope
    assert len(read("counts").figures("means")) == 3  # means, differences, odds ratios
    for name in ("slopes", "counts", "crossed", "line", "nothing"):
        assert len(read(name).figures("checks")) == 3  # replicates; residuals, quantiles


def test_means_are_those_of_the_fit(fitted, read):
    along, slope = read("slopes").figures("means")
    found = fitted("slopes").means({"Days": [0, 9]})["mean"]
    (line,) = (t for t in along["data"] if t.get("name") == "mean" and len(t["x"]) > 1)
    np.testing.assert_allclose([line["y"][0], line["y"][-1]], found, rtol=1e-3)
    points = [v for t in slope["data"] if t.get("name") == "mean" for v in t["x"]]
    np.testing.assert_allclose(points, fitted("slopes").slopes("Days")["mean"], rtol=1e-4)


def test_replicates_of_counts_are_shares_of_rows(fitted, read):
    picture = read("counts").figures("checks")[0]
    (data,) = (t for t in picture["data"] if t.get("name") == "data" and len(t["x"]) > 1)
    y = fitted("counts").model.data["incidence"]
    assert data["y"][0] == pytest.approx((y == 0).mean(), rel=1e-3)
    assert sum(data["y"]) == pytest.approx(1, rel=1e-3)


def test_plotly_accepts_every_picture(read):
    for name in ("slopes", "counts", "crossed", "many"):
        for figure in read(name).figures():
            go.Figure(data=figure["data"], layout=figure["layout"])


def test_a_user_s_names_are_text(read):
    found = read("slopes")
    plain = [a for t, a in found.elements if t == "script" and not a]
    assert len(plain) == 2  # plotly's and ours
    assert NASTY in found.texts["tables"]
    figures = found.figures(*GROUPS)
    hover = json.dumps([f["data"] for f in figures])
    assert "<script" not in hover
    assert "&lt;script&gt;alert('no')&lt;/script&gt;" in hover
    levels = figures[3]["extra"]["levels"]
    (own,) = [v for v in levels if v["name"] == NASTY]  # the page makes it a text, never HTML
    assert "<script" not in own["hover"]


def test_the_hover_of_shrinkage_has_the_table_s_numbers(fitted, read):
    plane, table = read("slopes").figures("shrinkage")[0], fitted("slopes").shrinkage()
    points = {t["name"]: t for t in plane["data"] if t.get("hoverinfo") == "text"}
    assert len(points["partial pooling"]["x"]) == 18
    assert len(points["no pooling"]["x"]) == 17  # one subject has one row
    row = table[(table["level"] == "309") & (table["term"] == "Days")].iloc[0]
    at = next(k for k, h in enumerate(points["partial pooling"]["hovertext"]) if "Subject 309" in h)
    assert points["partial pooling"]["y"][at] == pytest.approx(row["partial_pooling"], rel=1e-4)
    said = points["partial pooling"]["hovertext"][at]
    assert f"no pooling {row['no_pooling']:.4g}" in said
    assert f"complete {row['complete_pooling']:.4g}" in said
    assert f"pooling factor {row['pooling']:.2f}" in said
    alone = next(h for h in points["partial pooling"]["hovertext"] if "Subject 335" in h)
    assert "1 row<br>" in alone
    assert "none: 1 row for 2 effects" in alone


def test_the_lines_of_pooling_are_those_of_the_tables(fitted, read):
    fit, (figure,) = fitted("slopes"), [f for f in read("slopes").figures() if f["script"]]
    level = next(v for v in figure["extra"]["levels"] if v["name"] == "310")
    x = np.array(figure["extra"]["x"])
    table = fit.shrinkage().set_index(["level", "term"]).loc["310"]
    for kind, column in (
        ("none", "no_pooling"), ("partial", "partial_pooling"), ("complete", "complete_pooling"),
    ):  # fmt: skip
        expected = table.loc["Intercept", column] + table.loc["Days", column] * x
        np.testing.assert_allclose(level["lines"][kind][0], expected, rtol=2e-4)
    data = fit.model.data[fit.model.data["Subject"] == "310"]
    np.testing.assert_allclose(level["data"][1], data["Reaction"], rtol=1e-4)
    lone = next(v for v in figure["extra"]["levels"] if v["name"] == "335")
    assert lone["note"] == "no line of its own"
    assert set(lone["lines"]["none"][0]) == {None}


def test_lines_on_the_scale_of_the_response(fitted, read):
    fit, (figure,) = fitted("counts"), [f for f in read("counts").figures() if f["script"]]
    level = figure["extra"]["levels"][0]
    new = fit.model.data[fit.model.data["herd"].astype(str) == level["name"]].copy()
    expected = fit.predict(new, kind="mean")["mean"].to_numpy()
    at = level["data"][0]  # codes of the periods
    np.testing.assert_allclose(np.array(level["lines"]["partial"][0])[at], expected, rtol=1e-4)
    np.testing.assert_allclose(level["data"][1], new["incidence"] / new["size"], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "section", "said"),
    [
        ("counts", "shrinkage", "No picture: shrinkage() compares with least squares"),
        ("counts", "tables", "No shrinkage: "),
        ("counts", "model", "No other forms: ways() writes Gaussian models"),
        ("line", "shrinkage", "the model has no group effects, so nothing is pooled"),
        ("line", "pooling", "the model has no group effects"),
        ("line", "effects", "No picture: the model has no group effects."),
        ("line", "tables", "No ranef: the model has no group effects."),
        ("spread", "shrinkage", "sigma has a formula of its own"),
        ("summary_only", "pooling", "only their summaries were kept"),
        ("nothing", "means", "No picture: the model has no population predictor."),
        ("nothing", "checks", "the report was made without them"),
    ],
)
def test_what_is_not_there_has_its_reason(read, name, section, said):
    assert said in read(name).texts[section]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_page(fitted, read, family):
    found = read(family)
    assert [a["id"] for t, a in found.elements if t == "section"] == SECTIONS
    figures = found.figures()
    assert any(f["script"] == "pooling" for f in figures)
    assert found.figures("means")
    assert len(found.figures("checks")) == 3
    least_squares = family == "student_t"
    assert any("no pooling" in json.dumps(f["data"]) for f in figures) == least_squares
    assert "math" in [t for t, _ in found.elements]
    assert "No equations" not in found.texts["model"]
    for figure in (f for f in figures if f["script"]):
        y = [v for level in figure["extra"]["levels"] for v in level["data"][1]]
        low, high = figure["layout"]["yaxis"]["range"]
        assert low <= min(y) <= max(y) <= high


def test_checks_are_in_words(read):
    said = read("slopes").texts["checks"]
    for title in ("Convergence", "Residuals against fitted", "Prior sensitivity", "Collinearity"):
        assert title in said


def test_the_code_of_the_session_makes_the_same_fit(fitted, read):
    fit = fitted("slopes")
    start = read("slopes").texts["session"]
    code = start[start.index("import mixedbayes") : start.index("\n)") + 2]
    space = {"data": fit.model.data}
    exec(code.replace("    data,", "    data, progress=False,"), space)
    again = space["fit"]
    assert again.fixef().equals(fit.fixef())
    for text in ("mixedbayes 0", "nutpie", "seed=1", "Python"):
        assert text in start


def test_300_groups_are_small_enough_to_mail(page):
    size = page("many").stat().st_size
    assert 4e6 < size < 8e6


def test_the_title_and_the_interval_are_the_user_s(fitted, tmp_path):
    path = fitted("nothing").report(
        tmp_path / "r.html", prob=0.8, title="Réaction <1>", checks=False
    )
    text = path.read_text(encoding="utf-8")
    assert "<title>Réaction &lt;1&gt;</title>" in text
    assert "80 % equal-tailed interval" in text


def test_an_old_page_stays_if_the_new_one_fails(fitted, tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text(MARK)

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(mb.MixedBayesError, match="disk full"):
        fitted("nothing").report(path, checks=False)
    assert path.read_text() == MARK
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_errors(fitted, tmp_path):
    fit = fitted("nothing")
    with pytest.raises(mb.FileError, match="does not exist"):
        fit.report(tmp_path / "none" / "r.html")
    with pytest.raises(mb.FileError, match="is a folder"):
        fit.report(tmp_path)
    with pytest.raises(mb.FileError, match=r"not a file .pdf; call it r.html"):
        fit.report(tmp_path / "r.pdf")
    (tmp_path / "own.html").write_text("<html>mine</html>")
    with pytest.raises(mb.FileError, match=r"own.html is there and is no report of mixedbayes"):
        fit.report(tmp_path / "own.html")
    assert (tmp_path / "own.html").read_text() == "<html>mine</html>"
    again = fit.report(tmp_path / "r.htm", checks=False)
    assert fit.report(again, checks=False) == again
    with pytest.raises(mb.ModelError, match="prob"):
        fit.report(tmp_path / "r.html", prob=95)


def test_depths_of_trees_are_said_of_trees_alone(fitted):
    from mixedbayes.report import sections
    from mixedbayes.report.source import Source

    post = fitted("counts").posterior
    assert "trees at full depth" in sections._diagnostics(Source(post, None, 0.9))
    stats = post.sample_stats().drop_vars(["reached_max_treedepth", "tree_depth", "n_steps"])
    tree = post.idata.copy()
    tree["sample_stats"].dataset = stats
    said = sections._diagnostics(Source(replace(post, idata=tree), None, 0.9))
    assert "trees at full depth" not in said
    assert "E-BFMI" in said
