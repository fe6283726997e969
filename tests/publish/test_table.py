"""What is in a table: the numbers of the other tables, in the right places, or a reason."""

import re
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.publish import entries
from mixedbayes.publish.layout import Key, merged
from mixedbayes.publish.maketables import default_stat_keys
from mixedbayes.publish.table import side_by_side, table
from mixedbayes.results.smooths import bends


def row(found, label, model=None):
    """The only row of a table's frame with this label."""
    frame = found.frame
    frame = frame[(frame["label"] == label) & (frame["model"] == (model or frame["model"].iloc[0]))]
    assert len(frame) == 1, frame
    return frame.iloc[0]


WITHOUT_SCORES = ("rows", "levels", "icc", "r2")
COLUMNS = ("mean", "sd", "lower", "upper")


def test_the_numbers_are_those_of_the_other_tables(sleep):
    found = sleep.table(prob=0.9)
    fixef, varcorr = sleep.fixef(0.9), sleep.varcorr(0.9)
    icc, r2 = sleep.icc(0.9), sleep.r2(0.9)
    pairs = [
        ("Intercept", fixef.iloc[0]),
        ("Days", fixef.iloc[1]),
        ("sd Intercept", varcorr.iloc[0]),
        ("sd Days", varcorr.iloc[1]),
        ("cor Intercept, Days", varcorr.iloc[2]),
        ("sigma, residual sd", varcorr.iloc[3]),
        ("ICC", icc.iloc[0]),
        ("R², marginal", r2.iloc[0]),
        ("R², conditional", r2.iloc[1]),
    ]
    for label, theirs in pairs:
        ours = row(found, label)
        assert tuple(ours[["estimate", "sd", "lower", "upper"]]) == pytest.approx(
            tuple(theirs[c] for c in COLUMNS)
        ), label
    assert row(found, "Rows")["estimate"] == 180
    assert row(found, "Levels of Subject")["estimate"] == 18
    loo = sleep.loo()
    assert tuple(row(found, "elpd (leave-one-out)")[["estimate", "sd"]]) == (loo.elpd, loo.se)
    assert len(found.frame) == len(pairs) + 3
    health = sleep.diagnostics().table.loc["fixef[Days]"]
    assert row(found, "Days")["mcse"] == pytest.approx(health["mcse_mean"])


def test_smooths_have_a_section():
    data = pd.DataFrame({"x": np.linspace(0, 1, 40), "f": np.resize(["a", "b"], 40)})
    data["y"] = np.sin(6 * data["x"]) + np.random.default_rng(1).normal(size=40)
    post = hand_made(
        ["y ~ f + s(x, by=f, k=5) + (1 | f)", "sigma ~ s(x, k=4)"], data, "gaussian", 80,
        np.random.default_rng(2),
    )  # fmt: skip
    found = table(post, fit_statistics=["rows"], labels={"f": "Field"})
    theirs = bends(post).set_index("smooth")
    frame = found.frame.query("section == 'Smooths: how far they bend'").set_index("term")
    assert [*frame.index] == [*theirs.index] == ["s(x):f[a]", "s(x):f[b]", "sigma_s(x)"]
    assert frame["label"].tolist() == ["sd s(x) × Field[a]", "sd s(x) × Field[b]", "sd sigma_s(x)"]
    assert frame["group"].isna().all()
    np.testing.assert_allclose(frame["estimate"], theirs["mean"])
    np.testing.assert_allclose(frame["upper"], theirs["upper"])
    assert "how far they bend" in str(found)
    assert "root mean square over the rows of how far the curve bends" in found.to_latex()
    assert "sd s(x) × f[a]" in default_stat_keys(post)
    named = table(post, labels={"s(x)": "curve"}, fit_statistics=[]).frame["label"]
    assert "sd curve × f[a]" in [*named]


def test_what_is_shown_is_within_half_a_unit(sleep):
    frame = sleep.table().frame
    for _, r in frame[frame["lower"].notna()].iterrows():
        numbers = re.findall(r"-?[0-9.]+", r["shown"])
        unit = max(10.0 ** -len(n.partition(".")[2]) for n in numbers)
        unit = 10.0 if all(n.endswith("0") and "." not in n for n in numbers) else unit
        values = r[["estimate", "lower", "upper"]].to_numpy(float)
        assert np.abs(np.array(numbers, float) - values).max() <= 0.5 * unit * (1 + 1e-9)
        assert unit >= r["mcse"]


def test_the_notes_say_what_it_is_of(sleep):
    notes = " ".join(sleep.table(prob=0.8).layout.notes)
    assert "80 % equal-tailed interval" in notes
    assert "Reaction ~ Days + (Days | Subject); Gaussian family, identity link" in notes
    for prior in sleep.model.priors["prior"]:
        assert prior in notes
    assert "LKJ(2) for correlations over Subject" in notes
    assert "2 chains of 400 draws" in notes
    assert "doi:10.1098/rsif.2017.0213" in notes


