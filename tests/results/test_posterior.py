import pickle

import numpy as np
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
