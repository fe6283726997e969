"""Which draws of an interrupted run are kept."""

import pytest

from mixedbayes.errors import SamplingError
from mixedbayes.sample.result import Timings, interruption_note, largest_rectangle
from mixedbayes.sample.settings import Settings


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        ([1000, 1000], ([0, 1], 1000)),
        ([1000, 7, 1000], ([0, 2], 1000)),
        ([590, 600, 598], ([0, 1, 2], 590)),
        ([0, 5], ([1], 5)),
        ([0, 0, 1, 0], ([2], 1)),
    ],
)
def test_most_draws_in_chains_of_equal_length(lengths, kept):
    assert largest_rectangle(lengths) == kept


@pytest.mark.parametrize("lengths", [[0, 0], []])
def test_nothing_to_keep(lengths):
    with pytest.raises(SamplingError, match="before the first draw after tuning"):
        largest_rectangle(lengths)


def test_the_note_counts_what_was_kept():
    note = interruption_note(3, 1234, Settings(draws=5000))
    assert "3 of 4 chains with 1,234 of 5,000 draws each were kept" in note


def test_timings_add_up():
    assert Timings(compile=1.0, tune=2.0, sample=3.0).total == 6.0
