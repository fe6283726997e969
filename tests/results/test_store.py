"""Files: exact round trips, and an answer for every kind of file that is not one of ours."""

import os

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mixedbayes.data import load_data
from mixedbayes.errors import FileError
from mixedbayes.results import store
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.store import SavedFit, read, write
from mixedbayes.results.summary import summary

ATTRS = {"inference_library": "nutpie", "seed": 4, "sampling_time": 0.25}


@pytest.fixture(scope="module")
def post(make):
    post = make.random(make.sleepstudy(), chains=2, draws=20)
    stats = {"diverging": np.zeros((2, 20), bool), "energy": np.arange(40.0).reshape(2, 20)}
    values = {str(name): v.to_numpy() for name, v in post.draws.data_vars.items()}
    return make.posterior(post.design, values, attrs=ATTRS, stats=stats)


@pytest.fixture(scope="module")
def saved(post):
    return SavedFit(
        formula="Reaction ~ Days + (Days | Subject)",
        family="gaussian",
        link="identity",
        priors={"sd": {"Subject": {"prior": "Exponential", "lam": 0.1}}, "Intercept": None},
        data=load_data("sleepstudy"),
        idata=post.idata,
        settings={"seed": 4, "tune": None, "draws": 20, "progress": True},
        versions={"mixedbayes": "0.1.0"},
        extra={"note": "", "formulation": ["Marginal"]},
    )


@pytest.fixture
def path(tmp_path, saved):
    return write(tmp_path / "fit.nc", saved)


def test_everything_comes_back(path, saved):
    back = read(path)
    for name in ("formula", "family", "link", "priors", "settings", "versions", "extra"):
        assert getattr(back, name) == getattr(saved, name)
    pd.testing.assert_frame_equal(back.data, saved.data, check_exact=True)
    assert back.idata.identical(saved.idata)
    assert set(back.idata.children) == {"posterior", "sample_stats"}


def test_draws_are_the_same_to_the_last_bit(path, post):
    back = read(path).idata["posterior"].to_dataset()
    for name, values in post.draws.data_vars.items():
        assert back[name].dtype == values.dtype
        assert back[name].to_numpy().tobytes() == values.to_numpy().tobytes()


def test_the_summary_is_the_same(path, post):
    back = Posterior(post.spec, read(path).idata)
    assert str(summary(back)) == str(summary(post))


def test_a_file_read_and_written_again_is_the_same(path, tmp_path):
    again = read(write(tmp_path / "again.nc", read(path)))
    assert again.idata.identical(read(path).idata)


def test_the_draws_are_there_for_any_reader_of_netcdf(path, post):
    with xr.open_dataset(path, group="posterior", engine="h5netcdf") as found:
        np.testing.assert_array_equal(found["sd_Subject"], post.draws["sd_Subject"])
        assert found["sd_Subject"].encoding["zlib"]


@pytest.mark.parametrize(
    "labels",
    [
        pd.to_datetime(["2020-01-02", "2021-01-01"]),
        np.array([True, False]),
        np.array([2.5, -1.0]),
        np.array(["ü", "b c"], dtype=object),
    ],
)
def test_level_labels_of_any_type_come_back(tmp_path, saved, labels):
    levels = xr.Dataset({"b": (("g",), np.ones(2))}, {"g": np.asarray(labels)})
    idata = xr.DataTree.from_dict({"posterior": levels})
    path = write(tmp_path / "fit.nc", SavedFit(**{**vars(saved), "idata": idata}))
    assert read(path).idata.identical(idata)


def test_labels_of_mixed_types_are_kept_as_text(tmp_path, saved):
    labels = np.array([1, "a"], dtype=object)
    levels = xr.Dataset({"b": (("g",), np.ones(2))}, {"g": labels})
    idata = xr.DataTree.from_dict({"posterior": levels})
    path = write(tmp_path / "fit.nc", SavedFit(**{**vars(saved), "idata": idata}))
    assert read(path).idata["posterior"]["g"].to_numpy().tolist() == ["1", "a"]
    assert labels.tolist() == [1, "a"]


def test_writing_replaces_the_old_file_and_leaves_nothing_else(path, saved, tmp_path):
    write(path, SavedFit(**{**vars(saved), "formula": "y ~ 1"}))
    assert read(path).formula == "y ~ 1"
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


def test_a_write_that_fails_leaves_the_old_file(path, saved, tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(FileError, match="could not be written: No space left"):
        write(path, SavedFit(**{**vars(saved), "formula": "y ~ 1"}))
    assert read(path).formula == saved.formula
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


def test_a_folder_to_write_to_must_exist(tmp_path, saved):
    with pytest.raises(FileError, match="does not exist; create it first"):
        write(tmp_path / "nowhere" / "fit.nc", saved)
    with pytest.raises(FileError, match="is a folder; give the name of a file"):
        write(tmp_path, saved)


def test_a_file_that_is_not_there_names_its_neighbours(path):
    with pytest.raises(FileError, match=r"there is no file .*other\.nc; its folder has fit\.nc"):
        read(path.with_name("other.nc"))


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(FileError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"x,y\n1,2\n", "is not a NetCDF file")]
)
def test_another_kind_of_file_is_refused(tmp_path, content, said):
    path = tmp_path / "data.nc"
    path.write_bytes(content)
    with pytest.raises(FileError, match=said):
        read(path)


def test_another_netcdf_file_is_refused(tmp_path):
    path = tmp_path / "other.nc"
    xr.Dataset({"x": ("n", [1, 2])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FileError, match=r"not one written by a fit's save\(\)"):
        read(path)


@pytest.mark.parametrize("part", [0.02, 0.5, 0.999])
def test_a_truncated_file_is_refused(path, part):
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(FileError, match="damaged or was not written to the end"):
        read(path)


def test_a_changed_number_is_noticed(path, post):
    content = bytearray(path.read_bytes())
    draws = post.draws["ranef_Subject"].to_numpy()
    changed = 0
    for at in range(len(content) // 4, len(content), len(content) // 12):
        damaged = bytearray(content)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        try:
            found = read(path).idata["posterior"]["ranef_Subject"].to_numpy()
        except FileError:
            changed += 1
        else:
            np.testing.assert_array_equal(found, draws)
    assert changed > 2


def test_a_newer_format_asks_for_an_upgrade(tmp_path, saved, monkeypatch):
    monkeypatch.setattr(store, "FORMAT", 99)
    path = write(tmp_path / "fit.nc", saved)
    monkeypatch.undo()
    with pytest.raises(FileError, match=r"format 99, .* newer .*: upgrade"):
        read(path)


def test_a_file_that_cannot_be_opened_says_so(path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError("Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(FileError, match="cannot be read: Permission denied"):
        read(path)
