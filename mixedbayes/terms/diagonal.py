"""No correlations: `(x || g)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mixedbayes.terms.unstructured import Unstructured


@dataclass(frozen=True)
class Diagonal(Unstructured):
    """Effects of one bar are independent: each is a block of its own."""

    name: ClassVar[str] = "diag"
    correlated: ClassVar[bool] = False
    closed: ClassVar[bool] = False
    elsewhere: ClassVar[Mapping[str, str]] = {
        "lme4": "({effects} || {group})",
        "glmmTMB": "diag({effects} | {group})",
        "brms": "({effects} || {group})",
    }