def test_ratios_are_those_of_fixef(herds):
    found = herds.table(exponentiate=True)
    ratios = herds.fixef(exponentiate=True)
    frame = found.frame[found.frame["kind"] == "effect"]
    assert frame["estimate"].to_numpy() == pytest.approx(ratios["odds ratio"].to_numpy())
    assert frame["upper"].to_numpy() == pytest.approx(ratios["upper"].to_numpy())
    assert found.layout.sections[0].title == "Population effects, odds ratio"
    notes = " ".join(found.layout.notes)
    assert "of Intercept the baseline odds" in notes
    assert "Reference levels: period 1" in notes
    assert row(found, "sd Intercept")["estimate"] == pytest.approx(herds.varcorr()["mean"].iloc[0])
    assert row(found, "Trials")["estimate"] == herds.model.design.trials.sum()


def test_models_of_different_kinds_stand_side_by_side(posteriors):
    found = side_by_side(posteriors, exponentiate=True, fit_statistics=WITHOUT_SCORES)
    cells = {
        (s.title, r.label): dict(zip(posteriors, r.cells, strict=True))
        for s in found.layout.sections
        for r in s.rows
        if r.cells
    }
    title = "Population effects (rate ratio in counts; odds ratio in ordered, shares)"
    assert {m for m, c in cells[title, "z"].items() if c.estimate} == {"ordered", "shares"}
    assert not cells[title, "Intercept"]["ordered"].estimate  # thresholds take its place
    assert cells["Thresholds, logit scale", "low|mid_1"]["ordered"].interval
    further = "Population effects on sigma, log scale", "Intercept"
    assert [m for m, c in cells[further].items() if c.estimate] == ["spread"]
    assert cells["Family", "nu"]["crossed"].estimate
    everywhere = cells["Data and fit", "ICC, all groups"]
    assert [m for m, c in everywhere.items() if not c.estimate] == ["line"]
    assert everywhere["shares"] == cells["Data and fit", "ICC, team"]["shares"]
    assert not cells["Data and fit", "R², conditional"]["line"].estimate
    assert cells["Data and fit", "R², marginal"]["nothing"].interval == ""  # 0 without doubt
    kinds = [label for title, label in cells if title == "Data and fit"]
    assert kinds[:2] == ["Rows", "Trials"]
    assert kinds[-1] == "R², conditional"
    assert "Not converged" in "\n".join(found.layout.notes)  # of one chain each


def test_scores_of_two_responses_cannot_be_compared(sleep, herds):
    two = {"A": sleep, "B": herds}
    notes = mb.table(two).layout.notes
    assert any(n.startswith("The elpd of A cannot be compared with that of B: the") for n in notes)
    notes = mb.table({**two, "C": sleep}).layout.notes
    assert any(n.startswith("The elpd of A and C cannot be compared with") for n in notes)
    same = mb.table([sleep, sleep])
    assert not any("compared" in n for n in same.layout.notes)


def test_effects_over_one_factor_stand_together(posteriors):
    models = {name: posteriors[name] for name in ("crossed", "counts")}
    found = side_by_side(models, fit_statistics=[])
    (groups,) = (s for s in found.layout.sections if s.title.startswith("Group effects"))
    labels = [r.label for r in groups.rows]
    assert labels == ["school id", "sd Intercept", "sd my x_1 $%", "cor Intercept, my x_1 $%",
                      "team", "sd Intercept"]  # fmt: skip


def test_an_effect_on_a_further_parameter_is_not_one_on_the_mean(posteriors):
    found = table(posteriors["spread"], fit_statistics=[])
    labels = [(s.title, r.label) for s in found.layout.sections for r in s.rows]
    assert ("Group effects", "sd Intercept (sigma)") in labels
    assert not [r for s, r in labels if s == "Family"]  # sigma has a formula


def test_labels_take_the_place_of_names(posteriors):
    found = table(
        posteriors["counts"],
        fit_statistics=["levels"],
        labels={"my x_1 $%": "Dose", "f_1": "Arm ", "school id": "School"},
    )
    labels = [r.label for s in found.layout.sections for r in s.rows]
    assert "Dose" in labels
    assert any(label.startswith("Dose × Arm [a & <b>") for label in labels)
    assert {"School", "sd Dose", "cor Intercept, Dose", "Levels of School"} <= set(labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"Dayz": "d"},
            "no model here has a term, grouping factor or parameter 'Dayz'. Did you mean",
        ),
        ({"Days": 3}, "give a text for each term"),
        (["Days"], "give a text for each term"),
    ],
)
def test_a_label_of_nothing_is_refused(sleep, labels, message):
    with pytest.raises(mb.ModelError, match=message):
        sleep.table(labels=labels)


