"""What a simulated data frame was made from, and how near a fit comes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, GroupDesign
from mixedbayes.errors import DataError
from mixedbayes.families.base import Family
from mixedbayes.names import MU
from mixedbayes.results.fixef import family_parameters, fixef, parameters
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import ranef
from mixedbayes.results.tables import noted
from mixedbayes.results.tails import without_mean
from mixedbayes.results.varcorr import RESIDUAL, varcorr
from mixedbayes.simulation.parameters import Parameters, has_intercept

ATTRS = "truth"
KEYS = ("quantity", "group", "level", "term", "term2")
COLUMNS = (*KEYS, "mean", "sd", "lower", "upper")


class Sampled(Protocol):
    """What has a posterior: a Fit."""

    @property
    def posterior(self) -> Posterior: ...


@dataclass(frozen=True, eq=False)
class Truth:
    """The values from which data were simulated; see `truth`.

    Group effects are deviations from the population, on the link scale, as in `Fit.ranef`. Terms of
    a further parameter with a formula carry its name, as in all tables: `sigma_Intercept`.

    Attributes
    ----------
    formula, family, link, further
        Of the model, as texts; `further` are the formulas of further parameters.
    seed
        Of the simulation.
    fixef
        Series by term.
    sd, cor, ranef
        By grouping factor a Series by term, a matrix of terms, and a frame of levels by terms.
    parameters
        The family's own, such as sigma and thresholds.
    told
        By grouping factor what a structure of covariances has in the place of sds and correlations.
    """

    formula: str
    family: str
    link: str
    seed: int
    fixef: pd.Series  # by term, Intercept first
    sd: Mapping[str, pd.Series]  # by grouping factor, then term
    cor: Mapping[str, pd.DataFrame]  # by grouping factor: term x term
    ranef: Mapping[str, pd.DataFrame]  # by grouping factor: level x term
    parameters: Mapping[str, float | Mapping[str, float]]  # the family's own: sigma, thresholds
    further: tuple[str, ...] = ()  # formulas of further parameters
    # By grouping factor and kind ("sd", "cor", "range") what a structure of covariances has in the
    # place of an sd for each effect and of all correlations.
    told: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    def compare(self, fit: Sampled, prob: float = 0.95, *, levels: bool = False) -> pd.DataFrame:
        """The truth beside a fit's estimates.

        Parameters
        ----------
        fit
            A fit of a model with the same terms; terms that only one of them has are left out.
        prob
            Probability of the equal-tailed intervals.
        levels
            Also the effects of every level.

        Returns
        -------
        DataFrame
            One row per quantity:

            - quantity: "fixef", "sd", "cor", "ranef", or the name of one of the family's
              parameters;
            - group, level, term, term2: which;
            - truth: the true value;
            - mean, sd, lower, upper: of the posterior; a parameter that has no posterior mean, see
              `Fit.parameters`, has its median there, and `attrs["note"]` says so;
            - inside: whether the interval holds the truth.

        Raises
        ------
        ModelError
            As the tables of the fit do.

        See Also
        --------
        study : How often intervals hold the truth, over many data sets.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> true = {"fixef": {"x": 0.5}, "sd": {"g": 1}}
        >>> made = mb.simulate("y ~ x + (1 | g)", {"g": 20}, 10, **true, seed=1)
        >>> fit = mb.fit("y ~ x + (1 | g)", made, seed=1)
        >>> compared = mb.truth(made).compare(fit, levels=True)
        >>> bool(compared["inside"].mean() > 0.7)
        True
        """
        found = estimates(fit.posterior, prob, levels)
        without = without_mean(fit.posterior)
        found.insert(5, "truth", [self._value(row) for row in found.itertuples()])
        found = found[found["truth"].notna()].reset_index(drop=True)
        found = found.assign(inside=found["truth"].between(found["lower"], found["upper"]))
        for name, median in without.items():
            found.loc[found["quantity"] == name, "mean"] = median
        note = " ".join(f"mean of {n}: its median, as its posterior has no mean." for n in without)
        return noted(found, note)

    def _value(self, row: Any) -> float:
        """The true value of one row of `compare`; NaN where there is none."""
        try:
            match row.quantity:
                case "fixef":
                    return float(self.fixef[row.term])
                case "sd" | "cor" | "range" if row.group in self.told:
                    of = row.term if pd.isna(row.term2) else f"{row.term}, {row.term2}"
                    return float(self.told[row.group][row.quantity][of])
                case "sd":
                    return float(self.sd[row.group][row.term])
                case "cor":
                    return float(self.cor[row.group].loc[row.term, row.term2])
                case "ranef":
                    return float(self.ranef[row.group].loc[str(row.level), row.term])
                case name:
                    value = self.parameters[name]
                    return float(value[row.term] if isinstance(value, Mapping) else value)
        except KeyError:
            return np.nan

    def to_attrs(self) -> dict[str, Any]:
        """As plain JSON, so that data frames keep it in every file format that keeps attrs."""
        return {
            "formula": self.formula,
            "family": self.family,
            "link": self.link,
            "seed": self.seed,
            "fixef": self.fixef.to_dict(),
            "sd": {g: s.to_dict() for g, s in self.sd.items()},
            "cor": {g: c.to_numpy().tolist() for g, c in self.cor.items()},
            "ranef": {g: r.to_dict("split") for g, r in self.ranef.items()},
            "parameters": dict(self.parameters),
            "further": list(self.further),
            "told": {g: {kind: dict(of) for kind, of in t.items()} for g, t in self.told.items()},
        }

    @classmethod
    def from_attrs(cls, attrs: Mapping[str, Any]) -> Truth:
        sd = {g: pd.Series(s, dtype=float) for g, s in attrs["sd"].items()}
        return cls(
            formula=attrs["formula"],
            family=attrs["family"],
            link=attrs["link"],
            seed=attrs["seed"],
            fixef=pd.Series(attrs["fixef"], dtype=float),
            sd=sd,
            cor={g: pd.DataFrame(c, sd[g].index, sd[g].index) for g, c in attrs["cor"].items()},
            ranef={g: pd.DataFrame(**r) for g, r in attrs["ranef"].items()},
            parameters=dict(attrs["parameters"]),
            further=tuple(attrs.get("further", ())),
            told=attrs.get("told", {}),
        )


def estimates(post: Posterior, prob: float, levels: bool) -> pd.DataFrame:
    """Every quantity's posterior in one table, with the columns of `Truth.compare`."""
    spread = varcorr(post, prob)
    spread = spread[(spread["group"] != RESIDUAL) | (spread["kind"] == "sd")].copy()
    spread["quantity"] = spread["kind"].where(spread["group"] != RESIDUAL, names.SIGMA)
    spread["group"] = spread["group"].where(spread["group"] != RESIDUAL)
    tables = [
        fixef(post, prob).assign(quantity="fixef"),
        spread,
        _own(post, prob),
        *([ranef(post, prob).assign(quantity="ranef")] if levels else []),
    ]
    tables = [t.reindex(columns=COLUMNS).astype(dict.fromkeys(KEYS, object)) for t in tables]
    return pd.concat([t for t in tables if len(t)], ignore_index=True)


