"""One model of many data sets, each by itself."""

import re

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.api.separate import _said
from mixedbayes.errors import DataError, ModelError

HOW = {"draws": 100, "tune": 100, "chains": 2, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"region": np.repeat(["n", "s", "flat"], 30), "year": np.tile([1, 2], 45)})
    d["g"], d["x"] = np.tile(np.repeat(np.arange(5), 6), 3), rng.normal(size=90)
    d["y"] = d.x + rng.normal(size=5)[d.g] + rng.normal(size=90)
    d.loc[d.region == "flat", "y"] = 1.0
    return d


@pytest.fixture(scope="module")
def fits(data):
    return mb.fit_many("y ~ x + (1 | g)", data, by="region", **HOW)


def test_each_is_the_fit_of_its_rows(data, fits):
    own = fits["s"]
    rows = data[data.region == "s"]
    alone = mb.fit("y ~ x + (1 | g)", rows, **HOW | {"seed": own.settings.seed})
    np.testing.assert_array_equal(own.posterior.fixef(), alone.posterior.fixef())
    table = fits.table()
    shown = table[table["region"] == "s"].drop(columns="region").reset_index(drop=True)
    pd.testing.assert_frame_equal(shown, alone.describe(), check_frame_type=False)


def test_what_cannot_be_fitted_is_a_row(fits):
    units = fits.units().set_index("region")
    assert list(units.index) == ["n", "s", "flat"]
    assert "there is no variation" in units.loc["flat", "error"]
    assert (units["error"] == "").sum() == 2
    assert units.loc["n", "rows"] == 30
    assert set(fits.table()["region"]) == {"n", "s"}
    assert "3 fits of y ~ x + (1 | g), by region; 1 without a fit" in repr(fits)
    with pytest.raises(ModelError, match=r"'flat' has no fit: .*no variation"):
        fits["flat"]
    with pytest.raises(ModelError, match="no fit of 'w'; there are 'n', 's'"):
        fits["w"]


def test_seeds_depend_on_the_unit_alone(data, fits):
    one = mb.fit_many("y ~ x + (1 | g)", data[data.region == "s"], by="region", **HOW)
    assert one["s"].settings.seed == fits["s"].settings.seed != fits["n"].settings.seed


def test_processes_change_nothing(data, fits):
    two = mb.fit_many("y ~ x + (1 | g)", data, by="region", workers=2, **HOW)
    pd.testing.assert_frame_equal(two.table(), fits.table())


def test_functions_of_a_notebook_travel(data, fits):
    """Draws come back, not models, whose functions pickle finds by their names alone."""
    own = data[data.region != "flat"]
    formula, functions = "y ~ same(x) + (1 | g)", {"same": lambda x: x}
    two = mb.fit_many(formula, own, by="region", functions=functions, workers=2, **HOW)
    np.testing.assert_array_equal(two["s"].posterior.fixef(), fits["s"].posterior.fixef())
    new = own[own.region == "s"].head(3)
    np.testing.assert_array_equal(
        two["s"].predict(new, kind="mean")["mean"], fits["s"].predict(new, kind="mean")["mean"]
    )


def test_a_cache_goes_on_where_it_stopped(data, tmp_path):
    first = mb.fit_many(
        "y ~ x + (1 | g)", data[data.region == "n"], by="region", cache=tmp_path, **HOW
    )
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    assert len(kept) == 1
    both = mb.fit_many("y ~ x + (1 | g)", data, by="region", cache=tmp_path, keep=False, **HOW)
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items())
    assert len(list(tmp_path.iterdir())) == 2
    np.testing.assert_array_equal(both["n"].posterior.fixef(), first["n"].posterior.fixef())
    assert both["s"] is both["s"]


