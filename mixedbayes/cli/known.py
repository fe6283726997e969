"""Known covariances between levels, from files: `--known A=A.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mixedbayes.cli.read import TABLES, read_table
from mixedbayes.errors import DataError

TREES = (".nwk", ".newick", ".tree", ".tre")
_PARENTS = ("id", "sire", "dam")


def parse_known(texts: Sequence[str]) -> dict[str, Any]:
    """What `mixedbayes.Model` takes as `known`, from "A=A.csv", "A=birds.nwk", "Q=flock.csv".

    A table with the columns id, sire and dam is a pedigree, a file of a tree a phylogeny; any other
    table is a matrix with the labels of its levels as header and, where it has one column more than
    rows, in the first column. Raises click.BadParameter for a text of another form, a name that is
    given twice and a file that is not there, DataError for what a file holds.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, file = (part.strip() for part in text.partition("="))
        if not (name and equals and file):
            raise _bad(f"{text!r} is not of the form A=A.csv")
        if name in found:
            raise _bad(f"{name} is given twice; give each matrix a name of its own")
        path = Path(file)
        if not path.is_file():
            raise _bad(f"{name}: there is no file {file!r}")
        if not path.name.lower().endswith((*TABLES, *TREES)):
            raise _bad(f"{name}: {file} is none of {', '.join((*TABLES, *TREES))}")
        found[name] = _read(path)
    return found


def _bad(said: str) -> click.BadParameter:
    return click.BadParameter(said, param_hint="--known")


def _read(path: Path) -> Any:
    from mixedbayes.design.kin import pedigree, phylogeny

    try:
        if path.name.lower().endswith(TREES):
            return phylogeny(path.read_text(encoding="utf-8").strip())
        columns = [str(name) for name in read_table(path).columns]
        parents = set(_PARENTS).issubset(columns)
        frame = read_table(path, labels=_PARENTS if parents else columns[:1])
        return pedigree(frame) if parents else frame
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text in UTF-8: {error}") from error
    except DataError as error:
        said = str(error)
        raise DataError(said if said.startswith(str(path)) else f"{path}: {said}") from error