def _own(post: Posterior, prob: float) -> pd.DataFrame:
    """The family's own parameters but for sigma, and those of correlated residuals."""
    found = family_parameters(post, prob)
    if post.design.residual is not None:
        every = parameters(post, prob)
        own = every["parameter"].isin(post.design.residual.symbols)
        found = pd.concat([found, every[own]], ignore_index=True)
    return found.rename(columns={"parameter": "quantity", "element": "term"})


def truth(data: pd.DataFrame) -> Truth:
    """The true values from which a data frame was simulated.

    Parameters
    ----------
    data
        A data frame of `simulate`, `Fit.simulate` or `Model.simulate`.

    Returns
    -------
    Truth
        `fixef`, `sd`, `cor`, `ranef` and `parameters`, on the link scale, and `compare`, which sets
        them beside a fit's estimates. It is ``data.attrs["truth"]`` as an object.

    Raises
    ------
    DataError
        If the frame was not made by `simulate`, `Fit.simulate` or `Model.simulate`, or has lost
        its attrs on the way, as some operations of pandas do.

    See Also
    --------
    simulate : Makes such data.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> true = {"fixef": {"x": 0.5}, "sd": {"g": 1}}
    >>> made = mb.simulate("y ~ x + (1 | g)", {"g": 20}, 10, **true, seed=1)
    >>> fit = mb.fit("y ~ x + (1 | g)", made, seed=1)
    >>> mb.truth(made).compare(fit)[["quantity", "term", "truth", "lower", "upper", "inside"]]
      quantity       term  truth     lower     upper  inside
    0    fixef  Intercept    0.0 -0.409683  0.681449    True
    1    fixef          x    0.5  0.511567  0.792702   False
    2       sd  Intercept    1.0  0.831339  1.668388    True
    3    sigma        NaN    1.0  0.885059  1.090562    True
    """
    attrs = getattr(data, "attrs", {})
    if ATTRS not in attrs:
        raise DataError(
            "the data frame carries no truth: it was not simulated here, or an operation dropped "
            "its attrs; take truth() of the frame as simulate() returned it"
        )
    return Truth.from_attrs(attrs[ATTRS])


