"""Folders and globs on the command line, which are read in batches."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mixedbayes as mb
from mixedbayes.cli import exits

SLOPES = "Reaction ~ Days + (Days | Subject)"
SHORT = ("--draws", 200, "--tune", 200, "--chains", 2, "--seed", 1, "--no-progress")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("sleep")
    sleep = mb.load_data("sleepstudy")
    for k in range(3):
        pq.write_table(pa.Table.from_pandas(sleep.iloc[k::3]), made / f"part-{k}.parquet")
    return made


def test_folder_and_glob_give_the_same_summary(run, folder, tmp_path):
    page = tmp_path / "page.html"
    first = run("fit", folder, SLOPES, *SHORT, "--out", tmp_path / "out", "--report", page)
    assert first.exit_code in (exits.OK, exits.NOT_CONVERGED), first.stderr
    assert "3 Parquet files in" in first.stdout
    assert "180 used" in first.stdout
    assert (tmp_path / "out" / "fixef.csv").exists()
    assert "180 rows, 18 levels of Subject" in page.read_text(encoding="utf-8")
    assert "left out residuals.png: plot_residuals() reads rows" in first.stderr
    second = run("fit", f"{folder}/*.parquet", SLOPES, *SHORT)
    assert first.stdout.splitlines()[-12:] == second.stdout.splitlines()[-12:]


def test_one_file_in_batches_on_request(run, folder, sleep_csv):
    found = run("fit", sleep_csv, SLOPES, *SHORT, "--batches", "--cells", 100)
    assert found.exit_code in (exits.OK, exits.NOT_CONVERGED), found.stderr
    assert "source" in found.stdout
    few = run("fit", sleep_csv, SLOPES, "--batches", "--cells", 5)
    assert few.exit_code == exits.USER_ERROR
    assert "more than 5 levels" in few.stderr
    alone = run("fit", sleep_csv, SLOPES, "--cells", 5)
    assert alone.exit_code == exits.USAGE
    assert "add --batches" in alone.stderr


def test_what_stops_before_anything_is_read(run, folder, tmp_path):
    inside = run("fit", folder, SLOPES, "--out", folder / "results")
    assert inside.exit_code == exits.USER_ERROR
    assert "are the data" in inside.stderr
    none = run("fit", f"{tmp_path}/none-*.parquet", SLOPES)
    assert none.exit_code == exits.USER_ERROR
    assert "no file" in none.stderr
    gone = run("fit", tmp_path / "gone.parquet", SLOPES)
    assert gone.exit_code == exits.USAGE


def test_labels_are_those_in_memory(run, tmp_path):
    """Zeros before a number, and numbers as text, are labels as they are written."""
    sleep = mb.load_data("sleepstudy")
    path = tmp_path / "sleep.csv"
    labels = {label: f"{k:03d}" for k, label in enumerate(sleep.Subject.unique())}
    sleep.assign(Subject=sleep.Subject.map(labels)).to_csv(path, index=False)
    short = ("--draws", 50, "--tune", 100, "--chains", 2, "--seed", 1, "--no-progress")
    tables = []
    for name, further in (("here", ()), ("there", ("--batches",))):
        out = tmp_path / name
        found = run("fit", path, SLOPES, *short, *further, "--out", out)
        assert found.exit_code in (exits.OK, exits.NOT_CONVERGED), found.stderr
        tables.append((out / "ranef.csv").read_text().splitlines())
    first, second = ([line.split(",")[:3] for line in table] for table in tables)
    assert first == second
    assert any("007" in line for line in tables[1])
