"""Link functions as objects: g maps the mean to the linear predictor, `inverse` maps it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Link:
    """A link function. `xp` is the array module: NumPy for results, PyTensor inside a model."""

    name: ClassVar[str] = ""

    def link(self, mu: Any, xp: Any) -> Any:
        """eta = g(mu)."""
        raise NotImplementedError

    def inverse(self, eta: Any, xp: Any) -> Any:
        """mu = g^-1(eta)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Identity(Link):
    """eta = mu."""

    name: ClassVar[str] = "identity"

    def link(self, mu: Any, xp: Any) -> Any:
        return mu

    def inverse(self, eta: Any, xp: Any) -> Any:
        return eta
