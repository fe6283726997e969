"""Counts, shares and binary responses, ours and the peers' in the same run; see README.md.

    python -m benchmarks.glmm
    python -m benchmarks.glmm cbpp grouseticks --tools ours bambi --repeat 3

Measured and kept as benchmarks.run does, results in results/glmm_CASE.json. What is kept already
is not measured again, unless --again. `ours_cold` is measured where --tools names it.
"""

from __future__ import annotations

import argparse

from benchmarks.cases import CASES
from benchmarks.run import TOOLS, add_options, measure, worker

PREFIX = "glmm_"
NAMES = tuple(name.removeprefix(PREFIX) for name in CASES if name.startswith(PREFIX))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.glmm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(NAMES)}; or all")
    add_options(parser, [t for t in TOOLS if t != "ours_cold"], repeat=1, limit=1500.0)
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
