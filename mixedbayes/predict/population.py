"""New levels: effects drawn from the population that the grouping factor's levels come from.

Draws are the last dimension here and in `linear`: a row's or a level's draws lie together.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.predict.streams import level_stream
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.law import NORMAL, Law


def roots(post: Posterior, factor: str, parameter: str = "mu") -> Floats:
    """(q, q, S) R with R R' = Sigma, for every draw of Sigma, singular ones among them.

    R = D V sqrt(E) V' with D the sds and V E V' the correlation matrix, so that R is a smooth
    function of the parameters, and effects without correlation keep apart.
    """
    sd = post.sd(factor, parameter)  # (S, q)
    if post.group(factor, parameter).correlated:
        values, vectors = np.linalg.eigh(post.cor(factor, parameter))
        scaled = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        root = sd[:, :, None] * (scaled @ vectors.transpose(0, 2, 1))
    else:
        root = sd[:, :, None] * np.eye(sd.shape[1])
    return np.ascontiguousarray(root.transpose(1, 2, 0))


def new_effects(
    root: Floats, seed: int, factor: str, levels: Iterable[str], law: Law = NORMAL
) -> Floats:
    """(k, q, S) effects of k levels that were not seen: b = R_s u in every draw s, u of the law."""
    shape = root.shape[1:]
    z = np.stack([law.draw(shape, level_stream(seed, factor, text)) for text in levels])
    b = np.zeros_like(z)
    for j in range(len(root)):
        b += root[:, j] * z[:, j, None]
    return b


def variance(root: Floats, Z: Floats) -> Floats:
    """(m, S) variance z' Sigma_s z of the effects' part of the linear predictor, for Z (m, q)."""
    total = np.zeros((len(Z), root.shape[2]))
    for j in range(len(root)):
        total += (Z @ root[:, j]) ** 2
    return total
