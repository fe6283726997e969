"""Wheel and source distribution as a user has them: built twice, compared, installed and tested.

`python .ci/package.py [--keep FOLDER] [--extras NAMES] [TESTS ...]`, with hatchling installed. Both
are built from this repository and again from the unpacked source distribution, and are to have the
same bytes. The wheel is installed in a fresh environment outside of the repository, where the tests
of the source distribution, its own package removed, run against it; `tests/packaging` has mypy and
pyright read a user's file. `--keep` leaves both files in a folder, for a release; other tests may
need extras, such as `--extras test`. SOURCE_DATE_EPOCH is the time of the last commit where it is
not set.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/packaging/test_installed.py",
    "tests/packaging/test_types.py",
    "tests/data",
    "tests/formula",
    "tests/test_printable.py",
)
TOOLS = ("pytest", "hypothesis", "mypy", "pandas-stubs", "pyright[nodejs]")


def epoch() -> str:
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def built(root: Path, folder: Path) -> list[Path]:
    """Wheel and source distribution of the project in `root`."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True)
    return sorted(folder.iterdir())


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return project


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--extras", default="")
    parser.add_argument("tests", nargs="*", default=TESTS)
    asked = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", epoch())
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        first = built(ROOT, scratch / "first")
        source = unpacked(next(p for p in first if p.suffix == ".gz"), scratch / "source")
        second = built(source, scratch / "second")
        for one, other in zip(first, second, strict=True):
            if (one.name, one.read_bytes()) != (other.name, other.read_bytes()):
                sys.exit(f"{one.name} has other bytes when it is built again")
            print(f"{one.name}: {one.stat().st_size:,} bytes, twice the same")
        (wheel,) = (p for p in first if p.suffix == ".whl")
        venv.create(scratch / "venv", with_pip=True)
        python = scratch / "venv" / "bin" / "python"
        pinned = ["-c", str(ROOT / "constraints.txt")]
        wanted = f"{wheel}[{asked.extras}]" if asked.extras else str(wheel)
        install = [str(python), "-m", "pip", "install", "-q", wanted, *TOOLS, *pinned]
        subprocess.run(install, check=True)
        subprocess.run([str(python), "-m", "pip", "check"], check=True)
        shutil.rmtree(source / "mixedbayes")
        where = [str(python), "-P", "-c", "import mixedbayes; print(mixedbayes.__file__)"]
        subprocess.run(where, cwd=source, check=True)
        tests = [str(python), "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *asked.tests]
        subprocess.run(tests, cwd=source, check=True)
        if asked.keep is not None:
            asked.keep.mkdir(parents=True, exist_ok=True)
            for path in first:
                shutil.copy(path, asked.keep)


if __name__ == "__main__":
    main()
