"""What every worker reports in the same way."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

CHAINS = 4
DRAWS = 1000


def peak_mb() -> float:
    """Largest memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def hand_over(out: str, result: dict[str, Any]) -> None:
    """Write a worker's result where its caller waits for it."""
    Path(out).write_text(json.dumps(result), encoding="utf-8")
