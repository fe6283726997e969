"""The structures of covariances and the laws of effects, and how a formula says them."""

from __future__ import annotations

from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.diagonal import Diagonal
from mixedbayes.terms.law import NORMAL, Law
from mixedbayes.terms.unstructured import UNSTRUCTURED

# Those that a bar stands for; the others are named, cs(x | g).
BARS: dict[str, str] = {"|": UNSTRUCTURED.name, "||": Diagonal.name}
COVARIANCES: dict[str, Covariance] = {c.name: c for c in (UNSTRUCTURED, Diagonal())}
# Of the standardised effects: the first is that of every bar which names none, gr(g, law="...").
LAWS: dict[str, Law] = {law.name: law for law in (NORMAL,)}


def named(word: str) -> bool:
    """Whether a word in front of a bar's parenthesis is the name of a structure."""
    return word in COVARIANCES and word not in BARS.values()


def bar_text(structure: str, effects: str, group: str, law: str = NORMAL.name) -> str:
    """A bar as a formula has it: "(x | g)", "cs(x | g)"."""
    group = group if law == NORMAL.name else f'gr({group}, law="{law}")'
    for bar, name in BARS.items():
        if name == structure:
            return f"({effects} {bar} {group})"
    return f"{structure}({effects} | {group})"
