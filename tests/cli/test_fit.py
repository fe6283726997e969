"""One real, short fit; all else stops before sampling."""

import io
from types import SimpleNamespace

import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.cli import exits, output
from mixedbayes.cli.fit import parse_units

SLOPES = "Reaction ~ Days + (Days | Subject)"
SHORT = ("--draws", 300, "--tune", 300, "--chains", 2, "--seed", 1, "--no-progress")


@pytest.fixture(scope="module")
def fitted(run, sleep_csv, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new" / "results"
    prior = ("--prior", "sd[Subject]=HalfNormal(40)", "--prior", "cor=LKJ(3)")
    result = run("fit", sleep_csv, SLOPES, "--out", out, *prior, *SHORT, "--unit", "Reaction=ms")
    return result, out


def test_the_summary_is_all_of_stdout(fitted):
    result, out = fitted
    assert result.exit_code in (exits.OK, exits.NOT_CONVERGED), result.stderr
    assert result.stdout == (out / "summary.txt").read_text(encoding="utf-8")
    assert "Subject" in result.stdout
    assert "Days" in result.stdout
    assert "\x1b[" not in result.stdout


def test_every_table_and_picture_is_written_and_named(fitted):
    result, out = fitted
    tables = ["fixef", "varcorr", "ranef", "coef", "icc", "r2"]
    tables += ["parameters", "shrinkage", "priors"]
    pictures = ["fixef", "ranef", "shrinkage", "fitted", "varcorr", "icc", "residuals", "priors"]
    expected = {f"{t}.csv" for t in tables} | {f"{p}.png" for p in pictures}
    expected |= {"summary.txt", "fit.nc"}
    assert {p.name for p in out.iterdir()} == expected
    named = [line for line in result.stderr.splitlines() if line.startswith("wrote ")]
    assert sorted(named) == sorted(f"wrote {out / name}" for name in expected)
    for path in out.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_tables_hold_the_posterior(fitted):
    _, out = fitted
    fixef = pd.read_csv(out / "fixef.csv").set_index("term")
    assert fixef.loc["Days", "mean"] == pytest.approx(10.47, abs=1.5)
    assert len(pd.read_csv(out / "ranef.csv")) == 36
    assert pd.read_csv(out / "parameters.csv")["parameter"].tolist() == ["sigma"]


def test_the_draws_come_back_with_the_priors_given(fitted):
    _, out = fitted
    back = mb.load(out / "fit.nc")
    priors = back.model.priors.set_index(["parameter", "term"])["prior"]
    assert priors["sd_Subject", "Days"] == "HalfNormal(40)"
    assert priors["cor_Subject", ""] == "LKJ(3)"
    assert dict(back.idata["posterior"].sizes)["draw"] == 300


@pytest.mark.parametrize(
    ("formula", "extra", "message"),
    [
        ("Reaction ~ Dayz + (1 | Subject)", [], "did you mean Days?"),
        ("Reaction ~ Days + (1 | Subject", [], "never closed"),
        (SLOPES, ["--prior", "sigma=Nrmal(3)"], "did you mean Normal?"),
        (SLOPES, ["--prior", "sigmo=Normal(0, 3)"], "sigmo"),
        (SLOPES, ["--family", "gausian"], "gausian"),
    ],
)
def test_a_mistake_is_one_message_and_1(run, sleep_csv, formula, extra, message):
    result = run("fit", sleep_csv, formula, *extra)
    assert result.exit_code == exits.USER_ERROR
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_formulas_mistake_has_a_caret_under_the_place(run, sleep_csv):
    lines = run("fit", sleep_csv, "Reaction ~ Dayz + (1 | Subject)").stderr.splitlines()
    text = next(i for i, line in enumerate(lines) if "Reaction ~ Dayz" in line)
    assert lines[text + 1].index("^") == lines[text].index("Dayz")


def test_debug_shows_the_error_itself(run, sleep_csv):
    result = run("fit", sleep_csv, "Reaction ~ Dayz", "--debug")
    assert isinstance(result.exception, mb.MixedBayesError)


def test_a_bad_unit_is_a_usage_error(run, sleep_csv):
    result = run("fit", sleep_csv, SLOPES, "--unit", "Reaction")
    assert result.exit_code == exits.USAGE
    assert "is not of the form Reaction=ms" in result.stderr
    assert parse_units(["Reaction=ms", " Days = day "]) == {"Reaction": "ms", "Days": "day"}


def finished(converged=True, chains=4, draws=1000):
    posterior = xr.Dataset(coords={"chain": range(chains), "draw": range(draws)})
    return SimpleNamespace(
        idata=xr.DataTree.from_dict({"posterior": posterior}),
        settings=SimpleNamespace(chains=4, draws=1000),
        converged=converged,
        note="Sampling was interrupted",
    )


@pytest.mark.parametrize(
    ("fit", "code", "text"),
    [
        (finished(), exits.OK, ""),
        (finished(converged=False), exits.NOT_CONVERGED, "did not converge"),
        (finished(draws=10), exits.INTERRUPTED, "Sampling was interrupted"),
        (finished(chains=3), exits.INTERRUPTED, "Sampling was interrupted"),
    ],
)
def test_health_becomes_an_exit_code(fit, code, text, capsys):
    assert output.health(fit) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err
    assert bool(said.err) == bool(text)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (mb.SamplingError("stopped"), exits.NOT_CONVERGED),
        (mb.DataError("no rows"), exits.USER_ERROR),
        (PermissionError(13, "Permission denied", "results"), exits.USER_ERROR),
        (KeyboardInterrupt(), exits.INTERRUPTED),
    ],
)
def test_errors_become_exit_codes(error, code, capsys):
    @exits.guarded
    def command():
        raise error

    with pytest.raises(SystemExit) as caught:
        command(debug=False)
    assert caught.value.code == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_demo_fits_and_writes_pictures(run, tmp_path):
    out = tmp_path / "demo"
    result = run("demo", "--out", out, "--draws", 200, "--chains", 2)
    assert result.exit_code in (exits.OK, exits.NOT_CONVERGED), result.stderr
    assert "Subject" in result.stdout
    names = {p.name for p in out.iterdir()}
    assert names == {f"{name.removeprefix('plot_')}.png" for name, _ in output.PICTURES}
    for name in names:
        assert f"wrote {out / name}" in result.stderr


