"""The structures of covariances and the laws of effects, by the names that formulas have."""

from __future__ import annotations

from mixedbayes.terms.arma11 import AutoregressiveMovingAverage
from mixedbayes.terms.autoregressive import Autoregressive, HeterogeneousAutoregressive
from mixedbayes.terms.bars import BARS, LAW
from mixedbayes.terms.compound_symmetry import CompoundSymmetry, HomogeneousCompoundSymmetry
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.diagonal import Diagonal
from mixedbayes.terms.law import NORMAL, Law
from mixedbayes.terms.ornstein_uhlenbeck import OrnsteinUhlenbeck
from mixedbayes.terms.student import StudentLaw
from mixedbayes.terms.toeplitz import HomogeneousToeplitz, Toeplitz
from mixedbayes.terms.unstructured import UNSTRUCTURED

COVARIANCES: dict[str, Covariance] = {
    c.name: c
    for c in (
        UNSTRUCTURED,
        Diagonal(),
        CompoundSymmetry(),
        HomogeneousCompoundSymmetry(),
        Autoregressive(),
        HeterogeneousAutoregressive(),
        OrnsteinUhlenbeck(),
        Toeplitz(),
        HomogeneousToeplitz(),
    )
}
# Those of residuals, and other words for them there.
RESIDUALS: dict[str, Covariance] = {
    c.name: c for c in (*COVARIANCES.values(), AutoregressiveMovingAverage()) if c.correlated
}
SYNONYMS = {"unstr": "us", "cosy": "homcs"}
LAWS: dict[str, Law] = {law.name: law for law in (NORMAL, StudentLaw())}


def names_covariance(word: str) -> bool:
    """Whether a word in front of a bar's parenthesis is the name of a structure."""
    return word in COVARIANCES


def is_structure(word: str) -> bool:
    """Whether a structure is one of the levels of a variable, whatever else it may be of."""
    return word in COVARIANCES and word not in BARS.values()


def has_axis(word: str) -> bool:
    """Whether the effects of a structure are the levels of a variable, and nothing else."""
    return bool(COVARIANCES[word].axis)


def names_law(word: str) -> bool:
    """Whether a formula may name this law: any but that of bars which name none."""
    return word in LAWS and word != LAW
