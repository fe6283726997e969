"""Zeros, ratings, waiting times and shares, ours and bambi's in the same run; see README.md.

    python -m benchmarks.families
    python -m benchmarks.families owls kidney --tools ours bambi --repeat 3

Every further parameter of a family has the prior that bambi is given too. bambi samples by nutpie
("bambi") and by PyMC's own NUTS ("bambi_pymc"), its default. Measured and kept as benchmarks.run
does, results in results/family_CASE.json. What is kept already is not measured again, unless
--again.
"""

from __future__ import annotations

from benchmarks.run import measure_kind


def main() -> None:
    """Command line."""
    measure_kind(
        "benchmarks.families", __doc__, "family_", ["ours", "bambi", "bambi_pymc"], 3, 600.0
    )


if __name__ == "__main__":
    main()
