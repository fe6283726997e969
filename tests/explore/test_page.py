"""The page as a file: what it holds, how large it is, and which models it refuses."""

import base64
import json
import re

import numpy as np
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.estimands.grid import Columns
from mixedbayes.explore import lines as drawn
from mixedbayes.explore.content import content
from mixedbayes.explore.lines import lines_of
from mixedbayes.explore.page import explore
from mixedbayes.explore.sums import sums_of
from mixedbayes.plots.multiples import varying_group

NASTY = "<script>alert('no')</script>&\"<b>{{"


def held(path):
    """What a page was given."""
    text = path.read_text(encoding="utf-8")
    return json.loads(
        re.search(r'<script type="application/json" id="content">(.*?)</script>', text)[1]
    )


def array(packed, kind="<f8"):
    return np.frombuffer(base64.b64decode(packed["bytes"]), kind).reshape(packed["shape"])


def asked(fitted, name, x=None):
    post = fitted(name).posterior
    sums = sums_of(post, varying_group(post, None))
    return sums, lines_of(sums, x)


def test_the_page_is_small_and_asks_for_nothing(page):
    path = page("sleep")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 100_000
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)
    assert NASTY not in text
    assert "{{mark}}" not in text


def test_the_arrays_are_those_of_python(page, fitted):
    sums, lines = asked(fitted, "gpa")
    found = held(page("gpa"))
    np.testing.assert_array_equal(array(found["model"]["groups"]), sums.groups)
    X = array(found["axis"]["X"]).reshape(lines.X.shape)
    np.testing.assert_array_equal(X, lines.X)
    assert found["group"]["rows"] == [6] * 30
    assert found["effects"][0] == {
        "name": "Intercept at when = 2002", "unit": "grade points", "population": True,
        "spread": pytest.approx(sums.sd[:, 0].mean()),
    }  # fmt: skip


def test_sliders_have_the_posterior_of_what_is_shown(page, fitted):
    scales = {scale["key"]: scale for scale in held(page("sleep"))["scales"]}
    table = fitted("sleep").varcorr()
    means = table["mean"].to_numpy()
    assert [scales[k]["mean"] for k in ("sd0", "sd1", "cor", "sigma")] == pytest.approx(
        means, rel=1e-12
    )
    draws = fitted("sleep").posterior.stacked("sigma")
    rug = scales["sigma"]["rug"]
    assert rug == sorted(rug)
    assert draws.min() <= rug[0] < rug[-1] <= draws.max()
    for scale in scales.values():
        assert scale["low"] <= rug[0] if scale["key"] == "sigma" else scale["low"] <= 0
        assert scale["high"] >= max(scale["rug"])
    assert [s["key"] for s in held(page("apart"))["scales"]] == ["sd0", "sd1", "sigma"]
    assert [s["key"] for s in held(page("schools"))["scales"]] == ["sd0"]


def test_far_from_zero_the_intercept_is_shown_where_the_rows_are(fitted):
    sums, _ = asked(fitted, "gpa")
    post, at = sums.post, sums.coordinates.at
    assert at == ("when", 2002.0)
    cov = post.cov("student")
    shift = np.array([1.0, at[1]])
    np.testing.assert_allclose(
        sums.sd[:, 0] ** 2, np.einsum("i,sij,j->s", shift, cov, shift), rtol=1e-6
    )
    np.testing.assert_allclose(sums.sd[:, 1], post.sd("student")[:, 1])
    assert (
        sums_of(fitted("apart").posterior, fitted("apart").posterior.design.mu.groups[0]).cor
        is None
    )


def test_straight_lines_have_two_places_and_curves_many(fitted):
    assert asked(fitted, "sleep")[1].places.tolist() == [0.0, 9.0]
    sums, bent = asked(fitted, "bent")
    assert not bent.straight
    assert len(bent.places) == 25
    beta = sums.coordinates.origin
    X = sums.population.columns(sums.post.priors.mu.moved(sums.post.design.mu), (0, 1, 2))
    first = sums.group.refs == 0
    days = sums.post.design.frame["Days"].to_numpy(float)[first]
    curve = np.interp(days, bent.places, bent.X[0] @ beta)
    np.testing.assert_allclose(curve, X[first] @ beta, atol=0.5)


def test_a_group_s_line_stands_at_its_own_columns(fitted):
    sums, lines = asked(fitted, "gpa")
    frame = sums.post.design.frame
    sex = frame["sex"].to_numpy()[np.unique(sums.group.refs, return_index=True)[1]]
    start = lines.X[:, 0] @ sums.coordinates.origin
    assert len(np.unique(start.round(9))) == 2
    assert np.unique(start[sex == "male"].round(9)).size == 1
    columns = Columns(sums.post.design)
    assert (
        lines.words == f"sex = {columns.typical('sex')}"
    )  # as in tables, also where both are equal
    other = asked(fitted, "machines")[1]
    assert other.categories == ("A", "B", "C")
    assert other.words == ""  # the offset's column says nothing of the coefficients


def test_without_a_covariate_groups_stand_side_by_side(fitted):
    for name in ("schools", "crossed"):
        _, lines = asked(fitted, name)
        assert (lines.name, len(lines.places)) == ("", 1)
    assert asked(fitted, "sleep", "Days")[1].name == "Days"


