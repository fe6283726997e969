"""The methods of a `Fit` that teach: simulated data, pooling, one model in many forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from mixedbayes.api.model import Model
    from mixedbayes.results.posterior import Posterior


class Teaching:
    """What makes a fit's workings visible."""

    model: Model

    if TYPE_CHECKING:

        @property
        def posterior(self) -> Posterior: ...

    def simulate(
        self, *, groups: Literal["new", "own"] = "new", seed: int | None = None
    ) -> pd.DataFrame:
        """The model's rows with a new response, simulated at one draw of the posterior.

        The group effects are drawn from their estimated distribution, or with ``groups="own"`` are
        those of the draw. `mixedbayes.truth` of the frame has the values that were used.
        """
        from mixedbayes.teach.replicate import simulate_from_posterior

        return simulate_from_posterior(self.posterior, self.model.data, groups=groups, seed=seed)
