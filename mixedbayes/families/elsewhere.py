"""Names of a family in other packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class InMgcv:
    """A family of R's mgcv."""

    family: str  # a call, with {link} or {categories}
    response: str = "{y}"  # with {y}
    links: tuple[str, ...] = ()  # that it has of the mean's; empty: all that are here
    scale: str = ""  # the call with a formula for each of `scaled` besides
    scaled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Elsewhere:
    """What other packages call a family; None where they do not have it."""

    brms: str | None = None
    lme4: str | None = None  # a family of R's glm, or a function of lme4's
    bambi: str | None = None
    bambi_parameters: Mapping[str, str] = field(default_factory=dict)  # our names to theirs
    bambi_rest: tuple[str, ...] = ()  # our shares of which theirs is the rest: zi = 1 - psi
    bambi_builtin: bool = True  # whether Bambi has it; else users make it of a PyMC distribution
    bambi_link: str | None = None  # of one formula that it has for all of several predictors
    bambi_weights: bool = False  # whether Bambi's weights are ours
    glmmtmb: str | None = None  # a function of glmmTMB's; None: `lme4`; "": it has none
    mgcv: InMgcv | None = None
    nearest: Mapping[str, str] = field(default_factory=dict)  # by package that has none
    names: tuple[str, ...] = ()  # by which users of other packages may ask for it
