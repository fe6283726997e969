"""The methods section: every number is the fit's, whatever the fit, loaded or not."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

import mixedbayes as mb
from mixedbayes.publish.account import paragraphs
from mixedbayes.publish.pieces import Cite, Code
from mixedbayes.publish.references import REFERENCES

NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
SLEEP = "Reaction ~ Days + (Days | Subject)"


def sleepstudy():
    return mb.load_data("sleepstudy")


@pytest.fixture(scope="module")
def fits(sleep, herds):
    data = sleepstudy()
    data.loc[[13, 17, 40], "Days"] = np.nan
    data = data[data["Subject"] != "308"]
    priors = {
        "fixef": {"Days": mb.StudentT(4, 1, 12)},
        "sigma": mb.HalfNormal(45),
        "sd": mb.Gamma(3, 0.125),
    }
    return {
        "sleep": sleep,
        "herds": herds,
        "other": mb.fit(SLEEP, data, priors=priors, draws=150, chains=3, tune=120, seed=77,
                        target_accept=0.87, max_treedepth=7, progress=False),
    }  # fmt: skip


def spoken(fit):
    """The text without formulas and references."""
    pieces = [x for p in paragraphs(fit.posterior) for x in p if not isinstance(x, Code | Cite)]
    return " ".join(pieces)


def facts(fit):
    """Every number that may be said of a fit, as text, from the fit's own parts."""
    design, settings, health = fit.model.design, fit.settings, fit.diagnostics()
    chains, draws = fit.posterior.shape
    found = [chains, draws, settings.tune, settings.max_treedepth, settings.seed, design.n]
    found += [health.draws, health.divergences, len(health.table), len(health.table)]
    for g in design.mu.groups:
        rows = g.rows_per_level
        found += [g.n_levels, rows.min(), rows.max()]
        found.append(f"{np.median(rows):.6g}")
    if design.trials is not None:
        found.append(design.trials.sum())
    found += [*design.dropped.values(), len(design.data) - design.n]
    texts = [f"{x:,}" if not isinstance(x, str) else x for x in found]
    table = health.table
    texts += [
        f"{table['rhat'].max():.3f}",
        f"{health.bfmi.min():.2f}",
        f"{settings.target_accept:g}",
    ]
    texts += [f"{table[c].min():,.0f}" for c in ("ess_bulk", "ess_tail")]
    for text in [*fit.model.priors["prior"], *health.messages, *map(str, design.mu.terms)]:
        texts += NUMBER.findall(text)
    attributes = fit.idata["posterior"].attrs
    versions = [str(v) for k, v in attributes.items() if k.endswith("version")]
    return {*texts, *(n for v in versions for n in NUMBER.findall(v))}


@pytest.mark.parametrize("name", ["sleep", "herds", "other"])
def test_every_number_is_read_from_the_fit(fits, name):
    text = spoken(fits[name])
    own = {"herds": {"1"}, "other": {"1"}}  # a level of period; one effect without normal prior
    assert set(NUMBER.findall(text)) - facts(fits[name]) - own.get(name, set()) == set()


def test_another_fit_has_other_numbers(fits):
    """Each of these is said, and of the other fit it is another."""
    one, other = fits["sleep"], fits["other"]
    a, b = one.methods(references=False), other.methods(references=False)
    for first, second in [
        ("2 chains of 400 draws each, after", "3 chains of 150 draws each, after 120 draws"),
        ("18 levels of Subject (10 rows each)", "17 levels of Subject (8 to 10 rows each"),
        ("180 rows of data", "167 rows of data; 3 rows with missing values in Days (3)"),
        ("and seed 1)", "and seed 77)"),
        ("largest tree depth 10", "largest tree depth 7"),
        ("target acceptance rate 0.", "target acceptance rate 0.87"),
        ("Normal(0, 48.89) for Days", "StudentT(4, 1, 12) for Days"),
        ("Exponential(0.01775) for sd of Intercept", "Gamma(3, 0.125) for sd of Intercept over"),
        ("rate", "degrees of freedom, location and scale"),
        ("0 of 800 draws diverged", "of 450 draws diverged"),
    ]:
        assert first in a
        assert second in b
        assert second not in a
    assert "All are defaults of mixedbayes" in a
    assert "Those of Days, sd of Intercept over Subject, sd of Days over Subject and sigma" in b
    health = one.diagnostics().table
    assert f"largest R-hat is {health['rhat'].max():.3f}" in a
    assert f"{health['ess_bulk'].min():,.0f} in the bulk" in a
    assert f"{health['ess_tail'].min():,.0f} in the tails" in a


@pytest.mark.parametrize("name", ["herds", "other"])
def test_a_fit_from_a_file_says_the_same(fits, name, tmp_path):
    loaded = mb.load(fits[name].save(tmp_path / "fit.nc"))
    assert loaded.methods("markdown") == fits[name].methods("markdown")


