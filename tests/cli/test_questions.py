"""Questions to a saved fit: the numbers are the methods', and no file of the user's is lost."""

import io
import json

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.cli import exits


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A fit of text labels that look like numbers, with a level that has a comma; and its file."""
    data = mb.load_data("sleepstudy")
    data["dose"] = pd.Categorical(np.where(data["Days"] % 2, "a,b", "none"), ["none", "a,b"])
    fit = mb.fit(
        "Reaction ~ Days + dose + (1 | Subject)", data,
        draws=120, tune=200, chains=2, seed=1, progress=False,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("saved")
    new = data.drop(columns="Reaction").head(4)
    new.to_csv(folder / "new.csv", index=False)
    return fit, fit.save(folder / "fit.nc"), folder / "new.csv", new


def rows(result):
    assert result.exit_code in (exits.OK, exits.NOT_CONVERGED), result.stderr
    return pd.read_csv(io.StringIO(result.stdout))


def test_predict_has_the_rows_and_the_predictions(run, saved):
    fit, path, file, new = saved
    found = rows(run("predict", path, file, "--kind", "mean", "--csv", "-"))
    own = fit.predict(new, kind="mean")
    assert list(found) == list(own)
    np.testing.assert_allclose(found["mean"], own["mean"])
    typical = rows(
        run(
            "predict", path, file, "--groups", "typical", "--statistics", "median,mad",
            "--interval", "hdi", "--prob", 0.8, "--seed", 3, "--csv", "-",
        )
    )  # fmt: skip
    own = fit.predict(
        new, groups="typical", statistics=["median", "mad"], interval="hdi", prob=0.8, seed=3
    )
    np.testing.assert_allclose(typical["median"], own["median"])
    np.testing.assert_allclose(typical["upper"], own["upper"])


def test_means_at_values_within_levels_over_rows(run, saved):
    fit, path, file, new = saved
    out = run("means", path, "Days=0,4.5", "--by", "dose", "--at", "Subject=308", "--csv", "-")
    found, own = rows(out), fit.means({"Days": [0, 4.5]}, by="dose", at={"Subject": ["308"]})
    assert list(found) == list(own)
    np.testing.assert_allclose(found["mean"], own["mean"])
    over = rows(run("means", path, "--over", file, "--weights", "Days", "--csv", "-"))
    np.testing.assert_allclose(over["mean"], fit.means(over=new, weights="Days")["mean"])
    quoted = rows(run("means", path, "--at", 'dose="a,b"', "--over", "balanced", "--csv", "-"))
    np.testing.assert_allclose(
        quoted["mean"], fit.means(at={"dose": ["a,b"]}, over="balanced")["mean"]
    )


@pytest.mark.parametrize(
    ("text", "focal"),
    [
        ("Days=0,9", {"Days": (0, 9)}),
        ("Days=2", {"Days": 2}),
        ("Days=iqr", {"Days": "iqr"}),
        ("Days", "Days"),
        ("dose=pairwise", {"dose": "pairwise"}),
        ('dose=none,"a,b"', {"dose": ("none", "a,b")}),
    ],
)
def test_compare_is_comparisons(run, saved, text, focal):
    fit, path, *_ = saved
    found = rows(run("compare", path, text, "--how", "ratio", "--csv", "-"))
    own = fit.comparisons(focal, how="ratio")
    assert [*found.iloc[0, :1]] == [*own.table.iloc[0, :1].astype(str)]
    np.testing.assert_allclose(found["mean"], own["mean"])


def test_several_columns_change_at_once(run, saved):
    fit, path, *_ = saved
    found = rows(run("compare", path, "Days=0,9", "dose", "--csv", "-"))
    own = fit.comparisons({"Days": (0, 9), "dose": "reference"})
    np.testing.assert_allclose(found["mean"], own["mean"])


def test_the_table_and_its_question_go_to_stdout(run, saved):
    fit, path, *_ = saved
    result = run("means", path, "Days=0,9", "--groups", "Subject")
    assert result.stdout.startswith(
        "Expected Reaction by Days; each Subject with its own effects; other predictors as observed"
    )
    assert len(result.stdout.splitlines()) == 3 + 36  # no row is left out
    found = json.loads(run("means", path, "Days=0,9", "--json", "-").stdout)
    own = fit.means({"Days": [0, 9]})
    assert found["question"] == own.question
    assert [row["mean"] for row in found["rows"]] == pytest.approx(own["mean"].tolist())


def test_files_are_written_and_none_is_replaced_unasked(run, saved, tmp_path):
    _, path, file, _ = saved
    table, picture = tmp_path / "t.csv", tmp_path / "p.png"
    asked = ("compare", path, "dose", "--csv", table, "--plot", picture)
    result = run(*asked)
    assert f"wrote {table}" in result.stderr
    assert result.stdout.startswith("Difference in expected Reaction")
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = run(*asked)
    assert again.exit_code == exits.USER_ERROR
    assert again.stderr == (
        f"error: {table} is there; choose another name, or replace it with --overwrite\n"
    )
    assert run(*asked, "--overwrite").exit_code in (exits.OK, exits.NOT_CONVERGED)
    for own in (path, file):
        lost = run("predict", path, file, "--csv", own, "--overwrite")
        assert lost.stderr == f"error: {own} is read from; choose another name\n"


def test_report_is_a_page(run, saved, tmp_path):
    _, path, *_ = saved
    result = run("report", path, tmp_path / "page.html", "--unit", "Reaction=ms")
    assert result.stderr.startswith("wrote ")
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")[:500]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("means", "FIT", "Dayz"), exits.USER_ERROR, "did you mean 'Days'?"),
        (("means", "FIT", "--at", "Days"), exits.USAGE, "is not of the form age=20,60"),
        (("means", "FIT", "--at", "Days=x"), exits.USER_ERROR, "'x' is not a finite number"),
        (("means", "FIT", "--over", "all"), exits.USAGE, "not observed, balanced or a table"),
        (("means", "FIT", "--over", "no.csv"), exits.USER_ERROR, "no.csv: there is no such file"),
        (("means", "FIT", "--groups", "Dose"), exits.USER_ERROR, "'Dose' is no column"),
        (("means", "FIT", "--plot", "p.gif"), exits.USAGE, "does not end in .png"),
        (("compare", "FIT"), exits.USAGE, "Missing argument"),
        (("compare", "FIT", "Days=1,2,3"), exits.USER_ERROR, "a comparison is of two values"),
        (("compare", "FIT", "Days", "--how", "sum"), exits.USER_ERROR, "how='sum'"),
        (("predict", "NEW", "NEW"), exits.USER_ERROR, "is not a NetCDF file"),
        (("predict", "FIT", "FIT"), exits.USER_ERROR, "not one of .csv"),
    ],
)
def test_mistakes(run, saved, arguments, code, message):
    places = {"FIT": saved[1], "NEW": saved[2]}
    result = run(*(places.get(a, a) for a in arguments))
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in result.stderr
