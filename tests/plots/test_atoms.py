import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.plots.atoms import ends_of, rest_panel, shares_panel
from mixedbayes.plots.predictive import plot_predictive
from mixedbayes.plots.scene import Line
from mixedbayes.results.posterior import Posterior

RNG = np.random.default_rng(4)


def shares(n, zero, one):
    y, q = RNG.beta(2, 3, n), RNG.random(n)
    return np.where(q < zero, 0.0, np.where(q > 1 - one, 1.0, y))


def marks(panel):
    return {mark.gid: mark for mark in panel.marks}


def test_the_shares_of_atoms():
    y = np.array([0, 0, 0.5, 1, 0.2])
    draws = np.array([[0, 0.1, 0.5, 1, 1], [0, 0, 0, 0.3, 0.2]])
    found = marks(shares_panel(y, draws, (0.0, 1.0), 0.5))
    np.testing.assert_allclose(found["data"].y, [0.4, 0.2])
    np.testing.assert_allclose(found["mean"].y, [0.4, 0.2])
    np.testing.assert_allclose(found["replicates"].start[:, 1], [0.3, 0.1])
    np.testing.assert_allclose(found["replicates"].end[:, 1], [0.5, 0.3])


@pytest.mark.parametrize("atoms", [(0.0,), (0.0, 1.0)])
def test_densities_of_the_rest_know_nothing_of_the_atoms(atoms):
    y = shares(400, 0.3, 0.2 if len(atoms) == 2 else 0.0)
    draws = np.stack([shares(400, z, 0.1 * (len(atoms) == 2)) for z in np.linspace(0, 1, 8)])
    ends = ends_of(y, draws, atoms)
    found = marks(rest_panel(y, draws, atoms, ends, 50))
    area = np.trapezoid(found["data"].y, found["data"].x)
    assert area == pytest.approx(1, abs=0.02)
    curves = np.split(found["replicates"].y, np.flatnonzero(np.isnan(found["replicates"].y)))
    x = found["data"].x
    areas = [np.trapezoid(c[-len(x) :], x) for c in curves if len(c) > 1]
    assert len(areas) == 7  # the last replicate is zeros and nothing else
    np.testing.assert_allclose(areas, 1, atol=0.02)
    more = np.concatenate([y, np.zeros(300)])
    same = marks(rest_panel(more, draws, atoms, ends, 50))
    np.testing.assert_array_equal(same["data"].y, found["data"].y)


def test_few_responses_beside_atoms_are_marks():
    y, draws = np.array([0.0, 0.0, 0.4, 0.4]), np.zeros((5, 4))
    panel = rest_panel(y, draws, (0.0,), ends_of(y, draws, (0.0,)), 50)
    assert not any(isinstance(mark, Line) for mark in panel.marks)
    np.testing.assert_array_equal(marks(panel)["data"].x, [0.4, 0.4])
    nothing = ends_of(np.zeros(3), np.zeros((2, 3)), (0.0,))
    assert nothing == (0.0, 1.0)
    rest_panel(np.zeros(3), np.zeros((2, 3)), (0.0,), nothing, 50)


@pytest.mark.parametrize("backend", ["matplotlib", "plotly", "bokeh"])
@pytest.mark.parametrize("by", [None, "a b"])
def test_pictures_of_families_with_atoms(backend, by):
    pytest.importorskip(backend)
    table = pd.DataFrame({"y": shares(60, 0.3, 0.2), "a b": np.arange(60) % 4})
    model = mb.Model("y ~ 1 + (1 | `a b`)", table, family="ordered_beta")
    draws = xr.DataArray(
        np.stack([shares(60, 0.3, 0.2) for _ in range(30)])[None], dims=("chain", "draw", "obs")
    )
    found = plot_predictive(Posterior(model.spec, xr.DataTree()), draws, by=by, backend=backend)
    if backend == "matplotlib":
        assert len(found.axes) == (2 if by is None else 8)
        narrow, wide = (ax.get_position().width for ax in found.axes[:2])
        assert narrow < wide
        titles = [ax.get_title("left") or ax.get_title() for ax in found.axes]
        assert by is None or "a b 3" in titles