def test_statistics_are_chosen(sleep):
    found = sleep.table(fit_statistics=["icc"])
    assert [r.label for r in found.layout.sections[-1].rows] == ["ICC"]
    assert not any("elpd" in n for n in found.layout.notes)
    none = sleep.table(fit_statistics=[])
    assert none.layout.sections[-1].title == "Family"
    assert [r.label for r in sleep.table(fit_statistics="rows").layout.sections[-1].rows] == [
        "Rows"
    ]


def test_what_takes_long_is_left_out_unless_asked_for(sleep, monkeypatch):
    monkeypatch.setattr(entries, "MOST_CELLS", 1000)
    left = sleep.table()
    assert not any("elpd (leave" in r.label for s in left.layout.sections for r in s.rows)
    assert any(n.startswith("Left out: elpd (180 rows x 800 draws") for n in left.layout.notes)
    assert row(sleep.table(fit_statistics=["elpd"]), "elpd (leave-one-out)")["estimate"] < 0


def test_what_cannot_be_computed_is_left_out_with_the_reason(posteriors):
    few = posteriors["line"]
    draws = few.idata["posterior"].to_dataset().isel(draw=slice(0, 40))
    short = replace(few, idata=xr.DataTree.from_dict({"posterior": draws}))
    notes = table(short).layout.notes
    assert any(n.startswith("Left out: elpd (40 draws are too few") for n in notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prob": 95}, "not a probability"),
        ({"interval": "hpd"}, "interval='hpd'"),
        ({"estimate": "mode"}, "estimate='mode'"),
        ({"digits": 0}, "significant digits of the posterior sd, 1 to 6"),
        ({"digits": True}, "significant digits"),
        ({"digits": 2.5}, "significant digits"),
        ({"fit_statistics": ["waic"]}, "'waic' is not one of rows, levels, icc, r2, elpd"),
        ({"fit_statistics": 3}, "3 is not one of"),
        ({"title": 3}, "give a text"),
        ({"exponentiate": True}, "effects are differences"),
        ({"path": "table.xlsx"}, "one of .html, .tex, .typ, .md, .docx, .csv, .txt"),
        ({"path": "table"}, "one of .html"),
    ],
)
def test_what_makes_no_sense_is_refused(sleep, options, message):
    with pytest.raises(mb.ModelError, match=re.escape(message)):
        sleep.table(**options)


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_computed(sleep, tmp_path):
    with pytest.raises(mb.FileError, match="does not exist"):
        sleep.table(tmp_path / "no" / "table.html")
    with pytest.raises(mb.FileError, match="not the name of a file"):
        sleep.table(3)


def test_fits_are_given_by_name_in_a_list_or_alone(sleep, herds):
    heads = [h.name for h in mb.table({"M1": sleep, 2: herds}, fit_statistics=[]).layout.heads]
    assert heads == ["M1", "2"]
    assert [h.name for h in mb.table([sleep, herds], fit_statistics=[]).layout.heads] == [
        "Model 1", "Model 2",
    ]  # fmt: skip
    alone = mb.table(sleep, fit_statistics=[])
    assert str(alone) == str(sleep.table(fit_statistics=[]))


@pytest.mark.parametrize(
    ("fits", "message"),
    [
        ([], "and there is none"),
        ({}, "and there is none"),
        ({"a": 3}, "got a: int"),
        ("M1", "got Model 1: str"),
        (7, "got Model 1: int"),
    ],
)
def test_something_else_than_fits_is_refused(fits, message):
    with pytest.raises(mb.ModelError, match=message):
        mb.table(fits)


def test_two_names_that_are_one_text_are_refused(sleep):
    with pytest.raises(mb.ModelError, match="same name"):
        mb.table({1: sleep, "1": sleep})


def test_rows_keep_the_order_of_every_model():
    def keys(*names):
        return [Key("population", "effect", "", (n,)) for n in names]

    found = merged([keys("a", "c"), keys("a", "b", "c", "d"), keys("z", "c")])
    assert [k.terms[0] for k in found] == ["a", "b", "z", "c", "d"]
    found = merged([keys("a", "b"), keys("a", "x", "y"), keys("y", "a")])
    assert [k.terms[0] for k in found] == ["a", "b", "x", "y"]


def test_the_frame_is_a_copy(sleep):
    found = sleep.table(fit_statistics=[])
    own = found.frame
    own["estimate"] = 0
    assert found.frame["estimate"].iloc[0] != 0
    assert isinstance(found.frame, pd.DataFrame)


@pytest.mark.parametrize(
    ("module", "act"),
    [
        ("docx", lambda t, folder: t.save(folder / "t.docx")),
        ("great_tables", lambda t, folder: t.great_table()),
    ],
)
def test_without_the_extra_the_message_says_how_to_install_it(
    sleep, tmp_path, monkeypatch, module, act
):
    monkeypatch.setitem(sys.modules, module, None)
    found = sleep.table(fit_statistics=[])
    with pytest.raises(mb.MissingExtraError, match=r"pip install mixedbayes\[tables\]"):
        act(found, tmp_path)
    assert list(tmp_path.iterdir()) == []
