"""`Fit.report`: the fit as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixedbayes.api.model import Model
    from mixedbayes.engines.base import Chosen
    from mixedbayes.results.posterior import Posterior
    from mixedbayes.sample.settings import Settings


class Reports:
    """What makes a fit fit to be mailed."""

    model: Model
    settings: Settings
    formulation: Chosen
    note: str

    if TYPE_CHECKING:

        @property
        def posterior(self) -> Posterior: ...

        def _units(self, units: Mapping[str, str] | None) -> Mapping[str, Any]: ...

    def report(
        self,
        path: str | Path,
        *,
        prob: float = 0.95,
        title: str | None = None,
        units: Mapping[str, str] | None = None,
        checks: bool = True,
    ) -> Path:
        """Write one self-contained HTML page about the fit, which needs no network to be read.

        Summary; the model's equations and priors; interactive pictures of shrinkage, pooling and
        group effects, where the pointer names the group and tells its numbers; every table, to
        filter and sort; the checks of `check` in words; convergence; seed, settings, versions and
        the code of the same fit. What the model does not have is named with the reason. The page
        holds the script that draws its pictures, of 5 MB; it holds the data of at most 300 levels
        of each grouping factor, and at most 3,000 rows of each table.

        Parameters
        ----------
        path
            Of the page; an older one is replaced when the new one is complete.
        prob
            Probability of all intervals.
        title
            By default the formula.
        units
            Units of columns for the axes: ``{"Reaction": "ms"}``; by default those of the data.
        checks
            Whether to run `check`, which takes most of the time.

        Returns
        -------
        The path.

        Raises
        ------
        FileError
            If the folder does not exist or cannot be written.
        ModelError
            If `prob` is not a probability between 0 and 1.
        """
        from mixedbayes.report.page import report
        from mixedbayes.report.source import Source

        source = Source(
            post=self.posterior,
            data=self.model.data,
            user_priors=self.model.user_priors,
            formulation=self.formulation,
            settings=self.settings,
            note=self.note,
            units=self._units(units),
            prob=prob,
        )
        return report(path, source, title=title, checks=checks)
