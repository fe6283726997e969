"""Known matrices from files."""

import click
import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.cli import exits
from mixedbayes.cli.known import parse_known
from mixedbayes.design.known import relation
from mixedbayes.errors import DataError

TREE = "((a:1,b:1):1,(c:1.5,d:1.5):0.5);"
A = mb.phylogeny(TREE)
SHORT = ("--draws", 60, "--tune", 60, "--chains", 1, "--seed", 1, "--no-progress")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree.nwk").write_text(TREE + "\n", encoding="utf-8")
    pd.DataFrame(A.matrix, A.levels, A.levels).to_csv("A.csv")
    pd.DataFrame(A.matrix, columns=A.levels).to_csv("bare.tsv", sep="\t", index=False)
    pd.DataFrame(np.eye(2) + 0.5, [7, 12], [7, 12]).to_csv("numbers.csv", index_label="id")
    pd.DataFrame({"id": [1, 2, 3], "sire": [0, 0, 1], "dam": [0, 0, 2]}).to_csv("flock.csv")
    return tmp_path


@pytest.mark.parametrize("file", ["tree.nwk", "A.csv", "bare.tsv"])
def test_a_tree_and_its_matrix_are_one_relation(folder, file):
    found = relation(parse_known([f"A = {file}"])["A"], "A", precision=False)
    np.testing.assert_allclose(found.matrix, A.matrix)
    assert list(found.levels) == list("abcd")


def test_whole_numbers_are_labels_as_those_of_the_data_are(folder):
    found = relation(parse_known(["A=numbers.csv"])["A"], "A", precision=False)
    assert found.levels.tolist() == [7, 12]
    flock = parse_known(["Q=flock.csv", "A=A.csv"])["Q"]
    assert flock.precision
    assert flock.levels.tolist() == [1, 2, 3]


def test_a_fit_from_files(folder, run):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"species": np.repeat(list("abcd"), 8), "y": rng.normal(size=32)})
    data.to_csv("data.csv", index=False)
    formula = "y ~ 1 + (1 | gr(species, cov=A))"
    result = run("fit", "data.csv", formula, "--known", "A=tree.nwk", "--out", "out", *SHORT)
    assert result.exit_code in (exits.OK, exits.NOT_CONVERGED), result.stderr
    fit = mb.load("out/fit.nc")
    np.testing.assert_allclose(fit.model.design.mu.groups[0].related_to.covariance, A.matrix)
    result = run("fit", "data.csv", formula, *SHORT)
    assert "names A, which is not given" in result.stderr


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["A.csv"], "'A.csv' is not of the form A=A.csv"),
        (["A=A.csv", "A=tree.nwk"], "A is given twice"),
        (["A=none.csv"], "A: there is no file 'none.csv'"),
        (["A=A.txt"], "A: A.txt is none of .csv"),
    ],
)
def test_what_is_no_file_of_a_matrix(folder, texts, said):
    (folder / "A.txt").write_text("1", encoding="utf-8")
    with pytest.raises(click.BadParameter, match=said):
        parse_known(texts)


def test_what_files_cannot_hold(folder, run):
    (folder / "bad.nwk").write_text("((a,b);", encoding="utf-8")
    with pytest.raises(DataError, match=r"^bad\.nwk: "):
        parse_known(["A=bad.nwk"])
    (folder / "loop.csv").write_text("id,sire,dam\na,b,\nb,a,\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"^loop\.csv: "):
        parse_known(["A=loop.csv"])
    (folder / "data.csv").write_text("y,g\n1,a\n2,b\n3,c\n", encoding="utf-8")
    (folder / "text.csv").write_text(",a,b\na,1,x\nb,x,1\n", encoding="utf-8")
    result = run("fit", "data.csv", "y ~ 1 + (1 | gr(g, cov=A))", "--known", "A=text.csv")
    assert result.exit_code == exits.USER_ERROR
    assert "known['A']: it holds what is no number" in result.stderr
