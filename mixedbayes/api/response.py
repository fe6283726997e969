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

    Examples
    --------
    >>> fit.response("weight").icc()  # doctest: +SKIP
    """
    return ResponseFit(of_response(post, name))
