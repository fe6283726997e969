"""What the README promises runs as it is written there."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from mixedbayes.cli import main
from mixedbayes.families import registry as families

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def toured(tmp_path_factory):
    """The names that the tour's Python blocks leave behind, run one after the other."""
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("tour"))
        for code in blocks("python"):
            exec(code, names)
    return names


def test_the_tour_runs(toured):
    assert toured["fit"].converged
    assert toured["fit"].model.formula.text == "Reaction ~ Days + (Days | Subject)"


def test_it_is_short():
    """What, two commands, one picture, ten lines, where next."""
    (tour,) = blocks("python")
    assert 8 <= len([line for line in tour.splitlines() if line]) <= 12
    assert len(README.splitlines()) <= 100
    assert len(re.findall(r"!\[", README)) == 1


def test_every_picture_table_and_prediction_named_exists(toured):
    import mixedbayes as mb

    methods = set(re.findall(r"\bfit\.(\w+)\(", README))
    assert {"fixef", "coef", "comparisons", "check", "plot_shrinkage", "report"} <= methods
    assert all(callable(getattr(mb.Fit, name)) for name in methods)
    assert len(families.FAMILIES) == int(re.search(r"(\d+)\s+families", README)[1])


def test_every_command_named_exists():
    named = set(re.findall(r"\bmixedbayes (\w+)(?:\n|`)", README))
    assert named == {"demo", "compile"}
    assert named <= set(main.commands)


def test_every_extra_named_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (told,) = re.findall(r"(?s)the\s+extras (.*?)\. A first fit", README)
    extras = set(project["optional-dependencies"]) - {"test", "dev", "docs"}
    assert set(re.findall(r"`(\w+)`", told)) == extras


def test_the_picture_is_small_and_drawn_by_its_command(tmp_path):
    (shown,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"`python (\S+)` \| draw the README's picture", told)
    kept, drawn = ROOT / shown, tmp_path / "pooling.png"
    assert (ROOT / script).with_suffix(".png") == kept
    assert kept.stat().st_size < 100_000
    command = [sys.executable, str(ROOT / script), str(drawn)]
    subprocess.run(command, check=True)
    a, b = (matplotlib.image.imread(path)[..., :3] for path in (kept, drawn))
    assert a.shape == b.shape  # fonts may differ by their versions, and lines by the draws'
    assert abs(a - b).mean() < 0.02 < abs(a - np.roll(a, 40, axis=1)).mean()


def test_the_files_linked_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_two_commands_are_marked_for_continuous_integration():
    assert re.findall(r"<!-- command: (\w+) -->\n```sh\n", README) == ["main", "tests"]
