import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import xarray as xr

from mixedbayes.results.posterior import Posterior


def test_what_took_long_is_computed_once_and_not_pickled():
    draws = xr.Dataset({"a": (("chain", "draw"), np.ones((2, 3)))})
    post = Posterior(None, xr.DataTree.from_dict({"posterior": draws}))
    calls = []

    def sum_of_a():
        calls.append(1)
        return float(post.stacked("a").sum())

    assert [post.once("sum", sum_of_a) for _ in range(2)] == [6, 6]
    assert len(calls) == 1
    again = pickle.loads(pickle.dumps(post))
    assert again.once("sum", lambda: "anew") == "anew"
    assert again.stacked("a").tolist() == [1] * 6
    assert post.once("sum", sum_of_a) == 6


def test_of_another_design_nothing_is_known_yet(sleep):
    sleep.once("of the design", lambda: "old")
    other = sleep.with_design(replace(sleep.design, y=2 * sleep.design.y))
    assert other.once("of the design", lambda: "new") == "new"
    assert sleep.once("of the design", lambda: "new") == "old"
    assert other.idata is sleep.idata
    assert (other.family, other.priors) == (sleep.family, sleep.priors)
    assert sleep.design.y.max() == other.design.y.max() / 2
    with pytest.raises(FrozenInstanceError):
        other.spec = sleep.spec
