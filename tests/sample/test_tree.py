"""The DataTree: groups, labels, provenance."""

from dataclasses import replace

import arviz_stats
import numpy as np
import pytest
import xarray as xr

from mixedbayes.sample.result import QUARTER_TURNS, SamplingResult, Timings
from mixedbayes.sample.settings import Settings
from mixedbayes.sample.tree import to_idata


@pytest.fixture
def result(healthy, statistics):
    return SamplingResult(
        posterior=healthy(),
        sample_stats=statistics(),
        settings=Settings(seed=7).filled(tune=300, target_accept=0.9),
        version="1.2.3",
        timings=Timings(compile=1.0, tune=0.5, sample=2.0),
        interrupted=True,
    )


@pytest.fixture
def tree(result):
    return to_idata(
        result,
        observed={"y": (("obs",), np.arange(3.0))},
        constant={"X": (("obs", "term"), np.ones((3, 1)))},
        coords={"obs": [10, 20, 30], "term": ["Days"], "unused": [1, 2]},
    )


def test_groups_and_labels(tree):
    assert set(tree.children) == {"posterior", "sample_stats", "observed_data", "constant_data"}
    assert tree["observed_data"]["obs"].to_numpy().tolist() == [10, 20, 30]
    assert "term" not in tree["observed_data"].coords
    assert tree["constant_data"]["X"].sel(term="Days").shape == (3,)


def test_provenance(tree):
    attrs = tree["posterior"].attrs
    assert attrs["seed"] == 7
    assert attrs["creation_library"] == "mixedbayes"
    assert (attrs["inference_library"], attrs["inference_library_version"]) == ("nutpie", "1.2.3")
    assert attrs["inference_method"] == "NUTS"
    assert (attrs["target_accept"], attrs["max_treedepth"]) == (0.9, 10)
    assert attrs["tuning_steps"] == 300
    assert attrs["sampling_time"] == 3.5
    assert attrs["interrupted"] == 1
    assert tree["sample_stats"].attrs == attrs


def test_what_nuts_alone_has_is_no_attribute_of_other_chains(result):
    other = replace(result, method=QUARTER_TURNS, library="mixedbayes")
    attrs = to_idata(other, observed={}, constant={}, coords={})["posterior"].attrs
    assert attrs["inference_method"] == "HMC by quarter turns"
    assert not {"target_accept", "max_treedepth"} & set(attrs)


def test_no_empty_groups(result):
    tree = to_idata(result, observed={}, constant={}, coords={}, seconds=9.0)
    assert set(tree.children) == {"posterior", "sample_stats"}
    assert tree["posterior"].attrs["sampling_time"] == 9.0


def test_arviz_reads_it(tree):
    summary = arviz_stats.summary(tree, var_names=["sd_Subject"])
    assert list(summary.index) == ["sd_Subject[Intercept]", "sd_Subject[Days]"]
    assert arviz_stats.bfmi(tree)["energy"].shape == (4,)


def test_it_survives_a_file(tree, tmp_path):
    tree.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf") as back:
        assert dict(back["posterior"].attrs) == dict(tree["posterior"].attrs)
        xr.testing.assert_identical(
            back["sample_stats"].to_dataset(), tree["sample_stats"].to_dataset()
        )
