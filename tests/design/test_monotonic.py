"""mo(x): columns of steps between ordered levels, by hand, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay
from mixedbayes.errors import DataError

LEVELS = ["low", "middle", "high", "top"]


def frame(rows=40):
    rng = np.random.default_rng(3)
    codes = np.arange(rows) % 4
    return pd.DataFrame(
        {
            "y": rng.normal(size=rows),
            "z": rng.normal(size=rows),
            "income": pd.Categorical([LEVELS[k] for k in codes], LEVELS, ordered=True),
            "from_0": codes,
            "from_1": codes + 1,
            "gap": np.where(codes == 3, 9, codes),
            "two": codes > 1,
            "arm": rng.permutation(np.resize(list("abc"), rows)),
            "g": np.resize([1, 2, 3, 4, 5], rows),
        }
    )


def brms(codes, zeta):
    """mo(x) as brms has it: D times the shares of the steps up to each row's level."""
    D = len(zeta)
    return np.array([D * sum(zeta[i] for i in range(code)) for code in codes])


@pytest.mark.parametrize("name", ["income", "from_0", "from_1"])
def test_columns_times_steps_are_what_brms_computes(name):
    data = frame()
    mu = build_design(f"y ~ mo({name}) + z", data).mu
    (effect,) = mu.monotonic
    b, zeta = -0.7, np.array([0.5, 0.2, 0.3])
    found = mu.X[:, list(effect.columns)] @ (b * 3 * zeta)
    np.testing.assert_allclose(found, b * brms(data["from_0"], zeta), rtol=1e-14, atol=1e-15)
    assert mu.effects == (f"mo({name})", "z")
    slopes = np.array([*(b * 3 * zeta), 4.0])
    np.testing.assert_allclose(mu.average_steps(slopes), [b, 4.0])


def test_equal_shares_are_linear_in_the_codes():
    data = frame()
    mu = build_design("y ~ mo(income)", data).mu
    np.testing.assert_allclose(mu.X @ np.full(3, 0.4), 0.4 * data["from_0"], atol=1e-15)


def test_steps_are_named_by_the_levels_between_which_they_are():
    mu = build_design("y ~ mo(income)", frame()).mu
    assert mu.monotonic[0].steps == ("low to middle", "middle to high", "high to top")
    assert mu.terms[0] == "mo(income)[low to middle]"


def test_a_product_has_steps_of_its_own_for_each_column():
    data = frame()
    mu = build_design("y ~ arm * mo(income) + mo(income):z", data).mu
    assert [m.name for m in mu.monotonic] == [
        "mo(income)", "arm[b]:mo(income)", "arm[c]:mo(income)", "mo(income):z",
    ]  # fmt: skip
    passed = (data["from_0"].to_numpy()[:, None] > np.arange(3)).astype(float)
    inside = {
        "mo(income)": 1.0, "arm[b]:mo(income)": data["arm"] == "b",
        "arm[c]:mo(income)": data["arm"] == "c", "mo(income):z": data["z"],
    }  # fmt: skip
    for m in mu.monotonic:
        times = np.broadcast_to(np.asarray(inside[m.name], float), len(data))
        np.testing.assert_array_equal(mu.X[:, list(m.columns)], passed * times[:, None])
    assert sorted(k for m in mu.monotonic for k in m.columns) == list(range(2, 14))


def test_a_product_without_its_main_effect_has_one_for_each_level():
    mu = build_design("y ~ arm + mo(income):arm", frame()).mu
    assert [m.name for m in mu.monotonic] == [f"mo(income):arm[{a}]" for a in "abc"]


def test_one_step_is_an_indicator():
    data = frame()
    mu = build_design("y ~ mo(two) + z", data).mu
    assert mu.monotonic == ()
    assert mu.terms == ("mo(two)", "z")
    np.testing.assert_array_equal(mu.X[:, 0], data["two"])


def test_levels_that_do_not_occur_are_no_step():
    data = frame()
    data = data[data["income"] != "middle"]
    mu = build_design("y ~ mo(income)", data).mu
    assert mu.monotonic[0].steps == ("low to high", "high to top")


def test_an_order_can_be_given_in_the_formula():
    mu = build_design('y ~ mo(C(arm, levels=["c", "a", "b"]))', frame()).mu
    assert mu.monotonic[0].steps == ("c to a", "a to b")


def test_new_rows_are_read_alike_whatever_type_they_have():
    design = build_design("y ~ mo(income) + mo(from_1):z", frame())
    new = pd.DataFrame({"income": ["top", "low", "high"], "from_1": [1.0, 4.0, 2.0], "z": 2.0})
    found = replay(design, new).X
    np.testing.assert_array_equal(found[:, :3], [[1, 1, 1], [0, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(found[:, 3:], [[0, 0, 0], [2, 2, 2], [2, 0, 0]])


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"income": ["low", "none"], "from_1": 1}, "income has 1 level.* do not have: 'none'"),
        ({"income": "low", "from_1": [1, 5]}, r"mo\(from_1\) has 1 level.*: 5; known are 1, 2"),
        ({"income": "low", "from_1": [1, 1.5]}, r"mo\(from_1\) has 1 level.*: 1.5"),
    ],
)
def test_levels_that_were_not_seen_are_refused(new, said):
    design = build_design("y ~ mo(income) + mo(from_1):z", frame())
    with pytest.raises(DataError, match=said):
        replay(design, pd.DataFrame({**new, "z": 1.0}, index=[0, 1]))


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ mo(z)", r"whole numbers, and z has .*; write s\(z\)"),
        ("y ~ mo(arm)", r"the levels of arm have no order; write mo\(C\(arm, levels="),
        ("y ~ mo(gap)", r"no row of the 40 used has a value between 2 and 9.*ordered category"),
        ("y ~ mo(income, 2)", r"mo\(\) takes one column"),
        ("y ~ mo(poly(z, 2))", "one column with ordered levels"),
        ("y ~ z + (mo(income) | g)", r"monotonic effects that vary over groups.*\(income \| g\)"),
        ("y ~ mo(income):mo(from_0)", "a product of two monotonic effects.*keep mo"),
        ("y ~ income + mo(income)", r"mo\(income\)\[low to middle\] depends on .* 2 more"),
        ("y ~ log(mo(income))", r"mo\(income\) is several columns: there is no arithmetic"),
    ],
)
def test_what_has_no_monotonic_effect_is_refused(formula, said):
    with pytest.raises(DataError, match=said):
        build_design(formula, frame())


def test_a_single_level_is_refused():
    data = frame()
    with pytest.raises(DataError, match=r"mo\(income\) has the single level 'low' in the 10 rows"):
        build_design("y ~ mo(income)", data[data["income"] == "low"])
    for formula in ("y ~ mo(from_0)", "y ~ C(from_0)"):
        with pytest.raises(DataError, match=r"has the single level 0(\.0)? in the 10 rows"):
            build_design(formula, data[data["from_0"] == 0])


def test_a_step_that_is_in_no_row_is_refused():
    data = frame()
    data = data[(data["arm"] != "b") | (data["from_0"] < 3)]
    with pytest.raises(DataError, match=r"high to top\]:arm\[b\] depends .* Join levels"):
        build_design("y ~ mo(income) * arm", data)


def test_a_function_of_the_callers_comes_first():
    mu = build_design("y ~ mo(z)", frame(), functions={"mo": np.abs}).mu
    assert mu.monotonic == ()
    np.testing.assert_array_equal(mu.X[:, 0], frame()["z"].abs())
