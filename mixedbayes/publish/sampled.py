"""What a methods section says of the draws: how they were made, their convergence, the software."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import numpy as np

from mixedbayes.publish.pieces import Cite, Sentences, listed
from mixedbayes.publish.words import joined, title
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.summary import diagnostics
from mixedbayes.results.text import plural
from mixedbayes.sample.result import PROPOSALS, QUARTER_TURNS

_FACT = re.compile(r": | \(worst|\. |\.$")  # what a message says before it explains
OWN = "mixedbayes"


def sampling(post: Posterior) -> Sentences:
    attributes = _attributes(post)
    chains, draws = post.shape
    library = str(attributes.get("inference_library", ""))
    number = str(attributes.get("inference_library_version", ""))
    out: Sentences = ["The posterior was sampled by "]
    if _nuts(post):
        out += ["the No-U-Turn Sampler ", Cite(("nuts",))]
    elif attributes.get("inference_method") == QUARTER_TURNS:
        out += ["Hamiltonian Monte Carlo with trajectories of a quarter turn ", Cite(("split",))]
    elif attributes.get("inference_method") == PROPOSALS:
        out += [
            "Hamiltonian Monte Carlo with trajectories that follow a polynomial approximation of "
            "the log posterior and ends that the posterior itself accepts or refuses ",
            Cite(("surrogate",)),
            ",",
        ]
    else:
        out.append("Markov chain Monte Carlo")
    if library:
        out.append(f" as implemented in {f'{library} {number}'.strip()}")
    if library in _SAMPLERS:
        out += [" ", Cite((_SAMPLERS[library],))]
    said = f", in {plural(chains, 'chain')} of {plural(draws, 'draw')}"
    settings = None if post.run is None else post.run.settings
    tune = settings.tune if settings else None
    if tune:
        said += f"{' each' * (chains > 1)}, after {tune:,} draws of tuning"
    details = []
    if settings and settings.target_accept:
        details.append(f"target acceptance rate {settings.target_accept:g}")
        details.append(f"largest tree depth {settings.max_treedepth}")
    if settings and settings.seed is not None:
        details.append(f"seed {settings.seed}")
    out.append(f"{said}{f' ({joined(details)})' if details else ''}. ")
    if post.run is not None:
        account = post.run.formulation.engine.account(
            post.spec, post.run.settings, post.run.formulation
        )
        out.append(f"{account} " if account else "")
        if post.run.note:
            out.append(f"Note: {post.run.note.rstrip('.')}. ")
    return out


_SAMPLERS = {"pymc": "pymc", "numpyro": "numpyro"}


def _nuts(post: Posterior) -> bool:
    if "sample_stats" not in post.idata.children:
        return False
    return not {"tree_depth", "n_steps"}.isdisjoint(map(str, post.sample_stats().data_vars))


def convergence(post: Posterior) -> Sentences:
    found = diagnostics(post)
    table = found.table
    if table.empty or not table["ess_bulk"].notna().any():
        return ["Convergence could not be assessed from so few draws."]
    measures = [
        f"the smallest effective sample size is {table['ess_bulk'].min():,.0f} in the bulk and "
        f"{table['ess_tail'].min():,.0f} in the tails"
    ]
    if table["rhat"].notna().any():
        measures.insert(0, f"the largest R-hat is {table['rhat'].max():.3f}")
    out: Sentences = [f"Over {plural(len(table), 'quantity').replace('quantitys', 'quantities')} "]
    out += [f"{joined(measures)} ", Cite(("rhat",))]
    if "sample_stats" in post.idata.children:
        out.append(f"; {found.divergences:,} of {plural(found.draws, 'draw')} diverged")
    if np.isfinite(found.bfmi).any():
        lowest = f"{np.nanmin(found.bfmi):.2f}"
        out += [f", and the smallest E-BFMI of a chain is {lowest} ", Cite(("bfmi",))]
    out.append(". ")
    if not found.ok:
        facts = (_FACT.split(message)[0].replace("rhat", "R-hat") for message in found.messages)
        failed = (fact.replace("The ", "the ").replace("There ", "there ") for fact in facts)
        out.append(f"Not every check of convergence was passed: {'; '.join(failed)}.")
    return out


def _attributes(post: Posterior) -> dict[str, Any]:
    return {**post.idata.attrs, **post.draws.attrs}


def software(post: Posterior) -> Sentences:
    """Versions that the draws' own attributes have; nothing is said of those that they lack."""
    attributes = _attributes(post)
    known: list[Sentences] = []
    for name, key, cite in (
        (str(attributes.get("creation_library", "")), "creation_library_version", ()),
        ("PyMC", "pymc_version", ("pymc",)),
        ("ArviZ", "arviz_version", ("arviz",)),
        ("NumPy", "numpy_version", ()),
        ("Python", "python_version", ()),
    ):
        if name and key in attributes:
            said: Sentences = [f"{name} {attributes[key]}"]
            known.append([*said, " ", Cite(cite)] if cite else said)
    out: Sentences = ["Computations were done with ", *listed(known)] if known else []
    if attributes.get("creation_library") != OWN:
        own = f"summaries were made by {OWN} {version(OWN)}"
        out.append(f"; {own}" if known else title(f"the {own}"))
    return [*out, "."]
