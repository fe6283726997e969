"""Both passes: the same digits in any order, levels of all files, and what is refused."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mixedbayes as mb
from mixedbayes.api.batches import source
from mixedbayes.batches.first import FirstPass
from mixedbayes.batches.passes import collapse, finished
from mixedbayes.batches.reading import reading
from mixedbayes.batches.second import SecondPass
from mixedbayes.design.functions import registry
from mixedbayes.formula import parse_all
from tests.support.batches import Batches, data, opened_batches, parted

FORMULA = "y | weights(w) ~ x * z + arm + log(z) + (x | a) + (1 | a:b)"


def table(made, formula=FORMULA, **more):
    return collapse(parse_all(formula), made, functions=registry(None), own={}, sums=True, **more)


def assert_same(one, two):
    """To the last digit."""
    pd.testing.assert_frame_equal(one.frame(), two.frame(), check_exact=True)
    for name in ("counts", "weights"):
        np.testing.assert_array_equal(getattr(one.standing, name), getattr(two.standing, name))
    for text, columns in one.standing.computed.items():
        np.testing.assert_array_equal(columns, two.standing.computed[text])
    for name in ("log_weights", "inverse_weights", "dropped", "total", "used", "ranges"):
        assert getattr(one.standing, name) == getattr(two.standing, name)


@pytest.fixture(scope="module")
def whole():
    return table(opened_batches(data(), 10_000, parts=1))


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_order_and_batches(whole, size, seed):
    """Rows in another order, files of other lengths and batches of other sizes."""
    rows = data().sample(frac=1, random_state=seed)
    assert_same(table(opened_batches(rows, size, parts=1 + seed * 4), size=size), whole)


def test_two_functions(whole):
    """Sums of pieces, made apart, pickled and combined in any order, are those of all rows."""
    parts = parted(data(), 5)
    schema = opened_batches(data(), 100).typed(list(data()))
    read = reading(parse_all(FORMULA), schema, registry(None), (), sums=True)
    first = FirstPass(read, 1000)

    pieces = [Batches(pa.Table.from_pandas(p), size=50) for p in parts]
    seen = [pickle.loads(pickle.dumps(first.partial(p.batches(read.columns)))) for p in pieces]
    together = reduce(first.combine, seen[::-1])
    second = pickle.loads(pickle.dumps(SecondPass.of(read, together, schema, 1000, {})))
    sums = [second.partial(p.batches(second.read.columns)) for p in pieces]
    sums = [pickle.loads(pickle.dumps(s)) for s in sums]
    left = reduce(second.combine, sums)
    others = reduce(second.combine, [sums[0], *sums[2:4]])
    right = second.combine(second.combine(sums[4], sums[1]), others)
    assert_same(finished(second, together, left, "pieces"), whole)
    assert_same(finished(second, together, right, "pieces"), whole)


def test_elsewhere(whole):
    """A pass in an executor's threads."""
    with ThreadPoolExecutor(2) as pool:
        assert_same(table(opened_batches(data(), 50), on=pool), whole)


def test_levels_by_file():
    """A level that comes in the last file alone; whole numbers, text, dates and categories."""
    frame = data().dropna().reset_index(drop=True)
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.k, unit="D")
    frame["kind"] = pd.Categorical(frame.arm, ["mid", "low", "high"])
    frame["late"] = np.where(np.arange(len(frame)) < len(frame) - 3, "z", "a")
    frame["whole"] = frame.a.astype("int8")
    formula = "y ~ x + kind + (1 | day) + (1 | late:whole) + (1 | kind:b)"
    here = mb.Model(formula, frame)
    there = mb.Model(formula, opened_batches(frame, 13))
    for ours, theirs in zip(here.design.mu.groups, there.design.mu.groups, strict=True):
        pd.testing.assert_index_equal(theirs.levels, ours.levels)
        np.testing.assert_array_equal(theirs.rows_per_level, ours.rows_per_level)
    assert there.design.mu.terms == here.design.mu.terms
    assert there.design.n < here.design.n
    assert list(there.priors.prior) == list(here.priors.prior)


def test_categories_by_file():
    """Categories that differ by file are levels in the order of text, whichever comes first."""
    frame = data().dropna()
    parts = [p.assign(arm=pd.Categorical(p.arm[::-1].to_numpy())) for p in parted(frame, 2)]
    parts[0]["arm"] = parts[0].arm.cat.remove_categories("mid").fillna("low")
    tables = [pa.Table.from_pandas(p, preserve_index=False) for p in parts]
    plain = pd.concat(parts)
    here = mb.Model("y ~ x + arm + (1 | a)", plain.assign(arm=plain.arm.astype(str)))
    for order in (tables, tables[::-1]):
        there = mb.Model("y ~ x + arm + (1 | a)", Batches(*order, size=40))
        assert there.design.mu.terms == here.design.mu.terms
        assert list(there.priors.prior) == list(here.priors.prior)


