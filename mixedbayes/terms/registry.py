"""The structures of covariances and the laws of effects, by the names that formulas have."""

from __future__ import annotations

from mixedbayes.terms.bars import BARS, LAW
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.diagonal import Diagonal
from mixedbayes.terms.law import NORMAL, Law
from mixedbayes.terms.unstructured import UNSTRUCTURED

COVARIANCES: dict[str, Covariance] = {c.name: c for c in (UNSTRUCTURED, Diagonal())}
LAWS: dict[str, Law] = {law.name: law for law in (NORMAL,)}


def names_covariance(word: str) -> bool:
    """Whether a word in front of a bar's parenthesis is the name of a structure."""
    return word in COVARIANCES and word not in BARS.values()


def names_law(word: str) -> bool:
    """Whether a formula may name this law: any but that of bars which name none."""
    return word in LAWS and word != LAW