def test_ratios_and_formulas_of_further_parameters(run, tmp_path):
    data = mb.load_data("cbpp").rename(columns={"size": "n"})
    data.to_csv(tmp_path / "cbpp.csv", index=False)
    formula = "incidence ~ period + offset(log(n)) + (1 | herd)"
    more = ("--parameter", "shape ~ 1", "--family", "negative_binomial", "--exponentiate")
    result = run("fit", tmp_path / "cbpp.csv", formula, *more, *SHORT)
    assert result.exit_code in (exits.OK, exits.NOT_CONVERGED), result.stderr
    for part in ("shape_Intercept", "rate ratio", "median rate ratio"):
        assert part in result.stdout


def test_ratios_that_mean_nothing_are_refused_before_sampling(run, sleep_csv):
    result = run("fit", sleep_csv, SLOPES, "--exponentiate")
    assert result.exit_code == exits.USER_ERROR
    assert "exponentiate=True has no meaning for the gaussian family" in result.stderr


def test_tables_of_ratios_are_among_the_files():
    methods = {name: dict for name, _ in output.TABLES}
    fit = SimpleNamespace(save=None, **methods)
    plain, grouped = (set(output._tables(fit, groups, True)) for groups in (False, True))
    assert {"fixef_ratios.csv", "varcorr_ratios.csv"} <= grouped
    assert "varcorr_ratios.csv" not in plain
    assert plain - set(output._tables(fit, False, False)) == {"fixef_ratios.csv"}


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("safe.csv", ["--report", "safe.csv"], "that is the file of the data"),
        ("safe.csv", ["--report", "page.pdf"], "call it page.html"),
        ("safe.csv", ["--report", "own.html"], "no report of mixedbayes"),
        ("fixef.csv", ["--out", "."], "would take its place"),
    ],
)
def test_the_users_own_files_are_not_replaced(run, tmp_path, monkeypatch, name, options, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("y,x\n1,2\n2,1\n3,4\n5,5\n")
    (tmp_path / "own.html").write_text("mine")
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    result = run("fit", name, "y ~ x", *options, *SHORT)
    assert result.exit_code == exits.USER_ERROR
    assert said in result.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_page_is_written_where_it_is_asked_for(run, sleep_csv, tmp_path):
    page = tmp_path / "new" / "page.html"
    result = run(
        "fit", sleep_csv, "Reaction ~ Days", "--report", page, *SHORT, "--unit", "Reaction=ms"
    )  # fmt: skip
    assert result.exit_code in (exits.OK, exits.NOT_CONVERGED), result.stderr
    assert f"wrote {page}" in result.stderr
    text = page.read_text(encoding="utf-8")
    assert "<title>Reaction ~ Days</title>" in text
    assert text.rstrip().endswith("</html>")


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("=1+1", "'=1+1"), ("+A1", "'+A1"), ("-cmd|x", "'-cmd|x"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("\uff1d1+1", "'\uff1d1+1"), ("-", "'-"),
        ("-1", "-1"), ("+2.5e-3", "+2.5e-3"), ("-.5", "-.5"), ("a=b", "a=b"), ("'=1", "'=1"),
        ("-1+1", "'-1+1"), ("-\u0661", "'-\u0661"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["object", "str", "category"])
def test_no_cell_of_a_table_is_code_for_a_spreadsheet(label, written, kind):
    table = pd.DataFrame({"level": [label, "b"], "mean": [-1.5, 2.0]}).astype({"level": kind})
    text = output.as_csv(table)
    back = pd.read_csv(io.StringIO(text, newline=""), dtype={"level": "str"}, lineterminator="\n")
    assert back["level"].tolist() == [written, "b"]
    assert back["mean"].tolist() == [-1.5, 2.0]
    assert output.as_csv(table.rename(columns={"mean": "=mean"})).startswith("level,'=mean\n")