def test_several_columns_and_tables_of_each(data):
    some = data[data.region != "flat"]
    fits = mb.fit_many("y ~ x + (1 | g)", some, by=["region", "year"], **HOW)
    assert list(fits) == [("n", 1), ("n", 2), ("s", 1), ("s", 2)]
    icc = fits.apply("icc", prob=0.5)
    assert list(icc)[:4] == ["region", "year", "group", "kind"]
    assert len(icc) == 8
    slopes = fits.apply(lambda fit: fit.slopes("x").table)
    np.testing.assert_allclose(
        slopes["mean"], [fits[u].posterior.fixef().mean() for u in fits], rtol=1e-8
    )
    pd.testing.assert_frame_equal(fits.apply("slopes", "x"), slopes)
    pd.testing.assert_frame_equal(fits.apply(lambda fit: fit.slopes("x")), slopes)
    with pytest.raises(ModelError, match="there is float"):
        fits.apply(lambda fit: 3.0)


def test_responses_of_one_model(data):
    rows = data[data.region == "s"]
    model = mb.Model("y ~ x + (1 | g)", rows, priors={"fixef": mb.Normal(0, 5)})
    rng = np.random.default_rng(2)
    fits = mb.fit_many(model, pd.DataFrame({"a": rng.normal(size=30), "y": rows.y.to_numpy()}),
                       **HOW)  # fmt: skip
    assert list(fits) == ["a", "y"]
    same = model.fit(**HOW | {"seed": fits["y"].settings.seed})
    np.testing.assert_array_equal(fits["y"].posterior.fixef(), same.posterior.fixef())
    assert list(mb.fit_many(model, rng.normal(size=(30, 2)), **HOW)) == [0, 1]


def test_tables_are_in_the_library_of_the_data(data):
    pl = pytest.importorskip("polars")
    fits = mb.fit_many("y ~ x + (1 | g)", pl.from_pandas(data), by="region", **HOW)
    assert isinstance(fits.units(), pl.DataFrame)
    assert isinstance(fits.table(), pl.DataFrame)
    assert isinstance(fits["n"].fixef(), pl.DataFrame)


def test_mistakes(data, fits):
    model = fits["n"].model
    for match, ask in {
        "no column 'county'": lambda: mb.fit_many("y ~ x + (1 | g)", data, by="county"),
        "'region' is missing in 3 rows": lambda: mb.fit_many(
            "y ~ x + (1 | g)",
            data.assign(region=data.region.where(data.index > 2)),
            by="region",
        ),
        "responses have 4 rows, and the model's data 30": lambda: mb.fit_many(
            model, np.zeros((4, 2))
        ),
    }.items():
        with pytest.raises(DataError, match=match):
            ask()
    with pytest.raises(ModelError, match="workers and keep are of separate fits"):
        mb.fit_many("y ~ x + (1 | g)", [data, data], workers=2)
    with pytest.raises(ModelError, match="priors is the model's own"):
        mb.fit_many(model, data, by="region", priors={"fixef": mb.Normal(0, 1)})
    with pytest.raises(mb.FormulaError, match="y ~"):
        mb.fit_many("y ~ x + (1 |", data, by="region", **HOW)


def test_units_may_have_the_name_of_a_column(data):
    own = data[data.region != "flat"].rename(columns={"region": "rows", "year": "error"})
    many = mb.fit_many("y ~ x + (1 | g)", own, by=["rows", "error"], **HOW)
    units = many.units()
    assert units["rows_unit"].tolist() == ["n", "n", "s", "s"]
    assert units["error_unit"].tolist() == [1, 2, 1, 2]
    assert (units["rows"] == 15).all()
    assert (units["error"] == "").all()


def test_units_may_be_tuples(data):
    own = data[data.region != "flat"].assign(pair=[("a", 1), ("b", 2)] * 30)
    many = mb.fit_many("y ~ x + (1 | g)", own, by="pair", **HOW)
    assert many.units()["pair"].tolist() == [("a", 1), ("b", 2)]
    with pytest.raises(ModelError, match="there is no fit of"):
        many[["a"]]
    with pytest.raises(ModelError, match="a fit has no such method"):
        many.apply("nothing")


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ([], "does not name columns"),
        (["year", "year"], "does not name columns, each once"),
        (0, "does not name columns"),
        ("listed", "'listed' holds lists"),
        ("region", "'region' stands 2 times"),
    ],
)
def test_columns_that_tell_no_units_apart(data, by, said):
    own = data.assign(listed=[[1]] * len(data))
    if by == "region":
        own = pd.concat([own, own[["region"]]], axis=1)
    with pytest.raises((ModelError, DataError), match=said):
        mb.fit_many("y ~ x + (1 | g)", own, by=by, **HOW)


