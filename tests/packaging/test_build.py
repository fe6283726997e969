"""What is built holds what it has to, and has the same bytes each time."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pathspec
import pytest

ROOT = Path(__file__).parents[2]
IGNORED = pathspec.GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text().splitlines())
KEPT = {"SOURCE_DATE_EPOCH": "1700000000"}


def built(root, folder, umask):
    """Wheel and source distribution of the project in `root`, by another process."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    ran = subprocess.run(
        command, cwd=root, env=os.environ | KEPT, umask=umask, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return built(ROOT, tmp_path_factory.mktemp("first"), 0o022)


@pytest.fixture(scope="module")
def unpacked(first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(first[1]) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return project


def files_of(root, folder):
    """Paths in the project of the files of a folder, but for what git ignores."""
    found = (p.relative_to(root).as_posix() for p in (root / folder).rglob("*") if p.is_file())
    return {name for name in found if not IGNORED.match_file(name)}


def test_a_wheel_is_the_whole_package_and_nothing_else(first):
    with zipfile.ZipFile(first[0]) as archive:
        names = set(archive.namelist())
    own = files_of(ROOT, "mixedbayes")
    assert {n for n in names if ".dist-info/" not in n} == own
    assert "mixedbayes/py.typed" in own
    licences = {n.partition(".dist-info/licenses/")[2] for n in names if "/licenses/" in n}
    assert {"LICENSE", "mixedbayes/data/licences/GPL-2.0.txt"} <= licences


@pytest.mark.parametrize(
    "folder", ["mixedbayes", "tests", "notebooks", "benchmarks", "docs", "recipe"]
)
def test_a_source_distribution_has_every_file_of(folder, unpacked):
    assert files_of(unpacked, folder) == files_of(ROOT, folder)


def test_a_source_distribution_has_what_the_tests_read(unpacked):
    wanted = (
        "README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md CITATION.cff LICENSE Dockerfile "
        "pyproject.toml constraints.txt constraints-lowest.txt .ci/run .gitignore"
    )
    assert not [name for name in wanted.split() if not (unpacked / name).is_file()]


def test_bytes_are_the_same_elsewhere(first, unpacked, tmp_path):
    """In another folder, from the source distribution, with other rights of new files."""
    again = built(unpacked, tmp_path, 0o077)
    assert [p.name for p in again] == [p.name for p in first]
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in first]