def test_versions_are_those_of_the_draws(sleep):
    changed = sleep.idata.copy()
    attributes = {
        "pymc_version": "77.1",
        "python_version": "3.99",
        "inference_library_version": "9.8",
    }
    changed["posterior"].attrs |= attributes
    del changed["posterior"].attrs["arviz_version"]
    other = mb.Fit(sleep.model, sleep.posterior)
    other.idata = changed
    text = other.methods()
    assert "PyMC 77.1 (Abril-Pla et al. 2023)" in text
    assert "Python 3.99" in text
    assert "nutpie 9.8" in text
    assert "ArviZ" not in text.replace("ArviZ: a unified", "")  # nothing is known of it


def test_what_was_not_passed_is_said(fits):
    worse = fits["other"]
    stats = worse.idata["sample_stats"].to_dataset()
    stats["diverging"] = stats["diverging"] | (np.arange(stats.sizes["draw"]) < 4)
    tree = worse.idata.copy()
    tree["sample_stats"].dataset = stats
    other = mb.Fit(worse.model, worse.posterior)
    other.idata = tree
    assert "12 of 450 draws diverged" in other.methods()
    assert "Not every check of convergence was passed: 12 of 450 draws diverged" in other.methods()


def test_only_what_was_used_is_cited(fits, posteriors):
    sleep, herds = str(fits["sleep"].methods()), str(fits["herds"].methods())
    assert "10.1016/j.jmva.2009.04.008" in sleep  # of correlations
    assert "10.1016/j.jmva.2009.04.008" not in herds
    for text in (sleep, herds):
        cited = {key for key, r in REFERENCES.items() if f"({r.short})" in text}
        assert cited == {key for key, r in REFERENCES.items() if r.url in text}
        assert {"formula", "nuts", "rhat", "pymc", "arviz"} <= cited
    from mixedbayes.publish.methods import methods

    assert "No-U-Turn" not in methods(posteriors["line"])  # nothing is known of how it was made


def test_every_model_is_described(posteriors):
    from mixedbayes.publish.methods import methods

    said = {name: str(methods(post, references=False)) for name, post in posteriors.items()}
    assert "linear model with a Gaussian likelihood" in said["line"]
    assert "generalized linear mixed model with a Poisson likelihood and log link" in said["counts"]
    assert "up to each threshold is the threshold less the sum of" in said["ordered"]
    assert "The logit of the probability of won is" in said["shares"]
    assert "300 trials in all" in said["shares"]
    assert "formulas are z ~ f_1 + (1 | team) and sigma ~ f_1 + (1 | team)" in said["spread"]
    assert "The log of sigma is the sum of an intercept" in said["spread"]
    assert (
        "The intercept of the predictor of sigma varies over the 2 levels of team" in said["spread"]
    )
    assert "the group effects of school id and team" in said["crossed"]
    assert "The mean of z is the group effects of team." in said["nothing"]
    assert "with the reference level a of f_1" in said["line"]


def test_the_engine_says_what_was_sampled(fits, posteriors):
    assert "moved in the variance parameters alone" in fits["sleep"].methods()
    other = str(fits["other"].methods())
    assert "variance parameters, 1 population effect without a normal prior" in other
    assert "Laplace's approximation" in fits["herds"].methods()
    spec = fits["herds"].posterior.spec
    model = mb.Model("incidence | trials(size) ~ period + (1 | herd)", mb.load_data("cbpp"),
                     family="binomial", formulation={"herd": mb.Centered()})  # fmt: skip
    chosen = model.formulation
    assert chosen.engine.account(spec, fits["herds"].settings, chosen) == (
        "All parameters were sampled jointly, the group effects of herd centred."
    )


def test_formats(fits, tmp_path):
    sleep = fits["sleep"]
    plain = sleep.methods()
    assert repr(plain) == str(plain)
    document = sleep.methods("markdown")
    assert f"`{SLEEP}`" in document
    assert "$$\n\\begin{aligned}" in document
    assert "<p>" in MarkdownIt().render(document)
    page = sleep.methods("html")
    assert f"<code>{SLEEP}</code>" in page
    assert "<math" in page
    latex = sleep.methods("latex")
    assert "\\texttt{Reaction $\\sim$ Days" in latex
    assert "References" not in sleep.methods(references=False)
    with pytest.raises(mb.ModelError, match='format=\'word\': use one of "text", "markdown"'):
        sleep.methods("word")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX of the system's")
def test_latex_compiles(fits, posteriors, tmp_path):
    from mixedbayes.publish.methods import methods

    texts = [fits["sleep"].methods("latex"), *(methods(p, "latex") for p in posteriors.values())]
    source = ["\\documentclass{article}", "\\usepackage{amsmath}", "\\begin{document}", *texts,
              "\\end{document}"]  # fmt: skip
    (tmp_path / "paper.tex").write_text("\n".join(source), encoding="utf-8")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:]


def test_words_of_the_user_are_text_in_every_format(posteriors):
    from mixedbayes.publish.methods import methods

    post = posteriors["counts"]
    assert "<b>" not in methods(post, "html").replace("&lt;b&gt;", "")
    assert isinstance(pd.Series([methods(post, "markdown")]).iloc[0], str)
    assert "\x1b" not in methods(post, "text")