def test_two_zeros():
    """0 and -0 are one value, of a level and of a number with two values."""
    frame = data().dropna()
    for zeros in (-0.0, np.where(frame.k > 4, 0.0, -0.0)):
        frame["t"] = np.where(frame.t == 1, 1.0, zeros)
        for formula in ("y ~ t + (1 | a)", "y ~ C(t) + (1 | t:a)"):
            here, there = mb.Model(formula, frame), mb.Model(formula, opened_batches(frame, 30))
            assert list(there.priors.prior) == list(here.priors.prior)
            assert there.design.mu.groups[0].n_levels == here.design.mu.groups[0].n_levels


def test_missing():
    """Rows that lack something are left out and counted, or refused."""
    frame = data()
    said = r"15 of the 600 rows of .* have missing values: .*x in 7"
    with pytest.raises(mb.DataError, match=said):
        mb.Model("y ~ x + (1 | b)", opened_batches(frame, 50), missing="error")
    empty = frame.assign(x=np.nan)
    with pytest.raises(mb.DataError, match=r"none of the 600 rows .* x in 600"):
        mb.Model("y ~ x + (1 | a)", opened_batches(empty, 50))


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ s(x) + (1 | a)", "is a smooth"),
        ("y ~ x + ar1(k | a)", "effects with a structure"),
        (["y ~ x + (1 | a)", "sigma ~ x"], "is a formula for sigma"),
        ("mv(y, z) ~ x", "several responses"),
        ("y | mi() ~ x", "without a response"),
        ("y | se(w) ~ x + (1 | a)", "an error of its own"),
        ("y ~ poly(k, 10)", "degree 10 needs more than 10 distinct values"),
        ("y ~ poly(t, 2)", "degree 2 needs more than 2 distinct values"),
        ("y ~ poly(x, 0)", "degree is a whole number"),
        ("y ~ cr(k, df=3, lower_bound=2.5, upper_bound=3.5)", "the 1 distinct values of k from"),
        ("y ~ cr(x, k=4)", "mgcv's k is df here"),
        ("y ~ cr(x)", "how many columns the spline has"),
        ("y ~ bs(x, df=2)", "`df` must be greater than 3"),
        ("y ~ bs(x, df=5, lower_bound=50)", "extend beyond"),
        ("y ~ bs(x, df=5, lower_bound=90, extrapolation='clip')", "cannot be computed"),
        ("y ~ poly(scale(x), 2)", "learns from what"),
        ("y ~ scale(center(x))", "learns from what another function learns"),
        ("y ~ nothing + (1 | a)", "nothing"),
        ("y ~ C(x > 50) * z + (1 | a)", r"C\(x > 50\) makes a category of the numbers in 'x'"),
        ("y ~ x + (1 | gr(a, law='student'))", "reads rows"),
        ("y ~ log(x - 100)", "not finite"),
        ("y | weights(x - 100) ~ z", "not positive"),
    ],
)
def test_refused(formula, said):
    """What needs all rows at once is refused with the reason."""
    with pytest.raises(mb.MixedBayesError, match=said):
        mb.Model(formula, opened_batches(data(), 100))


@pytest.mark.parametrize("formula", ["y | weights(u) ~ z", "y ~ u + (1 | a)"])
def test_infinite(formula):
    """Infinite weights, and numbers of two values of which one is infinite."""
    frame = data().dropna().assign(u=1.0)
    frame.iloc[7, -1] = np.inf
    with pytest.raises(mb.DataError, match=r"^u is not finite in 1 of the \d+ rows of a batch"):
        mb.Model(formula, opened_batches(frame, 100))


def test_several_values_in_a_row():
    """Lists, structures, and months beside days and seconds are no values of a column."""
    rows = pa.table({"y": [1.0, 2.0], "x": [[1.0], [2.0, 3.0]], "z": [{"a": 1}, {"a": 2}]})
    for name, held in (("x", "list"), ("z", "struct")):
        with pytest.raises(mb.DataError, match=f"column '{name}' holds {held}<"):
            mb.Model(f"y ~ {name}", Batches(rows))
    spans = pa.array([(0, 1, 0), (0, 2, 0)], pa.month_day_nano_interval())
    with pytest.raises(mb.DataError, match="column 'span' holds month_day_nano_interval"):
        mb.Model("y ~ 1 + (1 | span)", Batches(rows.append_column("span", spans)))


def test_rows_that_are_counted():
    """Messages do not take the rows that stand for others for those of the data."""
    frame = data().dropna()
    n = len(frame)
    said = rf"in all \d+ rows.*\d+ rows that have the sums of the {n} of "
    with pytest.raises(mb.DataError, match=said):
        mb.Model("y ~ x + (1 | a)", opened_batches(frame.assign(y=3.0), 100))
    said = rf"in row 0 .*\d+ distinct rows among the {n} of "
    few = frame.assign(y=frame["a"].astype("category").cat.codes - 1)
    with pytest.raises(mb.DataError, match=said):
        mb.Model("y ~ 1 + (1 | a)", opened_batches(few, 100), family="poisson")


