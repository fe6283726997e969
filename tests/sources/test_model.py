"""What a user hands over as data of a model: shown while it is read, and refused by name."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes import progress
from mixedbayes.errors import DataError

FORMULA = "y ~ x + (1 | g)"


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    return pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60), "g": [*range(6)] * 10})


def test_rows_are_shown_while_they_are_read_though_their_number_is_not_known(
    frame, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(progress, "_in_terminal", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    frame.to_csv(tmp_path / "d.csv", index=False)
    mb.Model(FORMULA, tmp_path / "d.csv")
    out = capsys.readouterr().out
    assert "Reading levels" in out
    assert out.count("60/60 rows") >= 2  # of both passes
    mb.Model(FORMULA, mb.source(tmp_path / "d.csv", progress=False))
    assert capsys.readouterr().out == ""
    mb.fit(FORMULA, tmp_path / "d.csv", draws=5, tune=20, chains=1, seed=1, progress=False)
    assert capsys.readouterr().out == ""


def test_every_order_and_division_of_files_is_the_same_model(frame, tmp_path):
    for k in range(3):
        frame[k::3].to_parquet(tmp_path / f"{k}.parquet", index=False)
    frame.to_csv(tmp_path / "all.csv", index=False)
    made = [
        mb.Model(FORMULA, data).design
        for data in (
            str(tmp_path / "*.parquet"),
            [tmp_path / f"{k}.parquet" for k in (2, 0, 1)],
            tmp_path / "all.csv",
        )
    ]
    for design in made[1:]:
        np.testing.assert_array_equal(design.mu.X, made[0].mu.X)
        np.testing.assert_array_equal(design.y, made[0].y)


def test_data_that_are_none_are_refused_where_the_model_is_made(tmp_path):
    with pytest.raises(DataError, match=r"\*\.parquet: no file matches"):
        mb.Model(FORMULA, str(tmp_path / "*.parquet"))
    with pytest.raises(DataError, match=r"s3://b/d is not a path of this computer"):
        mb.Model(FORMULA, "s3://b/d")


def test_a_column_that_is_not_there_is_said_beside_all_that_are(frame, tmp_path):
    frame.to_parquet(tmp_path / "d.parquet", index=False)
    with pytest.raises(DataError, match=r"(?s)no column 'site' in the data.*columns are y, x, g"):
        mb.Model("y ~ x + (1 | site)", tmp_path / "d.parquet")
