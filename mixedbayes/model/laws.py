"""Zero-inflated distributions that PyMC has not, made of those that it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

_PREFIX = "ZeroInflated"


def zero_inflated(kind: str) -> ZeroInflated | None:
    """The distribution of this name made of PyMC's without the zeros; None where there is none."""
    part = getattr(pm, kind.removeprefix(_PREFIX), None) if kind.startswith(_PREFIX) else None
    return None if part is None else ZeroInflated(part)


class ZeroInflated:
    """A distribution with probability psi, else 0, called as PyMC's own."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def __call__(self, name: str, psi: Any, *, observed: Any, dims: Any, **own: Any) -> Any:
        return pm.Mixture(name, **self._parts(psi, own), observed=observed, dims=dims)

    def dist(self, psi: Any, *, size: Any = None, shape: Any = None, **own: Any) -> Any:
        where = {k: v for k, v in (("size", size), ("shape", shape)) if v is not None}
        return pm.Mixture.dist(**self._parts(psi, own), **where)

    def _parts(self, psi: Any, own: dict[str, Any]) -> dict[str, Any]:
        psi = pt.as_tensor_variable(psi)
        return {
            "w": pt.stack([1 - psi, psi], axis=-1),
            "comp_dists": [pm.DiracDelta.dist(np.int64(0)), self.of.dist(**own)],
        }