def test_other_factors_are_taken_out_at_their_means(fitted):
    post = fitted("crossed").posterior
    sums = sums_of(post, post.group("sample"))
    plate = post.group("plate")
    held = post.ranef("plate").mean(axis=0)[plate.refs, 0]
    np.testing.assert_allclose(sums.y, post.design.y - held)
    assert sums.held == ("plate",)


def test_points_are_few_and_every_group_has_some(fitted, monkeypatch):
    monkeypatch.setattr(drawn, "MOST_POINTS", 50)
    sums, lines = asked(fitted, "sleep")
    n = np.bincount(lines.refs, minlength=sums.group.n_levels)
    assert len(lines.x) + lines.left_out == 183
    assert len(lines.x) <= 50
    assert n.min() >= 1
    found = content(sums, lines, None)
    assert found["rows"] == 183
    monkeypatch.setattr(drawn, "MOST_POINTS", 10)
    assert len(asked(fitted, "sleep")[1].x) == 10


def test_a_reversal_is_found_where_there_is_one(page):
    found = held(page("simpson"))["reversal"]
    assert found["within"] == pytest.approx(0.95)
    assert found["together"] == pytest.approx(-0.354348, abs=1e-6)
    assert held(page("sleep"))["reversal"] is None


def test_many_groups_make_a_page_of_bounded_size(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr("mixedbayes.explore.content.MOST_NUMBERS", 300)
    with pytest.raises(
        mb.ModelError, match=r"440 numbers, 22 for each of 20 levels .* some 13 level"
    ):
        fitted("sleep").explore(tmp_path / "p.html")
    assert list(tmp_path.iterdir()) == []


def posterior(formula, data, family="gaussian", **options):
    return hand_made(formula, data, family, 20, np.random.default_rng(1), **options)


SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.mark.parametrize(
    ("formula", "family", "said"),
    [
        ("Reaction ~ Days", "gaussian", "no group effects"),
        (SLEEP, "student_t", "needs a Gaussian model.*student_t family"),
        (SLEEP, "lognormal", "fit log\\(Reaction\\) with the gaussian family"),
        (SLEEP, "gamma", "which the gamma family"),
        ("Reaction ~ Days + (Days + I(Days**2) | Subject)", "gaussian",
         r"at most 2 effects per group, and Subject has 3 .*group="),
        ([SLEEP, "sigma ~ Days"], "gaussian", "sigma has a formula"),
        ("Reaction ~ Days + (1 | gr(Subject, law='student'))", "gaussian", "not normal"),
        ("Reaction ~ s(Days) + (1 | Subject)", "gaussian", "not offered here"),
        ("Reaction ~ mo(Day) + (1 | Subject)", "gaussian", r"steps of mo\(Day\) have one sign"),
    ],
)  # fmt: skip
def test_models_that_cannot_be_shown_are_refused_with_a_remedy(formula, family, said, tmp_path):
    data = mb.load_data("sleepstudy")
    data["Day"] = data["Days"].astype("category").cat.as_ordered()
    with pytest.raises(mb.ModelError, match=said):
        explore(posterior(formula, data, family), tmp_path / "p.html")


def test_priors_that_are_not_normal_are_named(tmp_path):
    data = mb.load_data("sleepstudy")
    fit = mb.fit(
        SLEEP, data, priors={"fixef": mb.StudentT(3, 0, 10)}, draws=20, tune=100, chains=2, seed=1,
        progress=False,
    )  # fmt: skip
    with pytest.raises(mb.ModelError, match=r"1 of 2 have others \(Days ~ StudentT.*mb.Normal"):
        fit.explore(tmp_path / "p.html")


def test_files_that_are_no_pages_stay(fitted, tmp_path):
    fit = fitted("schools")
    with pytest.raises(mb.FileError, match="a page is a page of HTML"):
        fit.explore(tmp_path / "p.pdf")
    other = tmp_path / "mine.html"
    other.write_text("<p>mine</p>")
    with pytest.raises(mb.FileError, match="is no page of mixedbayes, so it is not replaced"):
        fit.explore(other)
    with pytest.raises(mb.ModelError, match="no grouping factor 'class'"):
        fit.explore(tmp_path / "p.html", group="class")
    path = fit.explore(str(tmp_path / "p.html"), title="Éight <1>", units={"y": "marks"})
    text = fit.explore(path, title="Éight <1>", units={"y": "marks"}).read_text(encoding="utf-8")
    assert "<title>Éight &lt;1&gt;</title>" in text
    assert held(path)["response"] == "y (marks)"


def test_several_responses_are_refused(tmp_path):
    data = mb.load_data("sleepstudy").assign(other=lambda d: d["Reaction"] + d["Days"] ** 2)
    formula, rho = "mv(Reaction, other) ~ Days + (1 | Subject)", {"rho": np.eye(2)}
    fit = mb.Fit(mb.Model(formula, data), posterior(formula, data, given=rho))
    with pytest.raises(mb.ModelError, match=r"explore\(\) is of one response"):
        fit.explore(tmp_path / "p.html")


def test_units_are_those_of_columns(fitted, tmp_path):
    with pytest.raises(
        mb.ModelError, match=r"units='ms' is no mapping .* units=\{'Reaction': 'ms'"
    ):
        fitted("sleep").explore(tmp_path / "page.html", units="ms")
