import io

import pandas as pd
import pytest

import mixedbayes as mb


def test_lists_every_data_set(run):
    result = run("data")
    assert result.exit_code == 0
    first = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert first == mb.list_data()["name"].tolist()
    assert result.stderr == ""


def test_describes_one_with_units_source_and_rows(run):
    result = run("data", "sleepstudy")
    assert result.exit_code == 0
    for text in ("180 rows", "average reaction time [ms]", "Belenky", "249.5600"):
        assert text in result.stdout


def test_an_unknown_name_is_answered_with_the_near_ones(run):
    result = run("data", "slepstudy")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "sleepstudy" in result.stderr
    assert "Traceback" not in result.stderr


def test_writes_the_rows_to_stdout(run):
    result = run("data", "penicillin", "--csv", "-")
    assert result.exit_code == 0
    assert result.stderr == ""
    frame = pd.read_csv(io.StringIO(result.stdout))
    assert frame.shape == (144, 3)
    assert frame["diameter"].tolist() == mb.load_data("penicillin")["diameter"].tolist()


def test_writes_the_rows_to_a_file(run, tmp_path):
    target = tmp_path / "d.csv"
    result = run("data", "dyestuff", "--csv", target)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"wrote {target}\n"
    assert len(pd.read_csv(target)) == 30


def test_a_file_that_is_there_is_replaced_only_if_asked(run, tmp_path):
    target = tmp_path / "trial.csv"
    target.write_text("mine")
    result = run("data", "dyestuff", "--csv", target)
    assert (result.exit_code, target.read_text()) == (1, "mine")
    assert "or replace it with --overwrite" in result.stderr
    assert run("data", "dyestuff", "--csv", target, "--overwrite").exit_code == 0
    assert len(pd.read_csv(target)) == 30


def test_a_file_needs_a_name(run, tmp_path):
    result = run("data", "--csv", tmp_path / "d.csv")
    assert result.exit_code == 2
    assert "--csv needs the NAME" in result.stderr


@pytest.mark.parametrize("debug", [False, True])
def test_a_folder_that_is_not_there(run, tmp_path, debug):
    result = run("data", "dyestuff", "--csv", tmp_path / "no" / "d.csv", *["--debug"] * debug)
    assert result.exit_code == 1
    if debug:
        assert isinstance(result.exception, OSError)
    else:
        assert result.stderr.startswith("error: ")
        assert "does not exist; create it first" in result.stderr
