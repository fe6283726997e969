"""Smooths, kin, long series and correlated residuals, ours and R's in the same run; see README.md.

    python -m benchmarks.terms
    python -m benchmarks.terms mcycle pedigree_300 --tools ours brms --repeat 1

brms samples the same model, mgcv and nlme give a point estimate by REML. Measured and kept as
benchmarks.run does, results in results/term_CASE.json. What is kept already is not measured again,
unless --again. brms's Stan programs are compiled by the first run and kept in the folder for
temporary files: its seconds are those of sampling.
"""

from __future__ import annotations

from benchmarks.run import measure_kind


def main() -> None:
    """Command line."""
    measure_kind("benchmarks.terms", __doc__, "term_", ["ours", "mgcv", "nlme", "brms"], 1, 300.0)


if __name__ == "__main__":
    main()
