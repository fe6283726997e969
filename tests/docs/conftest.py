"""The site's sources, the modules that make it, and the site where it has been built."""

import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BUILT = DOCS / "_build" / "html"
COMMAND = "python -m sphinx -W -b html docs docs/_build/html"

sys.path.append(str(DOCS / "_ext"))


@pytest.fixture(scope="session")
def questions():
    """What a new user asks, and where the answer is to be."""
    text = Path(__file__).with_name("questions.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["question"]


@pytest.fixture(scope="session")
def site():
    """Folder of the built site."""
    if not (BUILT / "searchindex.js").exists():
        pytest.skip(f"needs the site: pip install -e '.[docs]' && {COMMAND}")
    return BUILT


@pytest.fixture(scope="session")
def sources():
    """Pages that are written by hand, by their names."""
    made = {"_build", "_generated", "lectures", "reference"}
    pages = [p for p in DOCS.rglob("*.md") if not made & set(p.relative_to(DOCS).parts)]
    return {str(p.relative_to(DOCS).with_suffix("")): p.read_text(encoding="utf-8") for p in pages}
