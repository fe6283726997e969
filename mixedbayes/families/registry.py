"""Families by name, for the public edge where a string is accepted."""

from __future__ import annotations

import difflib

from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.gaussian import Gaussian

FAMILIES: dict[str, type[Family]] = {Gaussian.name: Gaussian}


def as_family(family: str | Family | type[Family]) -> Family:
    """A family object from its name, its class or itself; ModelError lists the valid names."""
    if isinstance(family, Family):
        return family
    if isinstance(family, type) and issubclass(family, Family):
        return family()
    if isinstance(family, str) and family.lower() in FAMILIES:
        return FAMILIES[family.lower()]()
    near = difflib.get_close_matches(str(family).lower(), FAMILIES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ModelError(f"family={family!r} is not known: use one of {', '.join(FAMILIES)}.{hint}")
