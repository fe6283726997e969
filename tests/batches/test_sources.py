"""Every kind of source gives the same model, to the last digit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import mixedbayes as mb
from tests.support.batches import data, parted

FORMULA = "y | weights(w) ~ x * arm + (x | a) + (1 | b)"


@pytest.fixture(scope="module")
def frame():
    return data().drop(columns="yes").dropna().reset_index(drop=True)


@pytest.fixture(scope="module")
def folder(frame, tmp_path_factory):
    made = tmp_path_factory.mktemp("parquet")
    for k, part in enumerate(parted(frame, 3)):
        table = pa.Table.from_pandas(part, preserve_index=False)
        pq.write_table(table, made / f"part-{k}.parquet", row_group_size=50)
    return made


@pytest.fixture(scope="module")
def model(frame):
    return mb.Model(FORMULA, mb.source(frame, progress=False))


def _polars(frame, folder):
    return pytest.importorskip("polars").scan_parquet(folder / "*.parquet")


def _duckdb(frame, folder):
    connection = pytest.importorskip("duckdb").connect()
    return connection, f"select * from '{folder}/*.parquet' order by x"


def _dask(frame, folder):
    return pytest.importorskip("dask.dataframe").from_pandas(frame, npartitions=4)


def _csv(frame, folder):
    path = folder.parent / "rows.csv"
    frame.to_csv(path, index=False)
    return path


KINDS = {
    "table": lambda frame, folder: mb.source(pa.Table.from_pandas(frame)),
    "glob": lambda frame, folder: f"{folder}/*.parquet",
    "folder": lambda frame, folder: str(folder),
    "list": lambda frame, folder: sorted(folder.glob("*.parquet"))[::-1],
    "dataset": lambda frame, folder: ds.dataset(folder),
    "csv": _csv,
    "polars": _polars,
    "duckdb": _duckdb,
    "dask": _dask,
}


@pytest.mark.parametrize("kind", KINDS)
def test_same(kind, frame, folder, model):
    found = mb.Model(FORMULA, KINDS[kind](frame, folder))
    pd.testing.assert_frame_equal(found.design.whole, model.design.whole, check_exact=True)
    for name in ("counts", "weights"):
        one, two = (getattr(m.design.standing, name) for m in (found, model))
        np.testing.assert_array_equal(one, two)
    pd.testing.assert_frame_equal(found.priors, model.priors)
    assert found.notes == model.notes


def test_weights_of_numbers(frame, model):
    """The same as of the frame in memory."""
    here = mb.Model(FORMULA, frame)
    assert list(here.priors.prior) == list(model.priors.prior)


def test_damaged(folder, tmp_path):
    """A bad file is named where it is read."""
    for path in folder.glob("*.parquet"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    bad = tmp_path / "part-1.parquet"
    content = bytearray(bad.read_bytes())
    content[200:2000] = bytes(1800)
    bad.write_bytes(content)
    with pytest.raises(mb.DataError, match=r"part-1\.parquet"):
        mb.Model("y ~ x + (1 | a)", str(tmp_path))


def test_what_fails_leaves_no_thread_behind(folder):
    """What reads ahead ends with the pass, though the error is still at hand."""
    before = threading.active_count()
    for on in (None, ThreadPoolExecutor(1)):
        with on or nullcontext():
            with pytest.raises(mb.DataError, match="not finite") as caught:
                mb.Model("y ~ log(x - 100)", mb.source(folder, size=5, on=on))
            assert caught.value.__traceback__ is not None
        assert threading.active_count() == before


@pytest.mark.slow
def test_dask_client(folder, model):
    """On a Dask cluster's processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = mb.Model(FORMULA, mb.source(str(folder), on=client))
    pd.testing.assert_frame_equal(found.design.whole, model.design.whole, check_exact=True)
    pd.testing.assert_frame_equal(found.priors, model.priors)
