"""Terms to columns: names, codings, transforms; against formulaic where it does the same."""

import formulaic
import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, random_columns, replay
from mixedbayes.errors import DataError


def frame(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": rng.uniform(1, 2, size=n),
            "k": rng.integers(0, 4, size=n),
            "flag": rng.random(n) < 0.5,
            "a": rng.choice(["p", "q", "r"], n),
            "b": pd.Categorical(rng.choice(["lo", "hi"], n), categories=["lo", "mid", "hi"]),
            "g": np.arange(n) % 6,
            "odd name": rng.normal(size=n),
        }
    )


DATA = frame()

NAMES = {
    "1": (),
    "x": ("x",),
    "a": ("a[q]", "a[r]"),
    "b": ("b[hi]",),
    "flag": ("flag",),
    "0 + a": ("a[p]", "a[q]", "a[r]"),
    "0 + a + b": ("a[p]", "a[q]", "a[r]", "b[hi]"),
    "0 + x:a": ("x:a[p]", "x:a[q]", "x:a[r]"),
    "x*a": ("x", "a[q]", "a[r]", "x:a[q]", "x:a[r]"),
    "x:a": ("x:a[p]", "x:a[q]", "x:a[r]"),
    "a*b": ("a[q]", "a[r]", "b[hi]", "a[q]:b[hi]", "a[r]:b[hi]"),
    "a:b": ("b[hi]", "a[q]:b[lo]", "a[r]:b[lo]", "a[q]:b[hi]", "a[r]:b[hi]"),
    "a/x": ("a[q]", "a[r]", "a[p]:x", "a[q]:x", "a[r]:x"),
    "poly(x, 2)": ("poly(x, 2)[1]", "poly(x, 2)[2]"),
    "C(k)": ("C(k)[1]", "C(k)[2]", "C(k)[3]"),
    "C(flag)": ("C(flag)[True]",),
    'C(a, contr.treatment("q"))': (
        'C(a, contr.treatment("q"))[p]',
        'C(a, contr.treatment("q"))[r]',
    ),
    'C(a, levels=["r", "q", "p"])': (
        'C(a, levels=["r", "q", "p"])[q]',
        'C(a, levels=["r", "q", "p"])[p]',
    ),
    "`odd name` + log(z)": ("odd name", "log(z)"),
    "I(`odd name`**2)": ("I(`odd name`**2)",),
    'I(a == "q")': ('I(a == "q")',),
}


@pytest.mark.parametrize(("terms", "names"), NAMES.items())
def test_names(terms, names):
    mu = build_design(f"y ~ {terms}", DATA).mu
    assert mu.terms == names
    assert mu.intercept == (not terms.startswith("0"))
    assert mu.X.shape == (len(DATA), len(names))
    assert mu.X.dtype == np.float64
    assert mu.X.flags.c_contiguous


# formulaic evaluates the same texts; the coding differs in names only

SAME_AS_FORMULAIC = [
    "x + z + x:z",
    "a",
    "a*b",
    "0 + a*b",
    "a + a:x",
    "0 + x + x:a",
    "x*a*b",
    "C(a, contr.sum)",
    "C(a, contr.helmert)",
    "C(k, contr.poly)",
    "C(a, contr.diff)",
    "C(a, contr.SAS)",
    "C(a, contr.sum):C(b, contr.sum) + C(a, contr.sum)",
    "poly(x, 3)",
    "poly(x, 2, raw=True)",
    "bs(x, df=5)",
    "bs(x, knots=[0.1, 0.4])",
    "bs(x, df=4, degree=2, include_intercept=False)",
    "cr(x, df=4)",
    "cc(x, df=4)",
    "scale(x) + center(z)",
    "log(z) + exp(x)",
    "I(x**2 + 3*z) + I(x - z)",
]


@pytest.mark.parametrize("terms", SAME_AS_FORMULAIC)
def test_same_columns_as_formulaic(terms):
    mu, text = build_design(f"y ~ {terms}", DATA).mu, terms
    data = DATA.assign(b=DATA.b.cat.remove_unused_categories())
    for spline in ("cr(x, df=4", "cc(x, df=4"):  # centred by default, here
        text = text.replace(spline, f"{spline}, constraints='center'")
    other = formulaic.model_matrix(text, data).drop(columns="Intercept", errors="ignore")
    assert mu.X.shape == other.shape
    # in another order where formulaic sorts the factors of a term
    order = [int(np.argmin(np.abs(mu.X - column[:, None]).sum(0))) for column in other.to_numpy().T]
    np.testing.assert_allclose(mu.X[:, order], other.to_numpy(float), atol=1e-12)
    assert sorted(order) == list(range(len(mu.terms)))


SAME_SPACE = ["a:b", "a:b + x:a:b", "0 + a:b:x", "a + a:b + b:x", "(a + b + x)**2", "0 + a + x:a:b"]


@pytest.mark.parametrize("terms", SAME_SPACE)
def test_same_space_as_formulaic(terms):
    mu = build_design(f"y ~ {terms}", DATA).mu
    ours = np.column_stack([np.ones(len(DATA)), mu.X]) if mu.intercept else mu.X
    other = formulaic.model_matrix(terms, DATA.assign(b=DATA.b.astype(str))).to_numpy(float)
    both = np.linalg.matrix_rank(np.hstack([ours, other]))
    assert both == np.linalg.matrix_rank(other) == ours.shape[1] == np.linalg.matrix_rank(ours)


