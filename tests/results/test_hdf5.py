"""A file that reaches outside itself, or claims more than it holds, is refused unread."""

import h5py
import numpy as np
import pytest
import xarray as xr

from mixedbayes.errors import FileError
from mixedbayes.results.store import SavedFit, check_contents, read, seal, write


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"12345678" * 10)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["posterior"] = np.arange(10.0)
        file["group/x"] = np.arange(10.0)
    return path


def external_storage(file, secret):
    file.create_dataset("g/x", (10,), "i8", external=[(str(secret), 0, 80)])


def external_link(file, secret):
    file["g"] = h5py.ExternalLink(f"{secret}.h5", "/group")


def external_link_to_an_array(file, secret):
    file["g/x"] = h5py.ExternalLink(f"{secret}.h5", "/posterior")


def soft_link(file, _):
    file["h/x"] = np.arange(3)
    file["g"] = h5py.SoftLink("h")


def broken_link(file, _):
    file["g"] = h5py.SoftLink("/nowhere")


def virtual(file, secret):
    layout = h5py.VirtualLayout((10,), "f8")
    layout[:] = h5py.VirtualSource(f"{secret}.h5", "posterior", shape=(10,))
    file.create_virtual_dataset("g/x", layout)


def cycle(file, _):
    group = file.create_group("g")
    group.create_group("h")["up"] = group


def twice(file, _):
    file["g/x"] = np.arange(3)
    file["g/y"] = file["g/x"]


def deep(file, _):
    file.create_group("/".join("g" * 20))


def named_type(file, _):
    file["g"] = np.dtype("f8")


def references(file, _):
    file["x"] = np.arange(3)
    file.create_dataset("r", (1,), h5py.ref_dtype)[0] = file["x"].ref


def compound(file, _):
    file["x"] = np.zeros(3, [("a", "f8"), ("b", "i4")])


def other_filter(file, _):
    file.create_dataset("x", (100,), "f8", compression="lzf")


def empty(file, _):
    file["x"] = h5py.Empty("f8")


def huge(file, _):
    file.create_dataset("x", (2**40,), "f8", chunks=(2**20,))


def overflowing(file, _):
    file.create_dataset("x", (2**40, 2**40), "f8", chunks=(2**10, 2**10))


def many(file, _):
    for i in range(20):
        file.create_dataset(f"x{i}", (2**20,), "f8", chunks=(2**20,))


BAD = [
    external_storage, external_link, external_link_to_an_array, soft_link, broken_link, virtual,
    cycle, twice, deep, named_type, references, compound, other_filter, empty, huge, overflowing,
    many,
]  # fmt: skip


@pytest.mark.parametrize("make", BAD, ids=lambda f: f.__name__)
def test_what_our_files_never_hold_is_refused(tmp_path, secret, make):
    path = tmp_path / "f.nc"
    with h5py.File(path, "w") as file:
        make(file, secret)
    with h5py.File(path) as file, pytest.raises(FileError):
        check_contents(file, path.stat().st_size)


@pytest.mark.parametrize("make", BAD, ids=lambda f: f.__name__)
@pytest.mark.parametrize("sealed", [False, True])
def test_a_fit_that_holds_it_too_is_not_loaded(tmp_path, secret, fit_file, make, sealed):
    path = tmp_path / "f.nc"
    path.write_bytes(fit_file)
    with h5py.File(path, "r+") as file:
        make(file.create_group("more"), secret)
    if sealed:
        path.write_bytes(path.read_bytes() + seal(path.read_bytes()))
    with pytest.raises(FileError, match=r"f\.nc is damaged"):
        read(path)


@pytest.fixture(scope="module")
def fit_file(tmp_path_factory):
    import pandas as pd

    draws = xr.Dataset({"x": (("chain", "draw"), np.ones((2, 9)))}, {"chain": [0, 1]})
    idata = xr.DataTree.from_dict({"posterior": draws})
    saved = SavedFit("y ~ 1", "f", "l", {}, pd.DataFrame({"y": [1.0]}), idata, {}, {})
    return write(tmp_path_factory.mktemp("fit") / "f.nc", saved).read_bytes()


def test_what_our_files_hold_is_let_through(tmp_path):
    values = {
        "f": ("n", [1.5, 2.0]), "i": ("n", [1, 2]), "b": ("n", [True, False]),
        "t": ("n", ["a", "bc"]), "alone": ((), 1.0), "zeros": ("m", np.zeros(10**6)),
        "none": ("o", np.zeros(0)),
    }  # fmt: skip
    path = tmp_path / "f.nc"
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/a/b": xr.Dataset(values)})
    packed = {"/a/b": {"zeros": {"zlib": True, "shuffle": True, "fletcher32": True}}}
    tree.to_netcdf(path, engine="h5netcdf", encoding=packed)
    with h5py.File(path) as file:
        check_contents(file, path.stat().st_size)
