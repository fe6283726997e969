"""What studies of a design show, how often, and how well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedbayes.distributions import Prior
from mixedbayes.errors import ModelError
from mixedbayes.lab.question import Answer
from mixedbayes.lab.run import Outcome, proportion
from mixedbayes.printable import escaped
from mixedbayes.results.tables import apart
from mixedbayes.results.text import as_table

if TYPE_CHECKING:
    from mixedbayes.plots.scene import Drawing

QUESTION = "question"


def grid(n: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Every combination of what varies."""
    if n is not None and not isinstance(n, Mapping):
        raise ModelError(
            f'n={n!r} does not say of what: n={{"g": [20, 40]}}, or "rows", "dropout", an effect'
        )
    axes = {key: _values(key, value) for key, value in (n or {}).items()}
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _values(key: str, given: Any) -> list[Any]:
    if hasattr(given, "to_numpy"):  # a column
        given = given.to_numpy()
    several = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str)
    values = [v.item() if isinstance(v, np.generic) else v for v in (given if several else [given])]
    if not values:
        raise ModelError(f"n[{key!r}] is empty")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, Real | Prior):
            raise ModelError(f"n[{key!r}] is a number or a list of them, got {value!r}")
        if values.count(value) > 1:
            raise ModelError(
                f"n[{key!r}] has {value!r} {values.count(value)} times, and each is one design: "
                "name it once, and take more simulations"
            )
    return values


def columns(varies: Iterable[str]) -> dict[str, str]:
    """What tables call it: a factor `study` is `study_n`, beside the column of their own."""
    none = Answer(np.nan, np.nan, np.nan, np.nan, False, np.nan)
    of_studies = {QUESTION, "study", "converged", "error", *(f.name for f in fields(Answer))}
    one = pd.DataFrame([{f.name: getattr(none, f.name) for f in fields(Answer)}])
    taken = of_studies | set(_summary(one.assign(converged=True, error="")))
    return {key: apart(key, taken | (set(varies) - {key}), "n") for key in varies}


@dataclass(frozen=True, eq=False, repr=False)
class Power:
    """How often studies show what is asked, by design.

    Attributes
    ----------
    table
        A row for each question and design: the question, where there are several; what varies;
        simulations; power, the share of the studies that show it, with lower and upper, the 95 %
        interval that so many simulations leave (Wilson); estimate, the mean of the studies'
        posterior means, and truth, that of the true values; width, the mean length of the studies'
        intervals; coverage, the share of them that hold the truth; of those that show it type_s,
        the share whose estimate has the wrong sign, and type_m, by what factor their estimates are
        too large (Gelman & Carlin 2014, doi:10.1177/1745691614551642); not_converged, fits
        with an rhat of 1.05 or more or with divergences in more than 1 % of the draws, which are
        counted like the others; and failed, studies whose data could not be fitted, which are not.
        Estimates are differences from what is compared with; of ratios their logarithms. What
        varies and is called as one of these columns is `study_n` and the like.
    studies
        A row for each study and question: question, what varies, study, estimate, lower, upper,
        probability, shown, truth, converged, error.
    note
        What was decided, and how.
    """

    studies: pd.DataFrame
    varies: tuple[str, ...]
    note: str

    @classmethod
    def of(
        cls,
        designs: Sequence[Mapping[str, Any]],
        found: Sequence[Sequence[Outcome]],
        questions: Sequence[str],
        note: str,
    ) -> Power:
        none = Answer(np.nan, np.nan, np.nan, np.nan, False, np.nan)
        called = columns(designs[0])
        rows = [
            {QUESTION: name, **{called[k]: v for k, v in design.items()}, "study": one.number}
            | {f.name: getattr(one.answers.get(name, none), f.name) for f in fields(Answer)}
            | {"converged": one.converged, "error": one.error}
            for name in questions
            for design, own in zip(designs, found, strict=True)
            for one in own
        ]
        return cls(pd.DataFrame(rows), tuple(called.values()), note)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each question and design; see the class for its columns."""
        keys = [QUESTION, *self.varies]
        every = self.studies.groupby(keys, sort=False, dropna=False)
        rows = [dict(zip(keys, key, strict=True)) | _summary(own) for key, own in every]
        out = pd.DataFrame(rows)
        if out[QUESTION].nunique() == 1:
            out = out.drop(columns=QUESTION)
        if not (out["failed"] > 0).any():
            out = out.drop(columns="failed")
        out.attrs["note"] = self.note
        found: pd.DataFrame = as_table(out)
        return found

    def plot(self, *, target: float = 0.8, backend: str = "matplotlib") -> Drawing:
        """Power by the first number that varies, with Monte Carlo intervals.

        Parameters
        ----------
        target
            Where a line shows the power that is wanted.
        backend
            "matplotlib", "plotly" or "bokeh".

        Returns
        -------
        Matplotlib or Plotly figure, or Bokeh layout.

        Raises
        ------
        ModelError
            Nothing varies, or the backend is unknown.

        See Also
        --------
        power : Of `Study`: the numbers.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> lab = mb.study(
        ...     "y ~ arm + (1 | g)", groups={"g": 20}, rows=5, effects={"arm": 1.0}, sd={"g": 0.5},
        ...     covariates={"arm": {"g": [0, 1]}},
        ... )
        >>> found = lab.power("arm > 0", n={"g": [8, 16]}, simulations=4, draws=100, seed=1)
        >>> figure = found.plot(target=0.8)
        """
        from mixedbayes.plots.power import plot_power

        return plot_power(self.table, self.varies, self._asked(), target=target, backend=backend)

    def _asked(self) -> str:
        every = self.studies[QUESTION].unique()
        return str(every[0]) if len(every) == 1 else ""

    def __repr__(self) -> str:
        title = f"Power of {self._asked() or 'several questions'}"
        return f"{title}\n\n{self.table!r}"

    def _repr_html_(self) -> str:
        title = escaped(f"Power of {self._asked() or 'several questions'}")
        return f"<p>{title}</p>{self.table._repr_html_()}"


def _summary(own: pd.DataFrame) -> dict[str, Any]:
    ran = own[own["error"] == ""]
    hits, of = int(ran["shown"].sum()), len(ran)
    lower, upper = proportion(hits, of)
    shown = ran[ran["shown"]]
    inside = ran["truth"].between(ran["lower"], ran["upper"])
    estimated = bool(ran["estimate"].notna().any())
    wrong = np.sign(shown["estimate"]) != np.sign(shown["truth"])
    true = float(shown["truth"].abs().sum())
    tells = estimated and len(shown) > 0 and true > 0
    return {
        "simulations": len(own),
        "power": hits / of if of else np.nan,
        "lower": lower,
        "upper": upper,
        "estimate": ran["estimate"].mean(),
        "truth": ran["truth"].mean(),
        "width": (ran["upper"] - ran["lower"]).mean(),
        "coverage": float(inside.mean()) if estimated else np.nan,
        "type_s": float(wrong.mean()) if tells else np.nan,
        "type_m": float(shown["estimate"].abs().sum()) / true if tells else np.nan,
        "not_converged": int((~ran["converged"]).sum()),
        "failed": len(own) - of,
    }
