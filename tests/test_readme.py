"""What the README promises runs as it is written there."""

import re
from pathlib import Path

import pytest

from mixedbayes.cli import main

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")


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
    assert toured["model"].formula.text == "Reaction ~ Days + (Days | Subject)"


def test_the_summary_shown_is_of_the_tour(toured):
    """Its labels; the numbers may move with the versions of what is installed."""
    (shown,) = blocks("text")
    labels = re.findall(r"^(?: *)([A-Za-z][\w, ]*?)(?=  |\n|:)", shown, re.MULTILINE)
    summary = str(toured["fit"].summary())
    assert len(labels) > 15
    assert not [label for label in labels if label not in summary]


def test_every_picture_table_and_prediction_named_exists(toured):
    import mixedbayes as mb

    methods = set(re.findall(r"\bfit\.(\w+)\(", README))
    assert {"fixef", "ranef", "coef", "varcorr", "icc", "shrinkage", "predict"} <= methods
    assert all(callable(getattr(mb.Fit, name)) for name in methods)


def test_every_command_named_exists():
    named = set(re.findall(r"^(?:.*&& )?mixedbayes (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert named == {"demo", "fit", "data"}
    assert named <= set(main.commands)


def test_the_files_linked_exist():
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target


def test_two_commands_are_marked_for_continuous_integration():
    assert re.findall(r"<!-- command: (\w+) -->\n```sh\n", README) == ["main", "tests"]
