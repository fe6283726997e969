"""Where the data of a study come from: true values that are given, or draws of a model's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.api.model import Fit, Model
from mixedbayes.api.sampled import Sampled
from mixedbayes.checks.rows_of_several import of_the_frame
from mixedbayes.design import used_columns
from mixedbayes.design.table import eager, table
from mixedbayes.distributions import LKJ, Prior
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.registry import as_family
from mixedbayes.formula import Formula, parse_all, with_residual
from mixedbayes.lab.layout import resampled, with_dropout
from mixedbayes.model.spec import Spec
from mixedbayes.predict.predict import predict
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.predict.streams import named_stream
from mixedbayes.results.posterior import Posterior
from mixedbayes.simulation.draws import one_draw
from mixedbayes.simulation.replicate import reported_columns
from mixedbayes.simulation.simulate import response_column, simulated

ROWS, DROPOUT, LAYOUT = "rows", "dropout", "layout"
_ROWS = 10  # in each combination of levels


@dataclass(frozen=True, eq=False)
class Simulated:
    """Data of one study, and the truth as a posterior of one draw."""

    frame: pd.DataFrame
    truth: Sampled


class Source(Protocol):
    """What makes data of a design."""

    @property
    def factors(self) -> tuple[str, ...]:
        """Grouping factors, as columns of the data."""
        ...

    @property
    def numbers(self) -> tuple[str, ...]:
        """What may vary besides the numbers of levels, rows and dropout."""
        ...

    def simulate(self, design: Mapping[str, Any], seed: int) -> Simulated:
        """Data of a design, by what `Study.power` has in `n`."""
        ...

    def model(self, frame: pd.DataFrame) -> Model:
        """The model by which the data of one study are analysed."""
        ...

    def describe(self) -> str:
        """What is true, in words."""
        ...


def dropped(frame: pd.DataFrame, given: Any, factors: Sequence[str], seed: int) -> pd.DataFrame:
    """The rows that are left after dropout."""
    if given is None or given == 0:
        return frame
    share = given if isinstance(given, Mapping) else {factors[0]: given} if factors else {}
    if not isinstance(given, Mapping) and len(factors) != 1:
        raise DataError(
            f"dropout={given!r} does not say which levels leave: dropout={{'group': {given!r}}} of "
            f"{', '.join(factors) or 'a grouping factor, of which there is none'}"
        )
    for factor, p in share.items():
        if factor not in factors:
            raise DataError(
                f"dropout: {factor!r} is no grouping factor; there are {', '.join(factors)}"
            )
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
            raise DataError(f"dropout of {factor} is a share between 0 and 1, got {p!r}")
    return with_dropout(frame, share, named_stream(seed, DROPOUT))


def formulas(*every: Formula) -> tuple[Formula, ...]:
    """With those of further parameters."""
    return tuple(one for formula in every for one in (formula, *formula.others))


def grouping(every: Sequence[Formula]) -> tuple[str, ...]:
    """Columns that group rows: of effects on any parameter, and of correlated residuals."""
    names = [name for formula in every for name in used_columns(formula).groups]
    own = [formula.residual.factors for formula in every if formula.residual is not None]
    return tuple(dict.fromkeys((*names, *(name for factors in own for name in factors))))


def predictors(every: Sequence[Formula]) -> frozenset[str]:
    """Columns that predictors read, whichever else they are."""
    used = [used_columns(formula) for formula in every]
    effects = (name for u in used for names in u.effects.values() for name in names)
    return frozenset((*effects, *(name for u in used for name in u.fixed)))


def laid_out(
    frame: pd.DataFrame, every: Sequence[Formula], design: Mapping[str, Any], seed: int
) -> pd.DataFrame:
    """The rows with other numbers of levels, and of rows, where the design has such."""
    factors, also = grouping(every), predictors(every)
    n = {key: value for key, value in design.items() if key in factors}
    for bar in (bar for formula in every for bar in formula.random):
        if (bar.grouper.relation or bar.grouper.members) and (own := set(bar.factors) & n.keys()):
            raise DataError(
                f"n: the levels of {min(own)!r} stand beside others, {bar.text}, and how more or "
                "fewer of them would is not known: make the rows, and give them by data=, or vary "
                "another number"
            )
    if beside := [factor for factor in n if factor in also]:
        raise DataError(
            f"n: {beside[0]} is a predictor as well as a grouping factor, and other levels of it "
            "than the data's have no effects: vary another factor, or simulate such studies from a "
            'formula, mb.study("y ~ ...", groups={...})'
        )
    return resampled(frame, factors, n, design.get(ROWS), named_stream(seed, LAYOUT), also)


# ---- true values that are given ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Given:
    """Data as `simulate` makes them; a value that is a distribution is drawn for each study."""

    formula: str | Sequence[str]
    groups: Mapping[str, Any]
    rows: Any
    mean: Mapping[str, Any]  # fixef, sd, cor
    own: Mapping[str, Any]
    layout: Mapping[str, Any]  # covariates, data
    kept: Mapping[str, Any]  # family, residual, known
    analysed: Mapping[str, Any]  # priors, formulation
    dropout: Any = None

    @property
    def factors(self) -> tuple[str, ...]:
        if self.layout.get("data") is None:
            return tuple(key.split("/")[-1].strip() for key in self.groups)
        return grouping(self._formulas)

    @property
    def _formulas(self) -> tuple[Formula, ...]:
        return formulas(with_residual(parse_all(self.formula), self.kept.get("residual")))

    @property
    def numbers(self) -> tuple[str, ...]:
        sds = [
            name
            for g, value in (self.mean.get("sd") or {}).items()
            for name in (_sds(g, value) if isinstance(value, Mapping) else [names.sd(g)])
        ]
        cors = [names.cor(g) for g in self.mean.get("cor") or {}]
        plain = [name for name, value in self.own.items() if not isinstance(value, Mapping)]
        if names.SIGMA not in self.own and self._sigma:
            plain.append(names.SIGMA)
        return (*(self.mean.get("fixef") or {}), *sds, *cors, *plain)

    @property
    def _sigma(self) -> bool:
        """Whether there is one sigma, which is 1 where it is not given."""
        own = any(formula.of == names.SIGMA for formula in self._formulas)
        return names.SIGMA in as_family(self.kept["family"]).parameters and not own

    def simulate(self, design: Mapping[str, Any], seed: int) -> Simulated:
        groups, rows, mean, own, dropout = self._at(design)
        rng = named_stream(seed, "true values")
        mean, own = _drawn(mean, rng), _drawn(own, rng)
        layout = dict(self.layout)
        if layout.get("data") is None:
            layout |= {"groups": groups, "per_group": rows}
        else:
            given = eager(layout["data"])
            frame = table(given, given.columns).frame()
            layout["data"] = laid_out(frame, self._formulas, design, seed)
        frame, values = simulated(self.formula, mean, own, **layout, **self.kept, seed=seed)
        whole = self.model(frame)
        truth = Sampled(whole, one_draw(whole.spec, values))
        return Simulated(dropped(frame, dropout, self.factors, seed), truth)

    def _at(self, design: Mapping[str, Any]) -> tuple[dict[str, Any], Any, Any, Any, Any]:
        """Numbers of levels and rows, true values and dropout, with those of the design."""
        groups, dropout = dict(self.groups), self.dropout
        rows = _ROWS if self.rows is None else self.rows
        mean = {name: dict(self.mean.get(name) or {}) for name in ("fixef", "sd", "cor")}
        own, by_name = dict(self.own), {k.split("/")[-1].strip(): k for k in self.groups}
        for key, value in design.items():
            if key in self.factors:
                groups[by_name.get(key, key)] = value
            elif key == ROWS:
                rows = value
            elif key == DROPOUT:
                dropout = value
            elif key in mean["fixef"]:
                mean["fixef"][key] = value
            elif key in own or key == names.SIGMA:
                own[key] = value
            elif key.endswith("]"):  # an sd of several
                factor, term = next(
                    (g, t)
                    for g, each in mean["sd"].items()
                    if isinstance(each, Mapping)
                    for t, name in zip(each, _sds(g, each), strict=True)
                    if name == key
                )
                mean["sd"][factor] = {**mean["sd"][factor], term: value}
            else:
                kind, factor = key.split("_", 1)
                mean[kind][factor] = value
        return groups, rows, mean, own, dropout

    def model(self, frame: pd.DataFrame) -> Model:
        return Model(self.formula, frame, **self.kept, **self.analysed)

    def describe(self) -> str:
        said = [*_texts(self.mean.get("fixef")), *_texts(self.own)]
        said += _texts({names.sd(g): v for g, v in (self.mean.get("sd") or {}).items()})
        said += _texts({names.cor(g): v for g, v in (self.mean.get("cor") or {}).items()})
        return ", ".join(said) or "all effects 0, and sigma 1"


def _sds(factor: str, given: Mapping[str, Any]) -> list[str]:
    """What each of several sds is called."""
    return [f"{names.sd(factor)}[{term}]" for term in given]


def _texts(given: Mapping[str, Any] | None) -> list[str]:
    return [f"{name} {_text(value)}" for name, value in (given or {}).items()]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(_texts(value)) + ")"
    return f"~ {value}" if isinstance(value, Prior) else str(value)


def _drawn(given: Any, rng: np.random.Generator) -> Any:
    """Numbers in the place of distributions."""
    if isinstance(given, Mapping):
        return {name: _drawn(value, rng) for name, value in given.items()}
    if isinstance(given, LKJ):
        return float(2 * rng.beta(given.eta, given.eta) - 1)
    if isinstance(given, Prior):
        if not given.proper:
            raise ModelError(f"{given} is improper, and no true value can be drawn from it")
        return float(given.frozen().rvs(random_state=rng))
    return given


# ---- draws of a model's parameters -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Drawn:
    """Data of a model's rows, at one draw of its parameters, with new groups."""

    made: Model
    parameters: Callable[[int], Posterior]  # one draw of them all, by a seed
    said: str
    dropout: Any = None
    numbers: tuple[str, ...] = field(default=(), init=False)

    @classmethod
    def of_fit(cls, fit: Fit, dropout: Any) -> Drawn:
        return cls(
            fit.model, _FromPosterior(fit.posterior), "drawn from the fit's posterior", dropout
        )

    @classmethod
    def of_model(cls, model: Model, dropout: Any) -> Drawn:
        return cls(model, _FromPrior(model.spec), "drawn from the model's priors", dropout)

    def check(self) -> None:
        """ModelError or DataError where its data cannot be made."""
        design = self.made.design
        if design.standing is not None:
            raise ModelError(design.standing.refusal("a study like this one", design.whole.columns))
        if design.formula.response.cens:
            raise ModelError(
                "the model's responses are censored, and it does not say when those of other rows "
                "would be: simulate and fit such data yourself, fit_many(model, responses)"
            )
        if not self.made.family.columns and design.several is None:
            response_column(design.formula, "study()")

    @property
    def factors(self) -> tuple[str, ...]:
        return grouping(self._formulas)

    def simulate(self, design: Mapping[str, Any], seed: int) -> Simulated:
        whole = self.made.design
        rows = of_the_frame(whole).frame
        frame = laid_out(rows, self._formulas, design, seed)
        truth = self.parameters(seed)
        y = predict(truth, frame, groups="new", draws=True, seed=seed, progress=False)
        drawn = np.asarray(y)[0, 0]
        frame = frame.assign(**reported_columns(whole, self.made.family, drawn))
        left = dropped(frame, design.get(DROPOUT, self.dropout), self.factors, seed)
        return Simulated(left, Sampled(self.made, truth))

    @property
    def _formulas(self) -> tuple[Formula, ...]:
        several = self.made.design.several
        parts = () if several is None else tuple(part.formula for part in several.parts)
        return formulas(self.made.design.formula, *parts)

    def model(self, frame: pd.DataFrame) -> Model:
        return self.made.with_data(frame)

    def describe(self) -> str:
        return self.said


@dataclass(frozen=True, eq=False)
class _FromPosterior:
    post: Posterior

    def __call__(self, seed: int) -> Posterior:
        at = int(named_stream(seed, "posterior draw").integers(self.post.n_draws))
        chain, draw = divmod(at, self.post.shape[1])
        one = self.post.draws.isel(chain=[chain], draw=[draw])
        return replace(self.post, idata=xr.DataTree.from_dict({"posterior": one}))


@dataclass(frozen=True, eq=False)
class _FromPrior:
    spec: Spec

    def __call__(self, seed: int) -> Posterior:
        prior = prior_predictive(self.spec, 1, seed)["prior"].to_dataset()
        return Posterior(self.spec, xr.DataTree.from_dict({"posterior": prior}))
