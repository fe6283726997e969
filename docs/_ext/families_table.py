"""Every family of the registry: density, links, parameters with their default priors."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from docstring_markdown import inline, markdown

import mixedbayes as mb
from mixedbayes.families.registry import FAMILIES, public

N = 120
# Formulas by what a family takes; the rows of `data` have a column for each.
LEFT_SIDES = {
    "finite numbers": "y",
    "positive numbers": "size",
    "0 and positive numbers": "cost",
    "angles in radians, from -pi to pi": "angle",
    "shares strictly between 0 and 1": "share",
    "shares from 0 to 1": "share01",
    "0 or 1, False or True, or two levels": "yes",
    "counts from 0 to the number of trials": "successes | trials(n)",
    "counts 0, 1, 2, ...": "count",
    "labels: text, categories or whole numbers": "choice",
    "whole numbers from 0 in three or more columns": "cbind(a, b, c)",
    "ordered categories or whole numbers": "rating",
}


@cache
def data() -> pd.DataFrame:
    """Simulated responses of every kind, with a covariate and groups."""
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(12), N // 12), rng.normal(size=N)
    eta = 0.5 * x + rng.normal(0, 0.5, 12)[g]
    p, mu = 1 / (1 + np.exp(-eta)), np.exp(1 + eta)
    size, share = rng.gamma(3, mu / 3), rng.beta(5 * p, 5 * (1 - p))
    ends = np.where(rng.random(N) < 0.15, np.round(share), share)
    count = np.where(rng.random(N) < 0.2, 0, rng.negative_binomial(3, 3 / (3 + mu)))
    a, b, c = rng.multinomial(9, [0.5, 0.3, 0.2], N).T
    columns = {
        "y": 10 + eta + rng.normal(0, 0.6, N), "size": size, "share": share, "share01": ends,
        "cost": np.where(rng.random(N) < 0.2, 0, size), "angle": np.angle(np.exp(1j * (eta + 1))),
        "yes": rng.random(N) < p, "n": 8, "successes": rng.binomial(8, p), "count": count,
        "choice": rng.choice(["bus", "car", "train"], N), "a": a, "b": b, "c": c,
        "rating": 1 + np.digitize(eta + rng.logistic(size=N), [-1, 0.3, 1.5]),
        "x": x, "g": [f"g{i:02d}" for i in g],
    }  # fmt: skip
    return pd.DataFrame(columns)


def formula(name: str) -> str:
    """One that a family takes, of the columns of `data`."""
    return f"{LEFT_SIDES[FAMILIES[name].takes]} ~ x + (1 | g)"


def families_page() -> str:
    """A section for each family, in the registry's order."""
    parts, taken = [], ""
    for name, kind in FAMILIES.items():
        if kind.takes != taken:
            taken = kind.takes
            parts.append(f"## Responses: {inline(taken)}")
        parts.append(_section(name, kind))
    return "\n\n".join(parts) + "\n"


def _section(name: str, kind: Any) -> str:
    model = mb.Model(formula(name), data(), family=name)
    links = ", ".join(f"`mb.{k.__name__}()`" for k in kind.mean_links)
    lines = [
        f"({_anchor(name)})=",
        f"### {name.replace('_', ' ')}",
        "",
        markdown(_without_example(inspect.getdoc(kind) or "")),
        "",
        f"Links of the mean: {links}; the first is the default."
        if len(kind.mean_links) > 1
        else f"Link of the mean: {links}.",
        "",
        "```python",
        f'mb.fit("{formula(name)}", data, family="{name}", seed=1)',
        "```",
    ]
    if rows := _parameters(kind, model):
        lines += ["", "| parameter | default prior in this model | from | link of a formula |"]
        lines += ["|---|---|---|---|", *rows]
    if note := _relatives(kind):
        lines += ["", note]
    lines += ["", f"Class: {{py:obj}}`mixedbayes.families.{public(name)}`"]
    return "\n".join(lines)


def _anchor(name: str) -> str:
    return f"family-{name.replace('_', '-')}"


def _without_example(doc: str) -> str:
    """Without its last section, in whose place the page has a call of its own."""
    return doc.split("\nExamples\n---")[0].split("\n>>>")[0].rstrip()


def _parameters(kind: Any, model: Any) -> list[str]:
    table = model.priors
    rows = []
    for p in kind.declared:
        own = table[table["parameter"] == p.name]
        link = f"{p.link.name}" if p.formula else "none: it has no formula"
        if own.empty:
            rows.append(f"| `{p.name}` | | only with a formula of its own | {link} |")
        for prior, origin in zip(own["prior"][:1], own["derived_from"][:1], strict=True):
            rows.append(f"| `{p.name}` | {inline(prior)} | {inline(origin)} | {link} |")
    return rows


def _relatives(kind: Any) -> str:
    said = []
    for what, name in (
        ("with more spread", kind.wider),
        ("with more zeros", kind.inflated),
        ("with zeros apart", kind.hurdle),
    ):
        if name:
            said.append(f"{what} [{name.replace('_', ' ')}](#{_anchor(name)})")
    return f"Relatives: {'; '.join(said)}." if said else ""
