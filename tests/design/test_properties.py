"""What must not matter: the order of rows, the names of levels, the spelling of the formula."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mixedbayes.design import build_design, replay
from mixedbayes.errors import DataError
from mixedbayes.formula import canonical

FORMULA = "y ~ x*f + (x | g) + (0 + f || h) + (1 | g:h)"


few = settings(max_examples=20)


@st.composite
def frames(draw):
    n = draw(st.integers(24, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "f": rng.permutation(np.arange(n) % 3).astype(str),
            "g": rng.permutation(np.arange(n) % draw(st.integers(2, 9))),
            "h": rng.permutation(np.arange(n) % draw(st.integers(2, 5))),
        }
    )


def dense(design):
    """Z of all groups as one matrix, effects of a level next to each other."""
    out = []
    for group in design.mu.groups:
        block = np.zeros((design.n, group.n_levels, len(group.terms)))
        block[np.arange(design.n), group.refs] = group.Z
        out.append(block.reshape(design.n, -1))
    return np.hstack(out)


@few
@given(frames(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(data, random):
    order = random.sample(range(len(data)), len(data))
    one, two = build_design(FORMULA, data), build_design(FORMULA, data.iloc[order])
    assert one.mu.terms == two.mu.terms
    np.testing.assert_array_equal(one.y[order], two.y)
    np.testing.assert_allclose(one.mu.X[order], two.mu.X)
    np.testing.assert_allclose(dense(one)[order], dense(two))


@few
@given(frames())
def test_names_of_levels_do_not_matter(data):
    renamed = data.assign(
        f=data.f.map(lambda level: f"new {level}"),
        g=data.g.map(lambda level: chr(ord("A") + level)),
        h=pd.Categorical(data.h * 1.5, categories=np.unique(data.h) * 1.5),
    )
    one, two = build_design(FORMULA, data), build_design(FORMULA, renamed)
    np.testing.assert_array_equal(one.mu.X, two.mu.X)
    np.testing.assert_array_equal(dense(one), dense(two))


@few
@given(frames())
def test_spelling_does_not_matter(data):
    one, two = build_design(FORMULA, data), build_design(canonical(FORMULA), data)
    assert one.mu.terms == two.mu.terms
    np.testing.assert_array_equal(one.mu.X, two.mu.X)
    np.testing.assert_array_equal(dense(one), dense(two))


@few
@given(frames())
def test_codes_are_dense_and_every_level_occurs(data):
    for group in build_design(FORMULA, data).mu.groups:
        assert np.array_equal(np.unique(group.refs), np.arange(group.n_levels))
        assert len(group.parts) == group.n_levels
        assert sorted(k for block in group.blocks for k in block) == list(range(len(group.terms)))


@few
@given(frames(), st.data())
def test_new_rows_find_their_levels(data, choose):
    design = build_design(FORMULA, data)
    rows = choose.draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=8))
    new = replay(design, data.iloc[rows])
    np.testing.assert_allclose(new.X, design.mu.X[rows])
    for group in design.mu.groups:
        found = new.groups[group.name]
        np.testing.assert_array_equal(found.refs, group.refs[rows])
        assert found.labels.tolist() == group.levels[found.refs].tolist()
    outside = replay(design, data.iloc[rows].assign(g=99))
    assert set(outside.groups["g:h"].refs) == set(outside.groups["g"].refs) == {-1}


@few
@given(frames(), st.data())
def test_missing_values_are_left_out_wherever_they_are(data, choose):
    holes = choose.draw(
        st.lists(st.tuples(st.integers(0, len(data) - 1), st.sampled_from("yxfgh")), max_size=6)
    )
    data = data.astype({"f": object, "g": float, "h": float})
    for row, column in holes:
        data.loc[row, column] = None
    complete = data.dropna()
    try:
        expected = build_design(FORMULA, complete)
    except DataError:  # too few rows are left for this formula
        return
    design = build_design(FORMULA, data)
    assert design.rows.tolist() == complete.index.tolist()
    assert sum(design.dropped.values()) == len(set(holes))
    np.testing.assert_array_equal(design.mu.X, expected.mu.X)
    np.testing.assert_array_equal(dense(design), dense(expected))
