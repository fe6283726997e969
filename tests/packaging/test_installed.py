"""What is installed is whole: its data, licences, pages, command and marker of types."""

import subprocess
import sys
from importlib.metadata import distribution, entry_points
from importlib.resources import files
from pathlib import Path

import pytest

import mixedbayes as mb

HERE = Path(mb.__file__).parent


@pytest.fixture(scope="module")
def fit():
    formula, data = "Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy")
    return mb.fit(formula, data, draws=200, chains=2, seed=1, progress=False)


def test_every_data_set_is_there_with_its_source():
    for name in mb.list_data()["name"]:
        assert len(mb.load_data(name)) > 0
        assert mb.describe_data(name).source


def test_the_marker_of_types_and_the_licences_are_there():
    assert files("mixedbayes").joinpath("py.typed").is_file()
    told = distribution("mixedbayes").metadata
    assert told["License-Expression"] == "Apache-2.0"
    assert {"LICENSE", "mixedbayes/data/licences/GPL-3.0.txt"} <= set(told.get_all("License-File"))
    for name in ("AGPL-3.0", "BSD-3-Clause-posteriordb", "GPL-2.0", "GPL-3.0"):
        assert (HERE / "data" / "licences" / f"{name}.txt").stat().st_size > 1000


def test_a_fit_has_tables_a_file_and_both_pages(fit, tmp_path):
    days = fit.fixef().set_index("term")["mean"]["Days"]
    assert 8 < days < 13
    assert len(fit.ranef()) == 36
    again = mb.load(fit.save(tmp_path / "sleep.nc"))
    assert again.fixef()["mean"].tolist() == fit.fixef()["mean"].tolist()
    for page in (fit.report(tmp_path / "report.html"), fit.explore(tmp_path / "explore.html")):
        text = page.read_text(encoding="utf-8")
        assert "<html" in text
        assert "</html>" in text
        assert len(text) > 50_000


def test_the_command_answers():
    (command,) = entry_points(group="console_scripts", name="mixedbayes")
    ran = subprocess.run(
        [sys.executable, "-c", f"from {command.module} import main; main()", "data"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "sleepstudy" in ran.stdout
    assert distribution("mixedbayes").version == mb.__version__
