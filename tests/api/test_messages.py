"""What a user reads after a mistake, through the public interface: the fact, the place, the remedy.

Each stage tests its own messages; this is the collection over all of them, one row per mistake.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb

FORMULA = "Reaction ~ Days + (Days | Subject)"
SLEEP = mb.load_data("sleepstudy")
NEW = pd.DataFrame({"Days": [1.0], "Subject": ["308"]})


def model(formula=FORMULA, data=SLEEP, **options):
    return mb.Model(formula, data, **options)


def sleep(**columns):
    return SLEEP.assign(**columns)


@dataclass(frozen=True)
class Fits:
    """A model, its fit, a fit without slopes that vary, one without groups, and a folder."""

    model: mb.Model
    slopes: mb.Fit
    intercepts: mb.Fit
    pooled: mb.Fit
    folder: Path


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    few = {"draws": 50, "tune": 100, "chains": 2, "seed": 1, "progress": False}
    slopes = mb.fit(FORMULA, SLEEP, **few)
    folder = tmp_path_factory.mktemp("files")
    (folder / "notes.txt").write_text("no NetCDF")
    slopes.save(folder / "whole.nc")
    written = (folder / "whole.nc").read_bytes()
    (folder / "half.nc").write_bytes(written[: len(written) // 2])
    slopes.idata.to_netcdf(folder / "arviz.nc", engine="h5netcdf")
    return Fits(
        model=slopes.model,
        slopes=slopes,
        intercepts=mb.fit("Reaction ~ Days + (1 | Subject)", SLEEP, **few),
        pooled=mb.fit("Reaction ~ Days", SLEEP, **few),
        folder=folder,
    )


# name: (call, error, pieces of the message in their order)
WHILE_MODELLING = {
    # formula
    "empty formula": (lambda: model(""), mb.FormulaError, ["is empty", "y ~ x + (1 | g)"]),
    "arguments swapped": (
        lambda: mb.Model(SLEEP, FORMULA), mb.FormulaError, ["a text such as", "not DataFrame"],
    ),
    "parenthesis not closed": (
        lambda: model("Reaction ~ Days + (Days | Subject"), mb.FormulaError,
        ["`(` is never closed", "Reaction ~ Days + (Days | Subject\n", "  ^", "add a `)`"],
    ),
    "bar without parentheses": (
        lambda: model("Reaction ~ Days | Subject"), mb.FormulaError,
        ["`|` outside parentheses", "^", "(x | g)"],
    ),
    "missing operator": (
        lambda: model("Reaction ~ Days Subject"), mb.FormulaError,
        ["missing operator between `Days` and `Subject`", "^^^^^^^", "`+`"],
    ),
    "an effect twice": (
        lambda: model("Reaction ~ Days + (1 | Subject) + (Days | Subject)"), mb.FormulaError,
        ["`Intercept` varies over `Subject` twice", "^^^^", "(x || g)"],
    ),
    "unknown function": (
        lambda: model("Reaction ~ lgo(Days)"), mb.FormulaError,
        ["unknown function 'lgo'", "^^^", "did you mean log?"],
    ),
    "attribute of a column": (
        lambda: model("Reaction ~ Days.__class__"), mb.DataError,
        ["no column 'Days.__class__'", "^^^^", "Reaction, Days, Subject"],
    ),
    "bytes": (
        lambda: model(b"Reaction ~ Days"), mb.FormulaError, ["a text such as", "not bytes"],
    ),
    "parameter misspelt": (
        lambda: model(["Reaction ~ Days", "Sigmma ~ Days"]), mb.ModelError,
        ["'Sigmma' has a formula", "are: sigma.", "Did you mean 'sigma'?"],
    ),
    "the response's formula second": (
        lambda: model(["sigma ~ Days", FORMULA]), mb.ModelError,
        ["'Reaction' has a formula", "The response's formula goes first", "['Reaction ~ ...'"],
    ),
    "trials of a family that has none": (
        lambda: model("Reaction | weights(Days) | trials(Days) ~ 1"), mb.DataError,
        ["trials(Days) is for binomial counts", "the gaussian family"],
    ),
    "a module for a family": (
        lambda: model(family=mb.families.gamma), mb.ModelError,
        ["mixedbayes.families.gamma is a module", "the family is mb.families.Gamma"],
    ),
    "a prior of a term": (
        lambda: model(priors={"Days": mb.Normal(0, 1)}), mb.PriorError,
        ["'Days' is not a parameter", "{'fixef': {'Days': ...}}"],
    ),
    "a prior of a grouping factor": (
        lambda: model(priors={"Subject": mb.Exponential(1)}), mb.PriorError,
        ["{'sd': {'Subject': ...}}"],
    ),
    "a row label of a filtered frame": (
        lambda: model(data=sleep(Days=SLEEP.Days.where(SLEEP.index != 7, np.inf)).iloc[[2, 7, 9]]),
        mb.DataError, ["not finite in 1 of 3 rows, first in row 7 (inf)"],
    ),
    # columns
    "column in another case": (
        lambda: model("Reaction ~ days"), mb.DataError,
        ["no column 'days'", "           ^^^^", "did you mean Days?"],
    ),
    "unknown grouping factor": (
        lambda: model("Reaction ~ Days + (1 | id)"), mb.DataError,
        ["no column 'id'", "^^", "the columns are Reaction, Days, Subject"],
    ),
    "no data frame": (
        lambda: model(data={"Reaction": [1.0]}), mb.DataError, ["a dict", "pandas.DataFrame"],
    ),
    "no rows": (
        lambda: model(data=SLEEP.iloc[:0]), mb.DataError, ["no rows (3 columns)", "filter"],
    ),
    "one group": (
        lambda: model(data=SLEEP.iloc[:10]), mb.DataError,
        ["Subject has the single level '308' in 10 rows", "leave its bar out"],
    ),
    "missing values refused": (
        lambda: model(data=sleep(Days=SLEEP.Days.where(SLEEP.Days > 0)), missing="error"),
        mb.DataError, ["18 of 180 rows", "Days in 18", "first in row 0", 'missing="drop"'],
    ),
    "nothing but missing values": (
        lambda: model(data=sleep(Days=np.nan)), mb.DataError,
        ["none of the 180 rows is complete", "Days in 180", "out of the formula"],
    ),
    "unknown treatment of missing values": (
        lambda: model(missing="ignore"), mb.DataError, ['"drop" or "error"', "'ignore'"],
    ),
    "infinite response": (
        lambda: model(data=sleep(Reaction=SLEEP.Reaction.where(SLEEP.Days != 3, np.inf))),
        mb.DataError, ["Reaction is not finite in 18 of 180 rows", "row 3 (inf)", "leave them out"],
    ),
    "response without variation": (
        lambda: model(data=sleep(Reaction=1.0)), mb.DataError,
        ["'Reaction' is 1 in all 180 rows", "no variation"],
    ),
    "effects that depend on each other": (
        lambda: model("Reaction ~ Days + (Days + I(2*Days) || Subject)"), mb.DataError,
        ["1 of 2 columns", "I(2*Days) is determined by Days", "leave out one"],
    ),
    "an effect for each row": (
        lambda: model("Reaction ~ Days + (1 | row)", sleep(row=range(180))), mb.DataError,
        ["(1 | row): 180 effects for 180 rows", "leave this bar out"],
    ),
    "name of a function": (
        lambda: model(functions={"C": abs}), mb.DataError,
        ["'C' cannot be the name", "use letters"],
    ),
    # families
    "unknown family": (
        lambda: model(family="gausian"), mb.ModelError,
        ["family='gausian'", "gaussian, student_t", "Did you mean 'gaussian'?"],
    ),
    "text for numbers": (
        lambda: model("Subject ~ Days"), mb.DataError,
        ["the response 'Subject' is categorical", "'308', '309'", "cumulative"],
    ),
    "fractions for counts": (
        lambda: model(family="poisson"), mb.DataError,
        ["249.56 in row 0", "179 of 180 rows are not counts", "family='gamma' or 'lognormal'"],
    ),
    "more than two values": (
        lambda: model(family="bernoulli"), mb.DataError,
        ["249.56 in row 0", "180 of 180 rows", "takes 0 or 1", "family="],
    ),
    "negative values for a positive family": (
        lambda: model("y ~ 1 + (1 | Subject)", sleep(y=-SLEEP.Reaction), family="gamma"),
        mb.DataError, ["-249.56 in row 0", "not positive", "family='gaussian'"],
    ),
    "binomial without trials": (
        lambda: model(family="binomial"), mb.DataError,
        ["needs the number of trials", "Reaction | trials(n)"],
    ),
    "trials without binomial": (
        lambda: model("Days | trials(9) ~ 1 + (1 | Subject)"), mb.DataError,
        ["trials(9) is for binomial counts", "family='binomial'"],
    ),
    "unknown link": (
        lambda: mb.Gaussian(link="logg"), mb.ModelError,
        ["the gaussian family has the links mb.Identity(), mb.Log()", "'logg'"],
    ),
    # priors
    "priors as a list": (
        lambda: model(priors=[mb.Normal(0, 1)]), mb.PriorError,
        ["a dictionary such as", "[Normal("],
    ),
    "unknown parameter": (
        lambda: model(priors={"Sigma": mb.HalfNormal(1)}), mb.PriorError,
        ["'Sigma'", "Intercept, fixef, sd, cor, sigma", "Did you mean 'sigma'?"],
    ),
    "prior of an unknown term": (
        lambda: model(priors={"fixef": {"days": mb.Normal(0, 1)}}), mb.PriorError,
        ["fixef: 'days'", "valid names: Days"],
    ),
    "prior of an unknown group": (
        lambda: model(priors={"sd": {"subject": mb.HalfNormal(1)}}), mb.PriorError,
        ["sd: 'subject'", "Did you mean 'Subject'?"],
    ),
    "prior of an unknown effect": (
        lambda: model(priors={"sd": {"Subject": {"x": mb.HalfNormal(1)}}}), mb.PriorError,
        ["sd[Subject]: 'x'", "valid names: Intercept, Days"],
    ),
    "negative standard deviation": (
        lambda: model(priors={"sd": mb.Normal(0, 1)}), mb.PriorError,
        ["sd_Subject[Intercept] is positive", "Normal(0, 1) has mass below 0", "HalfNormal"],
    ),
    "prior as text": (
        lambda: model(priors={"sigma": "HalfNormal(1)"}), mb.PriorError,
        ["sigma", "mb.Normal(0, 50)", "'HalfNormal(1)'"],
    ),
    "correlation with a normal prior": (
        lambda: model(priors={"cor": mb.Normal(0, 1)}), mb.PriorError,
        ["cor_Subject", "LKJ(eta)", "Normal(0, 1)"],
    ),
    "prior of a correlation that is not there": (
        lambda: model("Reaction ~ Days + (Days || Subject)", priors={"cor": mb.LKJ(2)}),
        mb.PriorError, ["'cor'", "no group effects are correlated", "(x | g)"],
    ),
    "prior of an intercept that is not there": (
        lambda: model("Reaction ~ 0 + Days", priors={"Intercept": mb.Normal(0, 1)}),
        mb.PriorError, ["'Intercept'", "the formula has no intercept"],
    ),
    "scale below zero": (
        lambda: mb.Normal(0, -1), mb.PriorError, ["Normal: sigma", "greater than 0, got -1"],
    ),
    "bounds swapped": (
        lambda: mb.Uniform(3, 1), mb.PriorError, ["lower must be below upper", "3 and 1"],
    ),
    "not a number": (
        lambda: mb.Exponential(float("nan")), mb.PriorError, ["lam must be finite", "nan"],
    ),
    # formulations
    "unknown formulation": (
        lambda: model(formulation="marginl"), mb.ModelError,
        ["formulation='marginl'", "'auto', mb.Marginal(), ", "mb.NonCentered()"],
    ),
    "formulation of an unknown group": (
        lambda: model(formulation={"subject": mb.Centered()}), mb.ModelError,
        ["'subject' is not a grouping factor", "Subject"],
    ),
    "marginal for one group": (
        lambda: model(formulation={"Subject": mb.Marginal()}), mb.ModelError,
        ["formulation of Subject", "all grouping factors together"],
    ),
    "marginal where it is not exact": (
        lambda: model("Days ~ 1 + (1 | Subject)", family="poisson", formulation=mb.Marginal()),
        mb.ModelError, ["not exact", "poisson", "formulation='auto'"],
    ),
    # shipped data
    "unknown data set": (
        lambda: mb.load_data("sleep_study"), mb.DataError,
        ["'sleep_study'", "Did you mean 'sleepstudy'", "list_data()"],
    ),
}  # fmt: skip

WITH_A_FIT = {
    # sampler
    "no draws": (lambda f: f.model.fit(draws=0), mb.SamplingError, ["draws=0", "at least 1"]),
    "half a draw": (
        lambda f: f.model.fit(draws=10.5), mb.SamplingError, ["draws=10.5", "an integer"],
    ),
    "no chains": (
        lambda f: f.model.fit(chains=0), mb.SamplingError, ["chains=0", "use chains=4"],
    ),
    "hardly any tuning": (
        lambda f: f.model.fit(tune=3), mb.SamplingError, ["tune=3", "at least 20", "tune=None"],
    ),
    "negative seed": (
        lambda f: f.model.fit(seed=-1), mb.SamplingError, ["seed=-1", "from 0 to 2147483647"],
    ),
    "unknown sampler": (
        lambda f: f.model.fit(sampler="stan"), mb.SamplingError,
        ["sampler='stan'", '"nutpie", "pymc", "numpyro"'],
    ),
    "acceptance above 1": (
        lambda f: f.model.fit(target_accept=1.2), mb.SamplingError,
        ["target_accept=1.2", "between 0 and 1", "0.99"],
    ),
    "unknown way to keep effects": (
        lambda f: f.model.fit(effects="none"), mb.SamplingError,
        ["effects='none'", '"auto", "draws", "summary"'],
    ),
    "summaries of effects that are sampled": (
        lambda f: f.model.fit(effects="summary", formulation=mb.Centered()), mb.SamplingError,
        ['effects="summary"', "Marginal()", 'effects="auto"'],
    ),
    # files
    "cache without a seed": (
        lambda f: f.model.fit(cache=f.folder), mb.SamplingError, ["needs a seed", "seed=1"],
    ),
    "cache with a function": (
        lambda f: model("Reaction ~ twice(Days)", functions={"twice": lambda x: 2 * x}).fit(
            cache=f.folder, seed=1
        ),
        mb.SamplingError, ["your functions (twice)", "into a column"],
    ),
    "no such file": (
        lambda f: mb.load(f.folder / "hole.nc"), mb.FileError,
        ["there is no file", "hole.nc", "whole.nc"],
    ),
    "a file of another kind": (
        lambda f: mb.load(f.folder / "notes.txt"), mb.FileError,
        ["notes.txt is not a NetCDF file", "save()"],
    ),
    "half a file": (
        lambda f: mb.load(f.folder / "half.nc"), mb.FileError,
        ["half.nc is damaged", "fit again"],
    ),
    "a file of someone else": (
        lambda f: mb.load(f.folder / "arviz.nc"), mb.FileError,
        ["not one written by a fit's save()", "xarray.open_datatree"],
    ),
    "a folder to load": (
        lambda f: mb.load(f.folder), mb.FileError, ["is a folder", "name of the file"],
    ),
    "a folder to save to": (
        lambda f: f.slopes.save(f.folder), mb.FileError, ["is a folder", "fit.nc"],
    ),
    "no such folder": (
        lambda f: f.slopes.save(f.folder / "a" / "b.nc"), mb.FileError,
        ["the folder", "does not exist", "create it"],
    ),
    # tables
    "probability in per cent": (
        lambda f: f.slopes.summary(prob=95), mb.ModelError, ["prob=95", "between 0 and 1", "0.95"],
    ),
    "ICC without groups": (
        lambda f: f.pooled.icc(), mb.ModelError, ["no group effects", "no intraclass correlation"],
    ),
    "ICC at a mistyped covariate": (
        lambda f: f.slopes.icc(at={"days": [0]}), mb.ModelError,
        ["does not depend on 'days'", "Did you mean 'Days'?"],
    ),
    "ICC at another covariate": (
        lambda f: f.slopes.icc(at={"age": [30]}), mb.ModelError,
        ["does not depend on 'age'", "it depends on Days"],
    ),
    "ICC at days without slopes": (
        lambda f: f.intercepts.icc(at={"Days": [0]}), mb.ModelError,
        ["'Days'", "the group effects are intercepts", "the same in all rows"],
    ),
    "ICC at no value": (
        lambda f: f.slopes.icc(at={"Days": []}), mb.ModelError,
        ["no value for 'Days'", "at={'Days': [0, 5, 9]}"],
    ),
    "ICC at values of nothing": (
        lambda f: f.slopes.icc(at=[0, 5]), mb.ModelError,
        ["at=[0, 5]", "name the covariate", "at={'Days': [0, 5, 9]}"],
    ),
    "ICC at text": (
        lambda f: f.slopes.icc(at={"Days": ["nine"]}), mb.DataError,
        ["Days was numbers", "text here", "convert"],
    ),
    "shrinkage without groups": (
        lambda f: f.pooled.shrinkage(), mb.ModelError, ["no group effects", "nothing is pooled"],
    ),
    "unknown kind of fitted values": (
        lambda f: f.slopes.fitted(kind="mu"), mb.ModelError, ["kind='mu'", 'kind="mean"'],
    ),
    # predictions
    "new data without a column": (
        lambda f: f.slopes.predict(NEW[["Days"]]), mb.DataError,
        ["lack 1 column(s): Subject", "they have Days"],
    ),
    "new data of another type": (
        lambda f: f.slopes.predict(NEW.assign(Days="one")), mb.DataError,
        ["Days was numbers", "text here", "convert"],
    ),
    "new data with holes": (
        lambda f: f.slopes.predict(NEW.assign(Days=np.nan)), mb.DataError,
        ["missing values", "Days in 1", "leave these rows out"],
    ),
    "unknown question": (
        lambda f: f.slopes.predict(NEW, groups="old"), mb.ModelError,
        ["groups='old'", '"auto", "typical", "average", "new"'],
    ),
    "unknown group to condition on": (
        lambda f: f.slopes.predict(NEW, groups=["subject"]), mb.ModelError,
        ["'subject' is not a grouping factor", "has Subject"],
    ),
    "unknown kind of prediction": (
        lambda f: f.slopes.predict(NEW, kind="mu"), mb.ModelError,
        ["kind='mu'", '"response"', '"mean"', '"linear"'],
    ),
    "new rows of an old subject": (
        lambda f: f.slopes.condition_on(SLEEP.iloc[:2]), mb.DataError,
        ["2 of 2 rows", "Subject: 308", "fit again"],
    ),
    "prior predictive of a flat prior": (
        lambda f: model(priors={"fixef": mb.Flat()}).prior_predictive(), mb.PriorError,
        ["fixef[Days]", "improper", "Normal(0, 10)"],
    ),
    # pictures
    "picture of an unknown group": (
        lambda f: f.slopes.plot_ranef("subject"), mb.ModelError,
        ["no grouping factor 'subject'", "it has Subject"],
    ),
    "picture of no groups": (
        lambda f: f.pooled.plot_ranef(), mb.ModelError, ["no group effects", "(... | group)"],
    ),
    "picture over an unknown column": (
        lambda f: f.slopes.plot_fitted(x="days"), mb.ModelError,
        ["x='days'", "is none of Days, Subject"],
    ),
    "picture of an unknown subject": (
        lambda f: f.slopes.plot_fitted(levels=["999"]), mb.ModelError, ["999", "18 of Subject"],
    ),
    "unknown backend": (
        lambda f: f.slopes.plot_varcorr(backend="ggplot"), mb.ModelError,
        ["matplotlib, plotly, bokeh", "'ggplot'"],
    ),
}  # fmt: skip


def check(call, error, pieces):
    with pytest.raises(error) as raised:
        call()
    assert type(raised.value) is error
    message, at = str(raised.value), 0
    for piece in pieces:
        assert piece in message[at:], message
        at = message.index(piece, at) + len(piece)


@pytest.mark.parametrize("mistake", WHILE_MODELLING)
def test_mistake_while_modelling(mistake):
    check(*WHILE_MODELLING[mistake])


@pytest.mark.parametrize("mistake", WITH_A_FIT)
def test_mistake_with_a_fit(mistake, fits):
    call, error, pieces = WITH_A_FIT[mistake]
    check(lambda: call(fits), error, pieces)


def test_every_error_can_be_caught_at_once():
    named = [getattr(mb, name) for name in dir(mb) if name.endswith("Error")]
    assert len(named) == 8
    assert all(issubclass(error, mb.MixedBayesError) for error in named)
    raised = {error for _, error, _ in [*WHILE_MODELLING.values(), *WITH_A_FIT.values()]}
    assert raised == set(named) - {mb.MixedBayesError, mb.MissingExtraError}


def test_an_extra_that_is_absent_is_named(fits, monkeypatch):
    monkeypatch.setattr("mixedbayes.sample.settings.find_spec", lambda name: None)
    check(
        lambda: fits.model.fit(sampler="numpyro"),
        mb.MissingExtraError,
        ['the extra "numpyro"', "install mixedbayes[numpyro]", 'sampler="nutpie"'],
    )


def test_carets_stand_under_the_place():
    with pytest.raises(mb.DataError) as raised:
        model("Reaction ~ Days + (Days | subject)")
    _, line, carets, remedy = str(raised.value).split("\n")
    assert re.fullmatch(r" +\^{7}", carets)
    assert line[carets.index("^") :].startswith("subject")
    assert remedy == "did you mean Subject?"
