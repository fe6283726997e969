"""What all tests share: settings, and R's reference results."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # tests run side by side, one on a core

settings.register_profile("mixedbayes", deadline=None, derandomize=True)
settings.load_profile("mixedbayes")

# Tests that are started in the background ignore Ctrl-C, and so do the processes that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REFERENCE = Path(__file__).parent / "reference"

# Seconds of files whose few tests take long, which `--dist loadfile` would leave to the end, where
# one process waits for the other: it starts with files of the most tests.
LONG = {
    "cli/test_fit.py": 15, "explore/test_browser.py": 40, "families/test_limited.py": 20,
    "interop/test_from_bambi.py": 20, "joint/test_stacked.py": 20, "lab/test_study.py": 27,
    "model/test_reusable.py": 15, "packaging/test_types.py": 15, "quadrature/test_nested.py": 20,
    "report/test_browser.py": 25, "sample/test_run.py": 10, "tests/test_import.py": 15,
    "tests/test_readme.py": 15,
}  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):  # of xdist, which takes files as they come then
        config.option.loadscopereorder = False
    files = {_name(path) for path in Path(__file__).parent.rglob("test_*.py")}
    if gone := LONG.keys() - files:
        raise pytest.UsageError(f"LONG in tests/conftest.py names no file: {', '.join(gone)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, a usual test being a tenth of a second."""
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: -LONG.get(_name(item.path), 0.1 * counts[item.path]))


def _name(path: Path) -> str:
    return "/".join(path.parts[-2:])


@pytest.fixture(scope="session")
def reference() -> Callable[[str], dict[str, Any]]:
    """Loader of a reference result: `reference("lme4_sleepstudy_days_subject")`.

    See tests/reference/README.md for what the files hold and how far to trust them.
    """
    return lambda name: json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
