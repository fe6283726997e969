"""What all tests share: settings, and R's reference results."""

import json
import os
import signal
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


@pytest.fixture(scope="session")
def reference() -> Callable[[str], dict[str, Any]]:
    """Loader of a reference result: `reference("lme4_sleepstudy_days_subject")`.

    See tests/reference/README.md for what the files hold and how far to trust them.
    """
    return lambda name: json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
