"""The versions that pyproject.toml allows, and those that the two files of constraints pin."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_USERS = [
    *PROJECT["dependencies"],
    *(EXTRAS[e][0] for e in ("bambi", "bokeh", "duckdb", "files", "graph", "ibis", "polars")),
    *EXTRAS["dask"][:2],
    *EXTRAS["tables"],
]


def pins(file):
    lines = (ROOT / file).read_text(encoding="utf-8").split()
    pairs = (line.split("==") for line in lines)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


@pytest.mark.parametrize("text", FOR_USERS)
def test_the_lowest_set_has_the_lower_bounds_themselves(text):
    wanted = Requirement(text)
    (bound,) = (Version(s.version) for s in wanted.specifier if s.operator == ">=")
    assert pins("constraints-lowest.txt")[canonicalize_name(wanted.name)] == bound


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-lowest.txt"])
def test_the_pinned_versions_are_allowed(file):
    pinned = pins(file)
    for wanted in map(Requirement, [*FOR_USERS, *EXTRAS["test"][1:], *EXTRAS["notebook"]]):
        assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, wanted
