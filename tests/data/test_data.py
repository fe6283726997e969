"""The shipped data sets against what R says of them (schema.json)."""

import csv
import gzip
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mixedbayes.data import DataSet, describe_data, list_data, load_data
from mixedbayes.data.load import registry
from mixedbayes.errors import DataError, MixedBayesError

# Long level lists are abbreviated in the schema to a text; their order is numeric.
SCHEMA = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))
NAMES = sorted(SCHEMA)
NOT_COLUMNS = {"trials", "se", "cens", "offset", "log", "s", "k", "mm", "weights"}
FOLDER = files("mixedbayes.data")


def cells(info: DataSet) -> dict[str, list[str]]:
    """The columns of the file as they are written, read without pandas."""
    raw = FOLDER.joinpath(info.file).read_bytes()
    text = (gzip.decompress(raw) if info.file.endswith(".gz") else raw).decode("utf-8")
    header, *rows = csv.reader(text.splitlines())
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def test_every_data_set_of_the_schema_is_shipped_and_no_other():
    assert set(registry()) == set(SCHEMA)
    shipped = {f.name for f in FOLDER.iterdir() if re.search(r"\.csv(\.gz)?$", f.name)}
    assert shipped == {info.file for info in registry().values()}


@pytest.mark.parametrize("name", NAMES)
def test_rows_columns_and_missing_values_are_those_of_the_schema(name):
    frame = load_data(name)
    assert len(frame) == SCHEMA[name]["rows"] == describe_data(name).rows
    assert list(frame.columns) == list(SCHEMA[name]["columns"])
    missing = {c: facts["n_missing"] for c, facts in SCHEMA[name]["columns"].items()}
    assert frame.isna().sum().to_dict() == missing


@pytest.mark.parametrize("name", NAMES)
def test_column_types_and_level_order_are_those_of_r(name):
    frame = load_data(name)
    for column, facts in SCHEMA[name]["columns"].items():
        values = frame[column]
        if facts["type"] in ("factor", "ordered factor"):
            assert isinstance(values.dtype, pd.CategoricalDtype)
            assert values.cat.ordered == (facts["type"] == "ordered factor")
            levels = values.cat.categories.tolist()
            assert all(isinstance(level, str) for level in levels)
            assert len(levels) == facts["nlevels"]
            expected = facts["levels"]
            if len(expected) != facts["nlevels"]:
                expected = sorted(levels, key=float)
            assert levels == expected
        elif facts["type"] == "character":
            assert pd.api.types.is_string_dtype(values)
        else:
            assert pd.api.types.is_numeric_dtype(values.dtype)
            assert [values.min(), values.max()] == pytest.approx(
                [facts["min"], facts["max"]], rel=1e-14
            )


@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_cells_of_the_file_to_the_last_bit(name):
    info, frame = describe_data(name), load_data(name)
    written = cells(info)
    for column in info.columns:
        if column.type in ("number", "integer"):
            np.testing.assert_array_equal(frame[column.name], np.array(written[column.name], float))
        else:
            read = frame[column.name].astype(object)
            assert read.where(read.notna(), "").tolist() == written[column.name]


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_is_described(name):
    info = describe_data(name)
    for text in (info.title, info.description, info.source, info.citation):
        assert text.strip() == text != ""
    for column in info.columns:
        assert column.unit
        assert column.meaning
    for part in (info.licence, info.source, info.citation, *(c.unit for c in info.columns)):
        assert part in str(info)
    assert info._repr_html_().count("<tr>") == 1 + len(info.columns)


@pytest.mark.parametrize("name", NAMES)
def test_the_suggested_formula_speaks_of_columns_only(name):
    info = describe_data(name)
    words = set(re.findall(r"[A-Za-z_]\w*", info.formula or "")) - NOT_COLUMNS
    assert words <= {c.name for c in info.columns}


def test_licences_are_spdx_identifiers_explained_in_the_readme():
    licences = {info.licence for info in registry().values()}
    assert licences == {
        "AGPL-3.0-only",
        "Apache-2.0",
        "BSD-3-Clause",
        "CC-BY-SA-4.0",
        "GPL-2.0-only",
        "GPL-2.0-only OR GPL-3.0-only",
        "GPL-2.0-or-later",
        "GPL-3.0-or-later",
    }
    readme = FOLDER.joinpath("README.md").read_text(encoding="utf-8")
    assert all(f"| {licence} |" in readme for licence in licences)
    for text in re.findall(r"`(licences/[^`]+)`", readme):
        assert len(FOLDER.joinpath(text).read_text(encoding="utf-8")) > 1000


def test_the_two_data_sets_with_licences_of_their_own():
    assert describe_data("gpa").licence == "CC-BY-SA-4.0"
    assert describe_data("ex33").licence == "GPL-2.0-only"


def test_list_data_has_one_row_per_data_set():
    table = list_data()
    assert table.columns.tolist() == ["name", "rows", "description", "source", "licence"]
    assert table["name"].tolist() == list(registry())
    assert (table["licence"].str.len() > 0).all()
    assert not table["description"].str.contains("\n").any()


def test_frames_are_fresh_copies():
    first = load_data("sleepstudy")
    first.loc[0, "Reaction"] = -1.0
    assert load_data("sleepstudy").loc[0, "Reaction"] == 249.56


def test_group_labels_that_look_like_numbers_are_strings():
    assert load_data("sleepstudy")["Subject"].iloc[0] == "308"
    assert load_data("sleepstudy_partial")["Subject"].cat.categories[-2:].tolist() == ["374", "373"]
    assert load_data("insteval")["d"].cat.categories[:3].tolist() == ["1", "6", "7"]


def test_a_label_keeps_its_trailing_blank():
    assert "BO326 " in load_data("ex33")["animal_id"].cat.categories


@pytest.mark.parametrize(
    ("name", "near"),
    [("sleep", "'sleepstudy'"), ("Sleepstudy", "'sleepstudy'"), ("cakes", "'cake'")],
)
def test_an_unknown_name_is_answered_with_near_ones(name, near):
    with pytest.raises(DataError, match=f"no data set '{name}' .* Did you mean .*{near}"):
        load_data(name)
    with pytest.raises(MixedBayesError, match=near):
        describe_data(name)


def test_an_unknown_name_without_near_ones_points_to_the_list():
    with pytest.raises(DataError, match=rf"among the {len(NAMES)} shipped\. list_data\(\)"):
        load_data("zzzzzz")


def test_numeric_columns_carry_their_units():
    assert load_data("sleepstudy").attrs["units"] == {"Reaction": "ms", "Days": "day"}
    assert load_data("eight_schools").attrs["units"].keys() == {"y", "sigma"}
    for name in NAMES:
        units, numeric = load_data(name).attrs["units"], load_data(name).select_dtypes("number")
        assert set(units) <= set(numeric.columns)
        assert not set(units.values()) & {"none", "label", "not stated"}
