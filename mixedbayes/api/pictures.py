"""The pictures of a `Fit`: its methods only call the stage that draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from mixedbayes.errors import ModelError

if TYPE_CHECKING:
    from mixedbayes.api.fit import Fit
    from mixedbayes.api.model import Model
    from mixedbayes.plots.densities import PlotCollection
    from mixedbayes.plots.scene import Drawing
    from mixedbayes.results.posterior import Posterior

Units = Mapping[str, str] | None


class Pictures:
    """Pictures of a posterior, in one look.

    `units` maps names of columns to their units, for the axes: ``{"Reaction": "ms"}``; by default
    ``data.attrs["units"]``, if the data frame has it. Every picture draws with backend
    "matplotlib", "plotly" or "bokeh". plot_varcorr, plot_icc and plot_priors return arviz_plots'
    PlotCollection; the others a Matplotlib figure, a Plotly figure or a Bokeh layout.
    """

    model: Model

    if TYPE_CHECKING:

        @property
        def posterior(self) -> Posterior: ...

    def plot_ranef(
        self,
        group: str | None = None,
        *,
        kind: Literal["caterpillar", "density"] = "caterpillar",
        prob: float = 0.95,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Drawing:
        """The group effects, sorted, with intervals; those that exclude 0 stand out.

        With ``kind="density"`` the distribution they come from, Normal(0, sd), and within it the
        posterior of every level. Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_ranef

        return plot_ranef(
            self.posterior, group, kind=kind, prob=prob, units=self._units(units), backend=backend
        )

    def plot_fixef(
        self,
        *,
        exponentiate: bool = False,
        intercept: bool = False,
        prob: float = 0.95,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Drawing:
        """The population effects with intervals; those that exclude 0 stand out.

        On the link scale; with `exponentiate` as odds, rate or hazard ratios, or ratios of means,
        on a logarithmic axis. Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_fixef

        return plot_fixef(
            self.posterior,
            exponentiate=exponentiate,
            intercept=intercept,
            prob=prob,
            units=self._units(units),
            backend=backend,
        )

    def plot_shrinkage(
        self,
        group: str | None = None,
        *,
        terms: tuple[str, str] | tuple[str] | None = None,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Drawing:
        """From each level's own estimate to its partially pooled one, over the population.

        Backends: "matplotlib", "plotly", "bokeh".
        """
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
    ) -> Drawing:
        """Small multiples: data and fitted line with its band, one panel per level.

        On the response scale; of ordered categories the probability of each. Backends:
        "matplotlib", "plotly", "bokeh".
        """
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

    def plot_predictions(
        self,
        group: str | None = None,
        *,
        x: str | None = None,
        levels: Sequence[object] | None = None,
        max_levels: int = 100,
        prob: float = 0.95,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Drawing:
        """Predictions with the group effects, a line for each level, and without them.

        On the response scale; of ordered categories the probability of each. Backends:
        "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_predictions

        return plot_predictions(
            self.posterior,
            group,
            data=self.model.data,
            x=x,
            levels=levels,
            max_levels=max_levels,
            prob=prob,
            units=self._units(units),
            backend=backend,
        )

    def plot_simpson(
        self,
        group: str | None = None,
        *,
        x: str | None = None,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Drawing:
        """Lines within the groups, the line between their means, and one line for all rows.

        On the response scale. Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_simpson

        return plot_simpson(
            self.posterior,
            group,
            data=self.model.data,
            x=x,
            units=self._units(units),
            backend=backend,
        )

    def plot_varcorr(
        self, *, prob: float = 0.95, units: Units = None, backend: str = "matplotlib"
    ) -> PlotCollection:
        """Posterior densities of standard deviations, correlations and the residual.

        On the link scale. Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_varcorr

        return plot_varcorr(self.posterior, prob=prob, units=self._units(units), backend=backend)

    def plot_icc(
        self,
        *,
        kind: Literal["adjusted", "unadjusted"] = "adjusted",
        prob: float = 0.95,
        backend: str = "matplotlib",
    ) -> PlotCollection:
        """Posterior densities of the intraclass correlations.

        Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_icc

        return plot_icc(self.posterior, kind=kind, prob=prob, backend=backend)

    def plot_residuals(
        self,
        *,
        prob: float = 0.95,
        seed: int = 0,
        units: Units = None,
        backend: str = "matplotlib",
    ) -> Drawing:
        """Residuals against fitted values, and their normal quantile plot.

        Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_residuals

        return plot_residuals(
            self.posterior, prob=prob, seed=seed, units=self._units(units), backend=backend
        )

    def plot_priors(
        self, *, prob: float = 0.95, units: Units = None, backend: str = "matplotlib"
    ) -> PlotCollection:
        """Prior against posterior of every population-level parameter.

        On the link scale. Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_priors

        return plot_priors(self.posterior, prob=prob, units=self._units(units), backend=backend)

    @property
    def units(self) -> Mapping[str, Any]:
        """Units of columns, from ``data.attrs["units"]``."""
        known = self.model.data.attrs.get("units", {})
        return known if isinstance(known, Mapping) else {}

    def _units(self, units: Units) -> Mapping[str, Any]:
        return self.units if units is None else units


def plot_funnel(
    fits: Model | Mapping[str, Fit],
    group: str | None = None,
    *,
    term: str | None = None,
    level: object = None,
    draws: int = 1000,
    seed: int | None = None,
    target_accept: float | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Draws of one effect against the log of its sd: the funnel that a sampler meets.

    Parameters
    ----------
    fits
        Fits of one model by name, such as ``{"centred": fit1, "non-centred": fit2}``; or a model,
        which is fitted in both formulations, with the `draws`, `seed` and `target_accept` given.
    group, term, level
        Whose effect: by default the first term of the first factor with a random slope, else of the
        first factor, in the level with the fewest rows.
    draws, seed, target_accept
        Of the fits of a model, see `Model.fit`; a lower `target_accept` shows more divergences.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout, on the link scale: a column for each fit, the
    effect above, the effect in units of its sd below, divergent transitions in colour.

    Raises
    ------
    ModelError
        There is no such group, term or level, or draws of the group effects were not kept.
    """
    from mixedbayes.model.formulations import Centered, NonCentered
    from mixedbayes.plots import plot_funnel

    if not isinstance(fits, Mapping):
        model = fits
        if not hasattr(model, "fit"):
            raise ModelError('plot_funnel() takes a model, or fits by name: {"centred": fit}')
        fits = {
            name: model.fit(
                draws, seed=seed, formulation=way, target_accept=target_accept, progress=False
            )
            for name, way in {"centred": Centered(), "non-centred": NonCentered()}.items()
        }
    posteriors = {name: fit.posterior for name, fit in fits.items()}
    units = next((fit.units for fit in fits.values()), None)
    return plot_funnel(posteriors, group, term=term, level=level, units=units, backend=backend)