BARS = {
    "(1 | g)": (("Intercept",), ((0,),)),
    "(x | g)": (("Intercept", "x"), ((0, 1),)),
    "(x || g)": (("Intercept", "x"), ((0,), (1,))),
    "(0 + x | g)": (("x",), ((0,),)),
    "(a | g)": (("Intercept", "a[q]", "a[r]"), ((0, 1, 2),)),
    "(0 + a | g)": (("a[p]", "a[q]", "a[r]"), ((0, 1, 2),)),
    "(a || g)": (("Intercept", "a[q]", "a[r]"), ((0,), (1,), (2,))),
    "(1 | g) + (0 + x | g)": (("Intercept", "x"), ((0,), (1,))),
    "(0 + x + z | g) + (1 | g)": (("x", "z", "Intercept"), ((0, 1), (2,))),
    "(x:a | g)": (("Intercept", "x:a[p]", "x:a[q]", "x:a[r]"), ((0, 1, 2, 3),)),
}


@pytest.mark.parametrize(("bars", "expected"), BARS.items())
def test_bars(bars, expected):
    (group,) = build_design(f"y ~ {bars}", DATA).mu.groups
    assert (group.terms, group.blocks) == expected
    assert group.Z.shape == (len(DATA), len(group.terms))
    assert group.Z.flags.c_contiguous
    values = {"Intercept": np.ones(len(DATA)), "x": DATA.x, "z": DATA.z}
    for level in "pqr":
        values[f"a[{level}]"] = (DATA.a == level).to_numpy(float)
        values[f"x:a[{level}]"] = DATA.x * (DATA.a == level)
    for j, term in enumerate(group.terms):
        np.testing.assert_array_equal(group.Z[:, j], values[term])


# replay

REPLAYED = [
    "a*x + scale(z)",
    "poly(x, 3) + bs(z, df=4)",
    "cr(x, df=4) + center(z):b",
    "C(k, contr.sum) + C(a, contr.treatment(\"r\"))",
    "0 + a + log(z) + I(x > 0)",
    "double(x) + C(half(z))",
    "cc(x, df=4)",
]  # fmt: skip
FUNCTIONS = {"double": lambda v: 2 * v, "half": lambda v: np.where(v > 1.5, "up", "down")}


@pytest.mark.parametrize("terms", REPLAYED)
def test_new_rows_are_seen_as_the_fitted_ones(terms):
    design = build_design(f"y ~ {terms} + ({terms} | g)", DATA, functions=FUNCTIONS)
    some = DATA.iloc[[7, 3, 3, 40]].drop(columns="y")
    new = replay(design, some)
    np.testing.assert_allclose(new.X, design.mu.X[[7, 3, 3, 40]], atol=1e-14)
    np.testing.assert_allclose(new.groups["g"].Z, design.mu.groups[0].Z[[7, 3, 3, 40]], atol=1e-14)
    np.testing.assert_array_equal(new.groups["g"].refs, [1, 3, 3, 4])
    Z = random_columns(design, "g", some.drop(columns="g"))
    np.testing.assert_array_equal(Z, new.groups["g"].Z)
    one = replay(design, some.iloc[[0]])
    np.testing.assert_allclose(one.X, new.X[[0]], atol=1e-14)


def test_transforms_do_not_learn_from_new_rows():
    design = build_design("y ~ scale(x) + poly(z, 2)", DATA)
    before = replay(design, DATA).X
    replay(design, DATA.assign(x=DATA.x * 100, z=DATA.z + 0.5))
    np.testing.assert_array_equal(replay(design, DATA).X, before)
    shifted = replay(design, DATA.assign(x=DATA.x + DATA.x.std())).X
    np.testing.assert_allclose(shifted[:, 0], before[:, 0] + 1)


def test_spline_beyond_its_bounds_says_so():
    design = build_design("y ~ bs(x, df=4)", DATA)
    with pytest.raises(DataError, match=r"bs\(x, df=4\) cannot be computed.*bounds"):
        replay(design, DATA.assign(x=100.0))
    wide = build_design('y ~ bs(x, df=4, extrapolation="extend")', DATA)
    assert np.isfinite(replay(wide, DATA.assign(x=100.0)).X).all()


def test_matrix_of_the_callers_function_keeps_its_names():
    def both(x):
        return pd.DataFrame({"up": np.maximum(x, 0), "down": np.minimum(x, 0)})

    mu = build_design("y ~ both(x)", DATA, functions={"both": both}).mu
    assert mu.terms == ("both(x)[up]", "both(x)[down]")
    np.testing.assert_allclose(mu.X.sum(axis=1), DATA.x)


def test_constants_of_the_caller():
    mu = build_design("y ~ I(x*rate) + sin(2*pi*z)", DATA, functions={"rate": 2.5}).mu
    np.testing.assert_allclose(mu.X[:, 0], 2.5 * DATA.x)
    np.testing.assert_allclose(mu.X[:, 1], np.sin(2 * np.pi * DATA.z))


def test_a_column_comes_before_a_constant():
    mu = build_design("y ~ pi", DATA.assign(pi=DATA.x)).mu
    np.testing.assert_array_equal(mu.X[:, 0], DATA.x)
