"""Arguments of other packages, and how the same is said here."""

import inspect

import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.api.arguments import INSTEAD
from mixedbayes.errors import ModelError

D = pd.DataFrame({"y": [1.0, 2, 3], "x": [0, 1, 2]})


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("autocor", 'residual="ar1'),
        ("correlation", 'residual="ar1'),
        ("iter", "draws= and tune="),
        ("weights", r"y \| weights\(w\)"),
        ("REML", "a posterior"),
    ],
)
@pytest.mark.parametrize("call", [mb.fit, mb.Model, mb.fit_many])
def test_they_are_led_to_ours(call, argument, said):
    with pytest.raises(ModelError, match=f"no argument {argument}=: .*{said}"):
        call("y ~ x", D, **{argument: None})


def test_others_are_unknown_as_everywhere():
    with pytest.raises(TypeError, match="iters"):
        mb.fit("y ~ x", D, iters=3)


def test_none_is_one_of_ours():
    own = set(inspect.signature(mb.fit).parameters) | set(inspect.signature(mb.fit_many).parameters)
    assert not own & set(INSTEAD)
