"""The cache's key: what changes it and what does not; and the folder."""

import pandas as pd
import pytest
import xarray as xr

from mixedbayes.errors import FileError, ModelError
from mixedbayes.formula import parse
from mixedbayes.results.cache import keep, key, lookup
from mixedbayes.results.store import SavedFit

DATA = pd.DataFrame({"y": [1.0, 2.0, 3.0], "g": pd.Categorical(["a", "b", "a"])})
ASKED = {
    "formula": parse("y ~ x + (1 | g)"),
    "data": DATA,
    "family": "gaussian(identity)",
    "priors": {"sigma": {"prior": "Exponential", "lam": 1.0}},
    "seed": 1,
    "settings": {"draws": 1000, "tune": None},
    "versions": {"mixedbayes": "0.1.0", "pymc": "6.4"},
}


def key_of(**changed):
    return key(**{**ASKED, **changed})


def test_the_key_is_a_sha256_and_stays(tmp_path):
    assert len(key_of()) == 64
    assert key_of() == key_of(data=DATA.copy())
    assert int(key_of(), 16) > 0


@pytest.mark.parametrize(
    "same",
    [
        {"formula": parse("y~x+(1|g)")},
        {"data": DATA[["g", "y"]]},
        {"priors": {"sigma": {"lam": 1.0, "prior": "Exponential"}}},
        {"settings": {"tune": None, "draws": 1000}},
    ],
)
def test_how_it_was_written_does_not_matter(same):
    assert key_of(**same) == key_of()


OTHERS = {
    "formula": {"formula": parse("y ~ x + (x | g)")},
    "correlation": {"formula": parse("y ~ x + (1 || g)")},
    "id": {"formula": parse("y ~ x + (1 | p | g)")},
    "errors": {"formula": parse("y | se(x) ~ x + (1 | g)")},
    "bounds": {"formula": parse("y | trunc(0, 9) ~ x + (1 | g)")},
    "value": {"data": DATA.assign(y=[1.0, 2.0, 3.0000000000000004])},
    "type": {"data": DATA.astype({"y": "float32"})},
    "label": {"data": DATA.assign(g=pd.Categorical(["a", "b", "b"]))},
    "order": {"data": DATA.assign(g=DATA["g"].cat.reorder_categories(["b", "a"]))},
    "ordered": {"data": DATA.assign(g=DATA["g"].cat.as_ordered())},
    "text": {"data": DATA.astype({"g": "str"})},
    "name": {"data": DATA.rename(columns={"g": "h"})},
    "rows": {"data": DATA.iloc[::-1]},
    "index": {"data": DATA.set_axis([7, 8, 9])},
    "family": {"family": "student(identity)"},
    "prior": {"priors": {"sigma": {"prior": "Exponential", "lam": 2.0}}},
    "seed": {"seed": 2},
    "draws": {"settings": {"draws": 2000, "tune": None}},
    "version": {"versions": {"mixedbayes": "0.1.1", "pymc": "6.4"}},
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_the_draws_depend_on_changes_the_key(what):
    assert key_of(**OTHERS[what]) != key_of()


def test_all_these_keys_differ():
    keys = [key_of(), *(key_of(**changed) for changed in OTHERS.values())]
    assert len(set(keys)) == len(keys)


def test_without_a_seed_there_is_no_key():
    with pytest.raises(ModelError, match=r"a cache needs a seed.*seed=1"):
        key_of(seed=None)


@pytest.fixture
def saved():
    idata = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), [[1.0]])})})
    return SavedFit("y ~ 1", "gaussian", "identity", {}, DATA, idata, {}, {})


def test_what_is_kept_is_found(tmp_path, saved):
    folder = tmp_path / "a" / "fits"
    assert lookup(folder, key_of()) is None
    keep(folder, key_of(), saved)
    found = lookup(folder, key_of())
    assert found is not None
    assert found.idata.identical(saved.idata)
    assert lookup(folder, key_of(seed=2)) is None


def test_a_damaged_fit_is_not_passed_over(tmp_path, saved):
    path = keep(tmp_path, key_of(), saved)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match=r"a fit in the cache cannot be read.*Delete .* to fit"):
        lookup(tmp_path, key_of())


def test_a_file_in_the_folders_place_is_named(tmp_path, saved):
    (tmp_path / "fits").write_text("")
    with pytest.raises(FileError, match=r"the cache folder .*fits cannot be made"):
        keep(tmp_path / "fits", key_of(), saved)