@pytest.mark.parametrize("seed", [-1, "a", 1.5])
def test_a_seed_is_a_whole_number(data, seed):
    with pytest.raises(ModelError, match="seed="):
        mb.fit_many("y ~ x + (1 | g)", data, by="region", **HOW | {"seed": seed})


def test_responses_have_a_name_and_a_column_each(data):
    model = mb.Model("y ~ x + (1 | g)", data)
    y = np.zeros((len(data), 2))
    with pytest.raises(DataError, match=r"2 columns 'a'"):
        mb.fit_many(model, pd.DataFrame(y, columns=["a", "a"]), **HOW)
    with pytest.raises(DataError, match=r"shape \(90, 2, 1\)"):
        mb.fit_many(model, y[..., None], **HOW)


# ---- what goes wrong -----------------------------------------------------------------------------


def test_errors_that_are_not_ours_are_rows(data):
    """A function of the user's that fails for some rows leaves the other units their fits."""
    own = data[data.region != "flat"]
    low = own[own.region == "s"].x.min()

    def picky(x):
        if x.min() == low:
            raise ZeroDivisionError("no such x")
        return x

    many = mb.fit_many("y ~ picky(x)", own, by="region", functions={"picky": picky}, **HOW)
    errors = many.units().set_index("region")["error"]
    assert errors["n"] == ""
    assert "no such x" in errors["s"]


def test_errors_of_other_kinds_say_where():
    with pytest.raises(KeyError) as found:
        {}["x"]
    assert re.fullmatch(r"KeyError: 'x' \(test_separate.py, line \d+\)", _said(found.value))


def test_what_all_fail_for_is_raised(data):
    with pytest.raises(DataError, match=r"none of 3 data sets could be fitted.*no column 'w'"):
        mb.fit_many("y ~ w", data, by="region", **HOW)
    with pytest.raises(mb.SamplingError, match=r"draws=0: must be at least 1"):
        mb.fit_many("y ~ x", data, by="region", **HOW | {"draws": 0})
    one = mb.fit_many("y ~ x", data[data.region == "flat"], by="region", **HOW)
    assert "no variation" in one.units()["error"][0]  # one unit, and the row says why


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (lambda d: d.head(1), "row"),
        (lambda d: d.assign(y=np.nan), "missing"),
        (lambda d: d.assign(arm="a"), "arm"),
    ],
)
def test_units_that_cannot_be_fitted(data, rows, said):
    """One row, no response, a level that is missing: a row that says so, and others are fitted."""
    whole = data[data.region == "n"].assign(arm=np.resize(["a", "b"], 30))
    poor = rows(whole).assign(region="poor")
    many = mb.fit_many("y ~ arm", pd.concat([poor, whole]), by="region", **HOW)
    units = many.units().set_index("region")
    assert units.loc["n", "error"] == ""
    assert said in units.loc["poor", "error"]


def test_a_cache_needs_a_seed_and_a_folder(data, tmp_path):
    how = {**HOW, "seed": None}
    for own in (data, [data, data]):
        by = {} if isinstance(own, list) else {"by": "region"}
        with pytest.raises(mb.SamplingError, match="cache= needs a seed"):
            mb.fit_many("y ~ x", own, cache=tmp_path, **by, **how)
    (tmp_path / "file").write_text("")
    with pytest.raises(mb.FileError, match="cannot be made"):
        mb.fit_many("y ~ x", data, by="region", cache=tmp_path / "file", **HOW)


