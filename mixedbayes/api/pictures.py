"""The pictures of a `Fit`: its methods only call the stage that draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mixedbayes.api.model import Model
    from mixedbayes.plots.densities import PlotCollection
    from mixedbayes.plots.style import Picture
    from mixedbayes.results.posterior import Posterior

Units = Mapping[str, str] | None


class Pictures:
    """Pictures of a posterior, in one look.

    `units` maps names of columns to their units, for the axes: ``{"Reaction": "ms"}``; by default
    ``data.attrs["units"]``, if the data frame has it. plot_varcorr, plot_icc and plot_priors
    return arviz_plots' PlotCollection and draw with backend "matplotlib", "plotly" or "bokeh";
    the others return a Matplotlib figure.
    """

    model: Model

    if TYPE_CHECKING:

        @property
        def posterior(self) -> Posterior: ...

    def plot_ranef(
        self,
        group: str | None = None,
        *,
        prob: float = 0.95,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Picture:
        """Caterpillar: group effects, sorted, with intervals; those that exclude 0 stand out."""
        from mixedbayes.plots import plot_ranef

        return plot_ranef(
            self.posterior, group, prob=prob, units=self._units(units), backend=backend
        )

    def plot_shrinkage(
        self,
        group: str | None = None,
        *,
        terms: tuple[str, str] | tuple[str] | None = None,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Picture:
        """From each level's own estimate to its partially pooled one, over the population."""
        from mixedbayes.plots import plot_shrinkage

        return plot_shrinkage(
            self.posterior, group, terms=terms, units=self._units(units), backend=backend
        )

    def plot_fitted(
        self,
        group: str | None = None,
        *,
        x: str | None = None,
        levels: Sequence[object] | None = None,
        max_levels: int = 24,
        prob: float = 0.95,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Picture:
        """Small multiples: data and fitted line with its band, one panel per level."""
        from mixedbayes.plots import plot_fitted

        return plot_fitted(
            self.posterior,
            group,
            x=x,
            levels=levels,
            max_levels=max_levels,
            prob=prob,
            data=self.model.data,
            units=self._units(units),
            backend=backend,
        )

    def plot_varcorr(
        self, *, prob: float = 0.95, units: Units = None, backend: str = "matplotlib"
    ) -> PlotCollection:
        """Posterior densities of standard deviations, correlations and the residual."""
        from mixedbayes.plots import plot_varcorr

        return plot_varcorr(self.posterior, prob=prob, units=self._units(units), backend=backend)

    def plot_icc(
        self,
        *,
        kind: Literal["adjusted", "unadjusted"] = "adjusted",
        prob: float = 0.95,
        backend: str = "matplotlib",
    ) -> PlotCollection:
        """Posterior densities of the intraclass correlations."""
        from mixedbayes.plots import plot_icc

        return plot_icc(self.posterior, kind=kind, prob=prob, backend=backend)

    def plot_residuals(
        self,
        *,
        prob: float = 0.95,
        seed: int = 0,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Picture:
        """Residuals against fitted values, and their normal quantile plot."""
        from mixedbayes.plots import plot_residuals

        return plot_residuals(
            self.posterior, prob=prob, seed=seed, units=self._units(units), backend=backend
        )

    def plot_priors(
        self, *, prob: float = 0.95, units: Units = None, backend: str = "matplotlib"
    ) -> PlotCollection:
        """Prior against posterior of every population-level parameter."""
        from mixedbayes.plots import plot_priors

        return plot_priors(
            self.posterior,
            self.model.spec.priors,
            prob=prob,
            units=self._units(units),
            backend=backend,
        )

    @property
    def units(self) -> Mapping[str, Any]:
        """Units of columns, from ``data.attrs["units"]``."""
        known = self.model.data.attrs.get("units", {})
        return known if isinstance(known, Mapping) else {}

    def _units(self, units: Units) -> Mapping[str, Any]:
        return self.units if units is None else units