def test_what_to_do_with_missing_values():
    """A word that missing= does not know is refused, whether or not a value is missing."""
    with pytest.raises(mb.DataError, match='missing is "drop" or "error", not \'omit\''):
        mb.Model("y ~ x + (1 | a)", opened_batches(data(), 100), missing="omit")


def test_own_functions():
    """A function of the user's gives each row its value; one number of all rows is refused."""
    frame = data()
    own = {"half": lambda x: x / 2, "middle": lambda x: float(np.mean(x))}
    here = mb.Model("y ~ half(x) + (1 | a)", frame, functions=own)
    there = mb.Model("y ~ half(x) + (1 | a)", opened_batches(frame, 50), functions=own)
    assert list(there.priors.prior) == list(here.priors.prior)
    with pytest.raises(mb.DataError, match="one number of all rows"):
        mb.Model("y ~ I(x - middle(x))", opened_batches(frame, 50), functions=own)


def test_other_formulation():
    """An engine that reads rows is refused."""
    with pytest.raises(mb.ModelError, match="read in batches"):
        mb.Model("y ~ x + (1 | a)", opened_batches(data(), 100), formulation=mb.NonCentered())
    with pytest.raises(mb.ModelError, match="read in batches"):
        mb.Model("y ~ x + (1 | a)", opened_batches(data(), 100)).fit(
            seed=1, formulation=mb.Centered(), progress=False
        )


def test_cells():
    """Cells have a limit, which is an argument."""
    with pytest.raises(mb.DataError, match=r"more than 50 cells.*cells="):
        mb.Model("y ~ x + (1 | a) + (1 | b)", source(data(), cells=50))
    for wrong in ({"cells": 0}, {"cells": True}, {"size": 0}):
        with pytest.raises(mb.DataError, match="whole number"):
            source(data(), **wrong)


def test_error_in_a_batch():
    """What a source raises arrives as it is, and the pass ends."""

    class Broken(Batches):
        def _read(self, columns, size):
            yield from super()._read(columns, size)
            raise mb.DataError("part-7.parquet, row group 3: damaged")

    with pytest.raises(mb.DataError, match="row group 3"):
        mb.Model("y ~ x + (1 | a)", Broken(pa.Table.from_pandas(data()), size=20))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(y=t.y + 1e-3 * (t.t == 1)), r"y had the mean 1e\+06 and sd"),
        (lambda t: t.assign(x=50 + 2 * (t.x - 50)), r"x had the mean 49.9.* and sd 3\.1"),
        (lambda t: t.assign(a=t.a.replace(-3, 999)), "a has other values in the second pass"),
    ],
)
@pytest.mark.parametrize("formula", [FORMULA, "y ~ x + (x | a) + (1 | b) + (1 | k)"])
def test_values_that_change_between_passes(change, said, formula, monkeypatch):
    """As many rows, and other values in them, are refused: sums would be of no data."""
    monkeypatch.setattr("mixedbayes.batches.second.WHOLE", 100)
    later = change(data())

    class Changes(Batches):
        read = 0

        def _read(self, columns, size):
            type(self).read += 1
            now = self if type(self).read == 1 else opened_batches(later, 50)
            yield from Batches._read(now, columns, size)

    with pytest.raises(mb.DataError, match=said):
        table(Changes(pa.Table.from_pandas(data())), formula)
    Changes.read, later = 0, data()
    table(Changes(pa.Table.from_pandas(data())), formula)


def test_interrupted(monkeypatch):
    """Ctrl-C ends the pass: no thread reads on."""
    read = []

    class Slow(Batches):
        def _read(self, columns, size):
            for batch in super()._read(columns, size):
                read.append(batch.num_rows)
                time.sleep(0.02)
                yield batch

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mixedbayes.batches.passes.wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        table(Slow(pa.Table.from_pandas(data()), size=10), size=10)
    seen = len(read)
    time.sleep(0.1)
    assert len(read) == seen < 60


def test_progress(monkeypatch):
    """The display is told how many rows have been read, of how many, in each pass."""
    shown = []

    class Shown:
        def __init__(self, title, total, of, *, wanted):
            shown.append((title, total, of, wanted))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, done):
            shown.append(done)

        finish = update

    monkeypatch.setattr("mixedbayes.batches.passes.display", Shown)
    table(source(data()).of, progress=True)
    assert [s for s in shown if isinstance(s, tuple)] == [
        ("Reading levels", 600, "rows", True),
        ("Adding up rows", 600, "rows", True),
    ]
    assert shown[-1] == 600
