"""The packages that a model is written for: what each writes, and what it has not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mixedbayes.interop.bambi_code import NO_RESIDUALS, bambi_code
from mixedbayes.interop.brms_code import brms_code
from mixedbayes.interop.brms_several import brms_of_several
from mixedbayes.interop.glmmtmb_code import glmmtmb_code
from mixedbayes.interop.lme4_code import lme4_code
from mixedbayes.interop.mgcv_code import mgcv_code
from mixedbayes.interop.pymc_code import plain_pymc
from mixedbayes.model.spec import Spec

type Writer = Callable[[Spec], str]


@dataclass(frozen=True)
class Package:
    """Another package, as a target of `code`.

    Attributes
    ----------
    write
        The model as its code; refuses what is peculiar to it.
    several
        The same of several responses; None where it has none.
    no_smooths, no_monotonic, no_residuals
        Why there is no code of smooths, of monotonic effects and of correlated residuals, and what
        there is instead; empty where it writes them.
    groupers
        Whether it writes effects of levels that are related or several in a row, and other laws.
    arms
        Whether it writes variances by arm, or says itself why not.
    limits
        Whether it writes censored and truncated responses.
    """

    write: Writer
    several: Writer | None = None
    no_smooths: str = ""
    no_monotonic: str = ""
    no_residuals: str = ""
    groupers: bool = False
    arms: bool = False
    limits: bool = False


TARGETS: dict[str, Package] = {
    "lme4": Package(
        lme4_code,
        no_smooths=(
            "lme4 has no smooths; code('mgcv') has the same ones, and estimates in place of a "
            "posterior"
        ),
        no_monotonic="lme4 has no monotonic effects; code('brms') has them",
        no_residuals="lme4 has none; code('glmmTMB') has them, and nlme::gls as correlation=",
    ),
    "glmmTMB": Package(
        glmmtmb_code,
        no_smooths="its smooths have other sds; code('mgcv') has the same ones",
        no_monotonic="glmmTMB has no monotonic effects; code('brms') has them",
    ),
    "mgcv": Package(
        mgcv_code,
        no_monotonic=(
            "mgcv has no mo(); code('brms') has it, and the package scam has increasing curves, "
            's(x, bs = "mpi")'
        ),
        no_residuals=(
            "gam() has none; mgcv's gamm() has them as correlation =, and bam() an AR(1) of a "
            "known rho"
        ),
        groupers=True,
        arms=True,
    ),
    "brms": Package(
        brms_code,
        several=brms_of_several,
        no_smooths=(
            "brms takes the same formula, but the sds and slopes of its smooths are of functions "
            "in other units than here, so that these priors would say something else there; write "
            "the formula for brm() and choose priors of class sds and b for it"
        ),
        groupers=True,
        arms=True,
        limits=True,
    ),
    "bambi": Package(
        bambi_code,
        no_smooths="Bambi has no s() and no t2(); fit.model.pymc is this model in PyMC",
        no_monotonic="Bambi has no mo(); fit.model.pymc is this model in PyMC",
        no_residuals=NO_RESIDUALS,
    ),
    "pymc": Package(
        plain_pymc,
        no_smooths="it writes no smooths; fit.model.pymc is this model in PyMC",
        no_monotonic="it writes no monotonic effects; fit.model.pymc is this model in PyMC",
        no_residuals="`pymc` is the model in PyMC",
        arms=True,
    ),
}


def having(what: str) -> str:
    """The targets that have something, by the name of its attribute, as they are asked for."""
    return " and ".join(f"code({name!r})" for name, own in TARGETS.items() if getattr(own, what))
