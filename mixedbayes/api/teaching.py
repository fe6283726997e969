"""The methods of a `Fit` that teach: simulated data, pooling, one model in many forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from mixedbayes.results.text import tabled

if TYPE_CHECKING:
    import pandas as pd

    from mixedbayes.api.model import Model
    from mixedbayes.plots.scene import Drawing
    from mixedbayes.results.posterior import Posterior
    from mixedbayes.teach.run import Ways


class Teaching:
    """What makes a fit's workings visible."""

    model: Model

    if TYPE_CHECKING:

        @property
        def posterior(self) -> Posterior: ...

        def _units(self, units: Mapping[str, str] | None) -> Mapping[str, Any]: ...

    def simulate(
        self, *, groups: Literal["new", "own"] = "new", seed: int | None = None
    ) -> pd.DataFrame:
        """The model's rows with a new response, simulated at one draw of the posterior.

        The group effects are drawn from their estimated distribution, or with ``groups="own"`` are
        those of the draw. `mixedbayes.truth` of the frame has the values that were used.
        """
        from mixedbayes.simulation.replicate import simulate_from_posterior

        return simulate_from_posterior(self.posterior, self.model.data, groups=groups, seed=seed)

    @tabled
    def pooling(self, group: str | None = None, prob: float = 0.95) -> pd.DataFrame:
        """Complete, no and partial pooling of every coefficient, one row per level, term and kind.

        "complete" is least squares over all rows, "none" within the level alone, with their
        standard errors and t intervals; "partial" is the posterior. Where a level does not
        identify a term by itself it is NaN, and `note` says why.
        """
        from mixedbayes.results.pooling import pooling

        return pooling(self.posterior, prob, group=group)

    @tabled
    def explained(self) -> pd.DataFrame:
        """R2 and pooling factor of every batch of coefficients, and of the data level.

        Gelman & Pardoe (2006), doi:10.1198/004017005000000517: how much of the variance of a
        term's coefficients the levels' covariates explain, and how strongly they are pooled.
        """
        from mixedbayes.results.r2 import explained

        return explained(self.posterior)

    def plot_pooling_factor(
        self,
        group: str | None = None,
        *,
        prob: float = 0.95,
        units: Mapping[str, str] | None = None,
        backend: str = "matplotlib",
    ) -> Drawing:
        """How much each level is pooled, against its number of rows.

        Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_pooling_factor

        return plot_pooling_factor(
            self.posterior, group, prob=prob, units=self._units(units), backend=backend
        )

    def plot_pooling(
        self,
        group: str | None = None,
        *,
        x: str | None = None,
        levels: Sequence[object] | None = None,
        max_levels: int = 24,
        prob: float = 0.95,
        units: Mapping[str, str] | None = None,
        backend: str = "matplotlib",
    ) -> Drawing:
        """Small multiples: data with the lines of complete, no and partial pooling.

        Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_pooling

        return plot_pooling(
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

    def ways(self) -> Ways:
        """The model in its textbook forms, compared at the posterior means; see `mixedbayes.ways`.

        For Gaussian models with identity link.
        """
        from mixedbayes.teach.run import ways

        return ways(self.model, self.posterior)
