"""Order of elimination: nesting is found in the data, and large dense blocks are refused."""

import numpy as np
import pytest

from mixedbayes.errors import ModelError
from mixedbayes.marginal.plan import choose_plan
from mixedbayes.marginal.problem import build_problem


def factor(refs, q=1, J=None):
    refs = np.asarray(refs)
    return refs, np.ones((len(refs), q)), int(refs.max()) + 1 if J is None else J


def nested(n=60):
    fine = np.arange(n) % 12
    return factor(fine), factor(fine // 3), factor(fine // 6)


def test_a_chain_of_nested_factors_is_eliminated_finest_first():
    a, b, c = nested()
    plan = choose_plan([c, a, b], 2)
    assert plan.chain == (1, 2, 0)
    assert plan.crossed == ()
    assert plan.n_dense == 2


def test_the_heaviest_chain_wins_and_the_rest_is_dense():
    rng = np.random.default_rng(0)
    a, b, _ = nested()
    big = factor(np.r_[np.arange(14), rng.integers(0, 14, 46)])
    plan = choose_plan([big, b, a], 1)
    assert plan.chain == (2, 1)  # 12 + 4 effects against 14
    assert plan.crossed == (0,)
    assert plan.n_dense == 15


def test_no_factors():
    plan = choose_plan([], 3)
    assert plan.order == ()
    assert str(plan).startswith("3 population columns dense; about ")


def test_the_largest_crossed_factors_are_sampled_when_the_dense_block_is_too_large():
    rng = np.random.default_rng(0)
    n = 400
    big, middle, small = (factor(rng.integers(0, J, n), J=J) for J in (90, 50, 8))
    plan = choose_plan([small, big, middle], 2, names=("s", "b", "m"), max_dense=20)
    assert plan.chain == (1,)
    assert plan.sampled == (2,)
    assert plan.crossed == (0,)
    assert "m: 50 levels x 1 effect sampled" in str(plan)
    prior = {"prior_mean": np.zeros(1), "prior_precision": np.eye(1)}
    with pytest.raises(ModelError, match=r"59 columns, more than 20; sample the effects of m"):
        build_problem(
            rng.normal(size=n), np.ones((n, 1)), [small, big, middle],
            names=("s", "b", "m"), max_dense=20, **prior,
        )  # fmt: skip


def test_text():
    fine = np.arange(180) % 18
    plan = choose_plan([factor(fine, 2)], 2, names=["Subject"])
    assert str(plan) == (
        "Subject: 18 levels x 2 effects eliminated in blocks; 2 population columns dense; "
        "about 2e3 flops per gradient"
    )


def test_flops_grow_linearly_with_the_levels_of_a_chain_and_cubically_with_the_dense_block():
    small, large = (choose_plan([factor(np.arange(J), 2)], 0).flops for J in (1_000, 10_000))
    assert large / small == pytest.approx(10, rel=0.01)
    rng = np.random.default_rng(0)
    n = 5_000
    fine = np.arange(n) % (n // 2)
    dense = [
        choose_plan([factor(fine), factor(rng.integers(0, J, n), J=J)], 0).flops
        for J in (1_000, 2_000)
    ]
    assert 6 < dense[1] / dense[0] < 8.1


def test_number_of_names_must_match():
    with pytest.raises(ModelError, match="1 names were given for 2"):
        choose_plan(list(nested()[:2]), 1, names=["a"])