def test_a_cache_with_damaged_files_of_other_data_and_models(data, tmp_path):
    """What is kept stands for the same question alone."""
    own, how = data[data.region != "flat"], {**HOW, "by": "region", "cache": tmp_path}
    first = mb.fit_many("y ~ x", own, **how)
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    (tmp_path / ".half.nc.0123456789ab.tmp").write_bytes(b"half")
    changed = own.assign(y=own.y.where(own.region != "s", own.y + 1))
    second = mb.fit_many("y ~ x", changed, **how)
    assert len(set(tmp_path.glob("*.nc")) - kept.keys()) == 1
    assert not np.array_equal(second["s"].posterior.fixef(), first["s"].posterior.fixef())
    for other in ({"seed": 4}, {"draws": 101}, {"priors": {"sigma": mb.HalfNormal(1)}}):
        before = set(tmp_path.glob("*.nc"))
        mb.fit_many("y ~ x", own, **how | other)
        assert len(set(tmp_path.glob("*.nc")) - before) == 2
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items())
    damaged = next(iter(kept))
    damaged.write_bytes(damaged.read_bytes()[:2000])
    errors = mb.fit_many("y ~ x", own, **how).units()["error"]
    assert sorted(map(bool, errors)) == [False, True]
    assert f"Delete {damaged} to fit again" in max(errors)


NAMES = ["a/b", "../up", "A", "a", "", " ", "ä" * 90, "nul\0", "日本", "a'b\"c", "<b>"]


def test_names_of_any_kind(data, tmp_path):
    """Paths, letters of every script, names that differ in case alone: each is its own unit."""
    rows = data[data.region == "n"].head(12)
    own = pd.concat([rows.assign(region=name) for name in NAMES])
    how = {**HOW, "draws": 20, "chains": 1}
    many = mb.fit_many("y ~ x", own, by="region", cache=tmp_path / "kept", **how)
    assert list(many) == NAMES
    assert len({many[name].settings.seed for name in NAMES}) == len(NAMES)
    assert len(list((tmp_path / "kept").iterdir())) == len(NAMES)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("kind", ["int8", "float64", "Int64", "category", "int64[pyarrow]", bool])
def test_seeds_do_not_depend_on_the_type_of_a_label(data, kind):
    some = data[(data.region == "n")].assign(year=np.tile([0, 1], 15))
    how = {**HOW, "draws": 20, "chains": 1}
    plain = mb.fit_many("y ~ x", some, by=["year", "region"], **how)
    own = mb.fit_many("y ~ x", some.astype({"year": kind}), by=["year", "region"], **how)
    assert [own[u].settings.seed for u in own] == [plain[u].settings.seed for u in plain]


def test_a_category_without_rows_is_no_unit(data):
    own = data.assign(region=pd.Categorical(data.region, ["none", "s", "n", "flat"]))
    many = mb.fit_many("y ~ x", own, by="region", **HOW)
    assert list(many) == ["n", "s", "flat"]
    with pytest.raises(DataError, match="no rows"):
        mb.fit_many("y ~ x", own.head(0), by="region", **HOW)


def test_responses_keep_the_order_of_their_categories(data):
    rng, order = np.random.default_rng(2), ["low", "mid", "high"]
    answers = pd.DataFrame(
        {k: pd.Categorical(rng.choice(order, 90), order, ordered=True) for k in ("p", "q")}
    )
    model = mb.Model("y ~ x", data.assign(y=answers.p), family="cumulative")
    many = mb.fit_many(model, answers, **HOW)
    assert [many[k].model.design.response_levels for k in ("p", "q")] == [tuple(order)] * 2
    with pytest.raises(DataError, match="no column"):
        mb.fit_many(model, answers[[]], **HOW)


def test_tables_go_to_parquet_and_back(fits, tmp_path):
    for name, table in (("units", fits.units()), ("table", fits.table())):
        table.to_parquet(tmp_path / f"{name}.parquet")
        again = pd.read_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(again, pd.DataFrame(table), check_dtype=False)
