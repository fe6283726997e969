"""Zeros, ratings, waiting times and shares, ours and bambi's in the same run; see README.md.

    python -m benchmarks.families
    python -m benchmarks.families owls kidney --tools ours bambi --repeat 3

Every further parameter of a family has the prior that bambi is given too. bambi samples by nutpie
("bambi") and by PyMC's own NUTS ("bambi_pymc"), its default. Measured and kept as benchmarks.run
does, results in results/family_CASE.json. What is kept already is not measured again, unless
--again.
"""

from __future__ import annotations

import argparse

from benchmarks.cases import CASES
from benchmarks.run import add_options, measure, worker

PREFIX = "family_"
NAMES = tuple(name.removeprefix(PREFIX) for name in CASES if name.startswith(PREFIX))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.families",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(NAMES)}; or all")
    add_options(parser, ["ours", "bambi", "bambi_pymc"], repeat=3, limit=600.0)
    given = parser.parse_args()
    if unknown := [name for name in given.cases if name not in NAMES]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(NAMES)}")
    names = [PREFIX + name for name in given.cases or NAMES]
    if "ours" in given.tools:
        worker("warm", names, given.limit)
    for name in names:
        measure(name, given.tools, given.repeat, given.limit, given.again)


if __name__ == "__main__":
    main()
