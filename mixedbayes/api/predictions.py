"""The predictions of a `Fit`, and what cross-validation weighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from mixedbayes.results.text import tabled

if TYPE_CHECKING:
    import xarray as xr

    from mixedbayes.api.model import Model
    from mixedbayes.predict.conditioned import Conditioned
    from mixedbayes.results.posterior import Posterior


class Predictions:
    """Answers for new data: which groups, and which kind of quantity."""

    model: Model
    idata: xr.DataTree

    if TYPE_CHECKING:

        @property
        def posterior(self) -> Posterior: ...

    @tabled
    def predict(
        self,
        new: Any = None,
        *,
        groups: Literal["auto", "typical", "average", "new"] | Sequence[str] = "auto",
        kind: Literal["response", "mean", "linear"] = "response",
        prob: float = 0.95,
        draws: bool = False,
        seed: int | None = None,
        progress: bool = True,
        new_levels: Literal["draw", "error"] = "draw",
        scale: Literal["model", "original"] = "model",
    ) -> Any:
        """Predict the rows of new data, with the uncertainty of all parameters.

        Parameters
        ----------
        new
            Data frame with the predictors and grouping factors; by default the rows of the fit.
        groups
            Which groups the question is about. "auto": levels of the fit have their own effects, a
            new level draws its effects from the estimated population. "typical": all group effects
            zero. "average": integrated over the population of groups, through the link. "new": as
            if no group had been seen. A list: these factors as in "auto", the others zero.
        kind
            "response": a new observation, its mean the expectation, its interval that of
            observations; of a row that weights count several times, one of these. "mean": the
            expectation, of ordered categories the probability of each; "linear": on the link scale.
        prob, draws, seed, progress
            Interval; the draws themselves (chain, draw, obs), integers where responses are counts;
            by default the fit's seed, so that asking twice gives the same answer; show the progress
            of large predictions.
        new_levels
            Levels that the fit has not seen: "draw" their effects, and mark them in the column
            `new`; or "error": refuse them.
        scale
            "model": of the response as the formula has it, of log(y) where that is modelled;
            "original": of y itself, each simulated observation taken back.

        Returns
        -------
        DataFrame with mean, sd, lower, upper per row (per row and `category` for probabilities of
        ordered categories) and `new`, the grouping factors whose level in the row the fit has not
        seen; or a DataArray.
        """
        from mixedbayes.predict.predict import predict

        return predict(  # type: ignore[call-overload,misc]
            self.posterior,
            new,
            groups=groups,
            kind=kind,
            prob=prob,
            draws=draws,
            seed=seed,
            progress=progress,
            new_levels=new_levels,
            scale=scale,
        )

    def condition_on(self, rows: Any, *, seed: int | None = None) -> Conditioned:
        """The posterior of groups that the fit has not seen, given a few of their rows.

        Without fitting again: exact for Gaussian models with identity link, by importance sampling
        for all others, with a warning where that is not reliable. The rows carry the response;
        several new groups may be given at once.

        Returns
        -------
        Conditioned, with `ranef`, `coef` and `predict` for the new groups, and `importance`: how
        many draws the weighted ones are worth (`ess`), and `pareto_k`.
        """
        from mixedbayes.predict.condition import condition_on

        return condition_on(self.posterior, rows, seed=seed)

    def log_likelihood(self, target: str = "observation") -> xr.Dataset:
        """Log likelihood per draw of every observation, or of every level of a grouping factor.

        ``"observation"`` is conditional on the group effects; it is kept in
        ``idata["log_likelihood"]``, where ArviZ's `loo` looks for it, and where it is otherwise
        computed whenever it is read. A grouping factor's name integrates that factor's effects
        out, as leave-one-group-out cross-validation needs.
        """
        import xarray as xr

        from mixedbayes.checks.log_likelihood import log_likelihood

        out = log_likelihood(self.posterior, target)
        if target == "observation":
            self.idata["log_likelihood"] = xr.DataTree(out)
        return out
