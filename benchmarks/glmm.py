"""Counts, shares and binary responses, ours and the peers' in the same run; see README.md.

    python -m benchmarks.glmm
    python -m benchmarks.glmm cbpp grouseticks --tools ours bambi --repeat 3

Measured and kept as benchmarks.run does, results in results/glmm_CASE.json. What is kept already
is not measured again, unless --again. `ours_cold` is measured where --tools names it.
"""

from __future__ import annotations

from benchmarks.run import TOOLS, measure_kind


def main() -> None:
    """Command line."""
    measure_kind(
        "benchmarks.glmm", __doc__, "glmm_", [t for t in TOOLS if t != "ours_cold"], 1, 1500.0
    )


if __name__ == "__main__":
    main()
