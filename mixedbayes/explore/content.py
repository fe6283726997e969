"""What a page holds: the model as numbers, the picture, the posterior of the variances, words."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.explore.lines import Lines
from mixedbayes.explore.sums import Sums
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.simpson import slopes
from mixedbayes.printable import in_one_line

MOST_NUMBERS = 400_000  # of all groups' sums and lines, some 4 MB
_RUG = 60  # quantiles that stand for the posterior of an sd


def content(sums: Sums, lines: Lines, units: Mapping[str, str] | None) -> dict[str, Any]:
    """Everything, ready for JSON; arrays by group are packed.

    Raises
    ------
    ModelError
        If it is more than a page should hold.
    """
    g, labels = sums.group, Labels.of(sums.post, units)
    size = sums.groups.size + lines.X.size + lines.Z.size
    if size > MOST_NUMBERS:
        each = size // g.n_levels
        raise ModelError(
            f"the page would hold {size:,} numbers, {each:,} for each of {g.n_levels:,} levels of "
            f"{g.name} with {len(sums.population.terms)} population coefficients, more than "
            f"{MOST_NUMBERS:,}: name another factor with group=, or fit a sample of some "
            f"{MOST_NUMBERS // each:,} levels"
        )
    return {
        "model": model(sums) | {"groups": _packed(sums.groups)},
        "group": {
            "name": g.name,
            "labels": [_label(str(level)) for level in g.levels],
            "rows": g.rows_per_level.tolist(),
        },
        "effects": effects(sums, labels),
        "scales": scales(sums, labels),
        "population": [labels.term(t) for t in sums.coordinates.population],
        "response": labels.observed,
        "held": list(sums.held),
        "axis": {
            "name": lines.name,
            "label": labels.column(lines.name) if lines.name else g.name,
            "categories": lines.categories,
            "places": lines.places.tolist(),
            "straight": lines.straight,
            "words": lines.words,
            "X": _packed(lines.X.reshape(g.n_levels, -1)),
            "Z": _packed(lines.Z.reshape(g.n_levels, -1)),
            "typical": {"X": lines.typical_X.tolist(), "Z": lines.typical_Z.tolist()},
        },
        "points": {
            "x": _packed(lines.x),
            "y": _packed(lines.y),
            "group": _packed(lines.refs, "<i4"),
            "left_out": lines.left_out,
        },
        "rows": len(sums.y),
        "reversal": reversal(sums, lines),
    }


def _label(level: str) -> str:
    """A level as a page names it; of one without a visible letter in quotes."""
    said = in_one_line(level)
    return said if said.strip() else f'"{said}"'


def model(sums: Sums) -> dict[str, Any]:
    """The numbers that `pooled` reads, the groups' sums apart."""
    w = sums.coordinates
    return {
        "p": len(w.population),
        "q": len(w.terms),
        "A": w.A.tolist(),
        "inverse": np.linalg.inv(w.A).tolist(),
        "E": w.E.tolist(),
        "base": w.base.tolist(),
        "C": w.C.tolist(),
        "start": w.start.tolist(),
        "origin": w.origin.tolist(),
        "varies": [t in sums.group.population for t in w.population],
        "mean": sums.mean.tolist(),
        "precision": sums.precision.tolist(),
    }


def effects(sums: Sums, labels: Labels) -> list[dict[str, Any]]:
    """The group's effects: names, whether the population has them, how far groups lie apart."""
    w, found = sums.coordinates, []
    for k, term in enumerate(w.terms):
        name = labels.term(term)
        if k == 0 and w.at is not None:
            name += f" at {w.at[0]} = {w.at[1]:g}"
        there = bool(w.E[k].any())
        spread = float(sums.sd[:, k].mean())
        found.append(
            {"name": name, "unit": _unit(labels, term), "population": there, "spread": spread}
        )
    return found


def _unit(labels: Labels, term: str) -> str:
    above = labels.units.get(labels.response, "")
    if term == names.INTERCEPT or not (measured := labels.measured(term)):
        return above
    below = labels.units.get(measured)
    return f"{above}/{below}" if above and below else ""


def scales(sums: Sums, labels: Labels) -> list[dict[str, Any]]:
    """The sds, the correlation and sigma, in the order of their sliders, with their posterior."""
    own = effects(sums, labels)
    found = []
    for k, effect in enumerate(own[:1] if sums.tied else own):
        name = f"sd of {effect['name']}" if not sums.tied else "sd of both effects"
        found.append(_scale(f"sd{k}", name, effect["unit"], sums.sd[:, k]))
    if sums.cor is not None:
        found.append(_scale("cor", f"correlation of {own[0]['name']} and {own[1]['name']}", "",
                            sums.cor) | {"low": -1.0, "high": 1.0, "step": 0.01})  # fmt: skip
    if sums.sigma is not None:
        unit = labels.units.get(labels.response, "")
        scale = _scale("sigma", "sigma, the sd of residuals", unit, sums.sigma)
        found.append(scale | {"low": scale["step"]})
    return found


def _scale(key: str, name: str, unit: str, draws: Floats) -> dict[str, Any]:
    """A slider from 0 to twice what the posterior reaches, in some hundreds of round steps."""
    high = _round_up(2 * float(np.quantile(draws, 0.995)))
    at = (np.arange(_RUG) + 0.5) / _RUG
    return {
        "key": key,
        "name": name,
        "unit": unit,
        "low": 0.0,
        "high": high,
        "step": high / 400,
        "mean": float(draws.mean()),
        "rug": [float(f"{v:.5g}") for v in np.quantile(draws, at)],
    }


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8, 10 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * next(k for k in (1, 2, 4, 5, 8, 10) if k * power >= value * (1 - 1e-12)))


def reversal(sums: Sums, lines: Lines) -> dict[str, float | None] | None:
    """Slopes within and between groups and of all rows, where the last two signs differ."""
    if not lines.name or lines.categories is not None:
        return None
    x = sums.post.design.frame[lines.name].to_numpy(float)
    found = slopes(x, sums.y, sums.group.refs, sums.group.n_levels)
    within, together = found.within, found.together[1]
    if not within * together < 0 or abs(together) < 0.05 * abs(within):
        return None
    between = found.between[1]
    return {"within": within, "between": between if np.isfinite(between) else None,
            "together": together}  # fmt: skip


def _packed(values: ArrayLike, kind: str = "<f8") -> dict[str, Any]:
    """An array as its bytes in base64, little end first."""
    array = np.ascontiguousarray(values, kind)
    return {"shape": list(array.shape), "bytes": b64encode(array.tobytes()).decode()}
