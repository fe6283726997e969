"""Work in several processes: what ends before it is done, and what does not travel."""

import pytest

from mixedbayes.api.parallel import each
from mixedbayes.errors import ModelError, SamplingError
from tests.support.workers import Lock, ends


def test_a_process_that_is_killed_says_what_to_do():
    with pytest.raises(SamplingError, match=r"one of 2 processes ended .* after 0 of 3 fits: take "
                       r"fewer of them by workers=; with the same cache="):  # fmt: skip
        list(each(ends, [1, 2, 3], workers=2, progress=False, remedy="; with the same cache="))
    assert list(each(abs, [-1, 2], workers=2, progress=False)) == [1, 2]  # others go on


def test_what_does_not_travel_is_said():
    with pytest.raises(
        ModelError,
        match=r"to other processes: TypeError: cannot pickle '_thread.lock' object\. Use workers=1",
    ):
        list(each(Lock(), [1, 2], workers=2, progress=False))
    assert list(each(Lock(), [1, 2], workers=1, progress=False)) == [1, 2]