def as_truth(design: Design, family: Family, values: Parameters, seed: int) -> Truth:
    """Parameters with the names of a design's terms and levels."""
    fixed: dict[str, float] = {}
    sd: dict[str, list[pd.Series]] = {}
    cor: dict[str, list[Floats]] = {}
    ranef: dict[str, list[pd.DataFrame]] = {}
    told: dict[str, dict[str, dict[str, float]]] = {}
    for predictor in design.predictors:
        p = predictor.parameter
        own = values.predictors[p]
        if has_intercept(design, family) if p == MU else predictor.intercept:
            fixed[names.intercept(p)] = float(own.intercept)
        slopes = zip(predictor.terms, own.fixef, strict=True)
        fixed |= {names.label(p, term): float(b) for term, b in slopes}
        for g in predictor.groups:
            terms, levels = [names.label(p, t) for t in g.terms], list(map(str, g.levels))
            sd.setdefault(g.name, []).append(pd.Series(own.sd[g.name], terms))
            ranef.setdefault(g.name, []).append(pd.DataFrame(own.ranef[g.name], levels, terms))
            if g.name in own.cor:
                cor.setdefault(g.name, []).append(own.cor[g.name])
            if g.cor_terms:
                into = told.setdefault(g.name, {"sd": {}, g.covariance.kind: {}})
                names_of = [names.label(p, t) for t in g.sd_terms]
                into["sd"] |= dict(zip(names_of, g.told_sd(own.sd[g.name]).tolist(), strict=True))
                into.setdefault(g.covariance.kind, {}).update(_structured(g, p, own.cor[g.name]))
    written, *further = design.formula.texts
    sds = {g: pd.concat(parts) for g, parts in sd.items()}
    whole = {g: block_diag(*parts) for g, parts in cor.items()} | dict(values.across)
    return Truth(
        formula=written,
        family=family.name,
        link=family.link.name,
        seed=seed,
        fixef=pd.Series(fixed, dtype=float),
        sd=sds,
        cor={g: pd.DataFrame(whole[g], s.index, s.index) for g, s in sds.items()},
        ranef={g: pd.concat(parts, axis=1) for g, parts in ranef.items()},
        parameters={name: _plain(value) for name, value in values.own.items()}
        | _of_residual(design, values),
        further=tuple(further),
        told=told,
    )


def _of_residual(design: Design, values: Parameters) -> dict[str, float | dict[str, float]]:
    """Parameters of the correlations of residuals, as `parameters` names them."""
    own = design.residual
    if own is None:
        return {}
    numbers = own.values({name: np.asarray(x)[None] for name, x in values.residual.items()})[0]
    out: dict[str, float | dict[str, float]] = {}
    for t, value in zip(own.told, numbers.tolist(), strict=True):
        if not t.labels:
            out[t.symbol] = value
            continue
        found = out.setdefault(t.symbol, {})
        assert isinstance(found, dict)
        found[", ".join(t.labels)] = value
    return out


def _structured(g: GroupDesign, parameter: str, cor: Floats) -> dict[str, float]:
    """The numbers of a structure of covariances, as `varcorr` names them."""
    kind = g.covariance.kind
    labels = [names.label(parameter, t) for t, _ in g.cor_terms]
    texts = [
        t if kind != "cor" else f"{t}, {what}"
        for t, (_, what) in zip(labels, g.cor_terms, strict=True)
    ]
    return dict(zip(texts, g.told_cor(cor).tolist(), strict=True))


def _plain(value: Floats) -> float | dict[str, float]:
    """A number; of thresholds a number for each, called after the codes that it parts."""
    if value.ndim == 0:
        return float(value)
    return {f"{k + 1}|{k + 2}": float(cut) for k, cut in enumerate(value)}
