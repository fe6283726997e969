"""The structures of covariances that a formula may name."""

from __future__ import annotations

from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.diagonal import Diagonal
from mixedbayes.terms.unstructured import UNSTRUCTURED

# By the bar that stands for them.
BARS: dict[str, str] = {"|": UNSTRUCTURED.name, "||": Diagonal.name}
COVARIANCES: dict[str, Covariance] = {c.name: c for c in (UNSTRUCTURED, Diagonal())}


def bar_text(structure: str, effects: str, group: str) -> str:
    """A bar as a formula has it: "(x | g)", "cs(x | g)"."""
    for bar, name in BARS.items():
        if name == structure:
            return f"({effects} {bar} {group})"
    return f"{structure}({effects} | {group})"
