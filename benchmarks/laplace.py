"""Coverage of 90 % intervals by quadrature and by Laplace's approximation; see README.md.

    python -m benchmarks.laplace
    python -m benchmarks.laplace --data-sets 200

Binary responses, five rows in each of 1,000 groups, a twentieth of them ones; the truth is the same
in every data set. Effects are integrated out with as many nodes as matter, or with the one node of
Laplace's approximation, which is glmmTMB's, and lme4's default; priors, data and all else are the
same. Results in results/laplace.json, the picture in results/laplace.png.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

import mixedbayes as mb
from benchmarks.machine import RESULTS, describe
from mixedbayes.model.spec import Spec
from mixedbayes.numerics.threads import one_blas_thread
from mixedbayes.quadrature.evidence import integrated
from mixedbayes.quadrature.rule import Rule

GROUPS, ROWS, PROB = 1000, 5, 0.9
POINTS, SPREAD = 3000, 1.8
TRUTH: Mapping[str, float] = {"Intercept": -3.6, "x": 0.5, "sd_g": 1.5}
RULES: Mapping[str, int | None] = {"quadrature": None, "Laplace": 1}
PATH = RESULTS / "laplace.json"


def simulated(seed: int) -> pd.DataFrame:
    """Binary responses with random intercepts."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(GROUPS), ROWS), rng.normal(size=GROUPS * ROWS)
    b = TRUTH["sd_g"] * rng.normal(size=GROUPS)
    eta = TRUTH["Intercept"] + TRUTH["x"] * x + b[g]
    return pd.DataFrame(
        {"y": (rng.random(g.size) < special.expit(eta)).astype(int), "x": x, "g": g}
    )


def intervals(spec: Spec, seed: int) -> dict[str, dict[str, list[float]]]:
    """Mean, sd and ends of the interval of each parameter, by rule.

    From points of a wide t distribution around the mode, weighed by either density.
    """
    with one_blas_thread():
        white = integrated(spec.design, spec.family, spec.priors, None, 2).white
    at = stats.multivariate_t(np.zeros(white.ndim), SPREAD**2 * np.eye(white.ndim), df=5)
    z = at.rvs(POINTS, random_state=np.random.default_rng(seed))
    t, joint = white.whitening.to_theta(z), white.layout.joint
    theta = t if white.tails is None else white.tails.phi(t)
    phi, beta = theta[:, : joint.n_hyper], theta[:, joint.n_hyper :]
    told = joint.told(phi, [np.empty((len(phi), 0, 1))], beta)
    draws = {"Intercept": told["Intercept"], "x": told["fixef"][:, 0], "sd_g": told["sd_g"][:, 0]}
    ends, found = ((1 - PROB) / 2, (1 + PROB) / 2), {}
    for rule, nodes in RULES.items():
        density = white if nodes is None else white.by(Rule.product(nodes, 1))
        with ThreadPoolExecutor(2) as pool:
            ratios = np.array(list(pool.map(density.logp, z))) - at.logpdf(z)
        w = special.softmax(ratios)
        found[rule] = {"effective": [1 / float(w @ w)]}
        for name, x in draws.items():
            mean = float(w @ x)
            order = np.argsort(x)
            limits = np.interp(ends, np.cumsum(w[order]), x[order])
            found[rule][name] = [mean, float(np.sqrt(w @ (x - mean) ** 2)), *limits.tolist()]
    return found


def study(first: int, last: int) -> list[dict[str, Any]]:
    """The intervals of data sets first to last - 1, by rule."""
    found = []
    for seed in range(first, last):
        spec = mb.Model("y ~ x + (1 | g)", simulated(seed), family="bernoulli").spec
        found.append({"seed": seed, **intervals(spec, seed)})
    return found


def table(found: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """By rule and parameter: coverage with its error, mean error in posterior sds, data sets."""
    out: dict[str, dict[str, dict[str, float]]] = {}
    for rule in RULES:
        out[rule] = {}
        for name, truth in TRUTH.items():
            own = np.array([one[rule][name] for one in found])
            within = (own[:, 2] <= truth) & (truth <= own[:, 3])
            share = float(within.mean())
            out[rule][name] = {
                "coverage": share,
                "coverage_error": float(np.sqrt(share * (1 - share) / len(own))),
                "bias_in_sds": float(np.mean((own[:, 0] - truth) / own[:, 1])),
                "mean": float(own[:, 0].mean()),
                "data_sets": len(own),
            }
    return out


def picture(found: list[dict[str, Any]]) -> None:
    """Intervals of the groups' sd from every data set, by both rules, beside the truth."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shares = table(found)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for axis, rule in zip(axes, RULES, strict=True):
        own = np.array([one[rule]["sd_g"] for one in found])
        own = own[np.argsort(own[:, 0])]
        inside = (own[:, 2] <= TRUTH["sd_g"]) & (own[:, 3] >= TRUTH["sd_g"])
        at = np.arange(len(own))
        for mask, colour in ((inside, "#4c72b0"), (~inside, "#dd5500")):
            axis.vlines(at[mask], own[mask, 2], own[mask, 3], color=colour, lw=1.2)
        axis.axhline(TRUTH["sd_g"], color="black", lw=1)
        covered = 100 * shares[rule]["sd_g"]["coverage"]
        axis.set_title(f"{rule}: {covered:.0f} % of the 90 % intervals hold the truth", fontsize=10)
        axis.set_xlabel("data set, by estimate")
    axes[0].set_ylabel("sd of the groups' intercepts")
    figure.savefig(RESULTS / "laplace.png", dpi=130)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laplace", description=__doc__)
    parser.add_argument("--data-sets", type=int, default=100)
    wanted = parser.parse_args().data_sets
    kept = json.loads(PATH.read_text()) if PATH.exists() else {"found": []}
    found = kept["found"][:wanted]
    found += study(len(found), wanted)
    result = {"machine": describe(), "truth": dict(TRUTH), "table": table(found), "found": found}
    PATH.write_text(json.dumps(result, indent=1) + "\n")
    picture(found)
    for rule, rows in result["table"].items():
        for name, row in rows.items():
            print(
                f"{rule:<11} {name:<10} covers {100 * row['coverage']:5.1f} % "
                f"(+- {100 * row['coverage_error']:.1f}), bias {row['bias_in_sds']:+.2f} sd, "
                f"{row['data_sets']} data sets"
            )


if __name__ == "__main__":
    main()
