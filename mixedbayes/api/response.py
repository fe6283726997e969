"""One of several responses, as what a `Fit` of one response is."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from mixedbayes.api.accessors import Accessors
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.several import of_response


class ResponseFit(Accessors):
    """One response of a fit of several: its marginal model, with the draws that belong to it.

    All tables, pictures and predictions of a `Fit` of one response. What reads priors or fits again
    is asked of the fit of all.

    Attributes
    ----------
    posterior
        The model of this response and its draws.
    """

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior

    @property
    def idata(self) -> xr.DataTree:
        """The draws of this response, as ArviZ has them."""
        return self.posterior.idata

    @property
    def library(self) -> str:
        """In which tables are handed out."""
        return self.posterior.design.library

    @property
    def units(self) -> Mapping[str, str]:
        """Units of columns by name, from ``data.attrs["units"]``."""
        return self.posterior.design.units

    @property
    def converged(self) -> bool:
        """Whether no convergence check failed."""
        return self.diagnostics().ok

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def response(post: Posterior, name: str) -> ResponseFit:
    """One of several responses, `mv(weight, height) ~ ...`, by itself.

    Its marginal model, y = Intercept + X fixef + Z b + e, with the draws of its coefficients, sds,
    effects and sigma: what `icc`, `means`, `comparisons`, `slopes`, `pp_check` and pictures are
    asked of. Correlations between responses are those of the fit of all.

    Parameters
    ----------
    post
        The posterior.
    name
        Of the response.

    Returns
    -------
    ResponseFit, which has the methods of a `Fit` of one response.

    Raises
    ------
    ModelError
        The model has one response, or none of this name.

    See Also
    --------
    varcorr : Of all responses, with the correlations between them.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> plan = {"groups": {"child": 20}, "per_group": 5, "covariates": {"age": range(5)}}
    >>> plan["sd"] = {"child": 1}
    >>> growth = mb.simulate("weight ~ age + (1 | child)", **plan, fixef={"age": 2}, seed=1)
    >>> growth["height"] = mb.simulate("height ~ age + (1 | child)", **plan, seed=2)["height"]
    >>> fit = mb.fit("mv(weight, height) ~ age + (1 | p | child)", growth, seed=1)
    >>> fit.response("weight").icc()[["group", "kind", "mean", "lower", "upper"]]
       group        kind   mean   lower  upper
    0  child    adjusted 0.4854  0.2758 0.6949
    1  child  unadjusted 0.1161 0.05064 0.2176
    """
    return ResponseFit(of_response(post, name))
