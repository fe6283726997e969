"""`mixedbayes fit`: a formula and a file to a summary, tables, draws and pictures."""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixedbayes.cli import exits
from mixedbayes.cli.read import read_table
from mixedbayes.errors import PriorError

if TYPE_CHECKING:
    from mixedbayes.distributions import Prior


# ---- priors given as text: read as data, never evaluated ---------------------------------------


_TARGET = re.compile(r"^\s*(?P<name>[^\[\]=]+?)\s*(?:\[(?P<inner>.+)\])?\s*$")


def parse_priors(texts: Iterable[str]) -> dict[str, Any]:
    """The dictionary that `mixedbayes.Model` takes, from texts such as these.

    `sigma=Exponential(0.02)`, `fixef=Normal(0, 50)`, `fixef[Days]=Normal(10, 5)`,
    `sd[Subject]=HalfNormal(30)`, `sd[Subject,Days]=HalfNormal(10)`, `cor=LKJ(2)`. Raises
    PriorError, with the text, where one is not understood or a parameter is given twice.
    """
    priors: dict[str, Any] = {}
    for text in texts:
        path, prior = parse_prior(text)
        _put(priors, path, prior, text)
    return priors


def parse_prior(text: str) -> tuple[tuple[str, ...], Prior]:
    """("sd", "Subject", "Days") and the prior, from one text."""
    target, value = _split(text)
    match = _TARGET.match(target)
    if match is None:
        raise PriorError(f"prior {text!r}: no parameter named before '='; for example cor=LKJ(2)")
    inner = [part.strip() for part in match["inner"].split(",")] if match["inner"] else []
    if not all(inner) or len(inner) > 2:
        raise PriorError(
            f"prior {text!r}: give [term], [group] or [group,term] after {match['name']}"
        )
    return (match["name"], *inner), _distribution(value.strip(), text)


def _split(text: str) -> tuple[str, str]:
    """At the first '=' outside brackets, as term names may hold one."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "=" and depth == 0:
            return text[:i], text[i + 1 :]
    raise PriorError(
        f"prior {text!r}: write parameter=Distribution(...), e.g. sigma=HalfNormal(30)"
    )


def _distribution(value: str, text: str) -> Prior:
    try:
        call = ast.parse(value, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PriorError(f"prior {text!r}: {value!r} is not of the form Normal(0, 5)") from error
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise PriorError(f"prior {text!r}: {value!r} is not of the form Normal(0, 5)")
    from mixedbayes import distributions  # with SciPy, for which --help need not wait

    name, known = call.func.id, [kind for kind in distributions.__all__ if kind != "Prior"]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PriorError(
            f"prior {text!r}: no distribution {name!r}{hint} Known: {', '.join(known)}"
        )
    positional = [_number(node, text) for node in call.args]
    if any(keyword.arg is None for keyword in call.keywords):
        raise PriorError(f"prior {text!r}: ** is not understood; name each argument")
    named = {str(keyword.arg): _number(keyword.value, text) for keyword in call.keywords}
    try:
        made: Prior = getattr(distributions, name)(*positional, **named)
        return made
    except TypeError as error:
        reason = str(error).replace("__init__()", "").replace(f"{name}.", "").strip()
        raise PriorError(f"prior {text!r}: {name} {reason}") from error
    except PriorError as error:
        raise PriorError(f"prior {text!r}: {error}") from error


def _number(node: ast.expr, text: str) -> float:
    sign = 1.0
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign = -sign if isinstance(node.op, ast.USub) else sign
        node = node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return sign * float(value)
    raise PriorError(f"prior {text!r}: {ast.unparse(node)!r} is not a number")


def _put(priors: dict[str, Any], path: tuple[str, ...], prior: Prior, text: str) -> None:
    at = priors
    for key in path[:-1]:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise PriorError(f"prior {text!r}: {key} already has one prior for all its terms")
    if path[-1] in at:
        raise PriorError(f"prior {text!r}: {', '.join(path)} already has a prior")
    at[path[-1]] = prior


# ---- the command -------------------------------------------------------------------------------


FORMULATIONS = ("auto", "marginal", "noncentered", "centered")

_EPILOG = (
    """\
Examples:

\b
  mixedbayes fit sleep.csv "Reaction ~ Days + (Days | Subject)" --seed 1
  mixedbayes fit sleep.csv "Reaction ~ Days + (1 | Subject)" --out results/ \\
      --prior "fixef=Normal(0, 50)" --prior "sd[Subject]=HalfNormal(50)" --unit Reaction=ms

A prior is given as PARAMETER=DISTRIBUTION(NUMBERS), where the parameter is Intercept, fixef,
fixef[TERM], sd, sd[GROUP], sd[GROUP,TERM], cor, cor[GROUP] or sigma; of correlated residuals rho,
theta or range.

\b
  mixedbayes fit birds.csv "y ~ x + (1 | gr(species, cov=A))" --known A=birds.nwk

The summary goes to stdout, everything else to stderr.

"""
    + exits.HELP
)


class Data(click.ParamType[Path | str]):
    """A file, as a path; or a folder or a glob, as text."""

    name = "data"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        from mixedbayes.sources.paths import names_several

        text = str(value)
        if names_several(text):
            return text
        own = click.Path(exists=True, dir_okay=False, path_type=Path)
        found: Path = own.convert(value, param, ctx)
        return found


@click.command(epilog=_EPILOG)
@click.argument("data", type=Data())
@click.argument("formula")
@click.option(
    "--batches",
    is_flag=True,
    help="Read one file in batches, too, as folders and globs are: for more rows than fit into "
    "memory. All kinds of files are known then, among them .arrow and .feather.",
)
@click.option("--cells", type=click.IntRange(1), help="Most cells or distinct rows, in batches.")
@click.option("--family", default="gaussian", show_default=True, help="Family of the response.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for tables (CSV), draws (NetCDF) and pictures (PNG); made if need be.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="One self-contained page, .html; its folder is made if need be.",
)
@click.option(
    "--parameter",
    "others",
    multiple=True,
    metavar="FORMULA",
    help='A formula for a further parameter of the family: "sigma ~ x"; may be repeated.',
)
@click.option(
    "--residual",
    metavar="STRUCTURE",
    help='How residuals are correlated within groups: "ar1(visit | patient)", "cosy(patient)".',
)
@click.option(
    "--known",
    multiple=True,
    metavar="NAME=FILE",
    help="A known matrix between levels, gr(g, cov=NAME): a table with labels, a pedigree (id, "
    "sire, dam) or a tree (.nwk); may be repeated.",
)
@click.option(
    "--exponentiate", is_flag=True, help="Odds, rate or hazard ratios, or ratios of means, too."
)
@click.option("--prior", "priors", multiple=True, metavar="TEXT", help="A prior; may be repeated.")
@click.option("--draws", type=click.IntRange(1), default=1000, show_default=True, help="Per chain.")
@click.option("--tune", type=click.IntRange(0), help="Tuning draws per chain; default: as needed.")
@click.option("--chains", type=click.IntRange(1), default=4, show_default=True)
@click.option("--cores", type=click.IntRange(1), help="Chains at the same time; default: all can.")
@click.option("--seed", type=click.IntRange(0), help="The same seed gives the same draws.")
@click.option(
    "--sampler",
    type=click.Choice(["nutpie", "pymc", "numpyro"]),
    default="nutpie",
    show_default=True,
)
@click.option("--formulation", type=click.Choice(FORMULATIONS), default="auto", show_default=True)
@click.option(
    "--missing",
    type=click.Choice(["drop", "error"]),
    default="drop",
    show_default=True,
    help="Rows with a missing value: leave them out and say so, or stop.",
)
@click.option(
    "--unit", "units", multiple=True, metavar="COLUMN=UNIT", help="For the pictures' axes."
)
@click.option("--progress/--no-progress", default=None, help="Default: where there is a terminal.")
@exits.guarded
def fit(
    data: Path | str,
    formula: str,
    batches: bool,
    cells: int | None,
    out: Path | None,
    page: Path | None,
    others: tuple[str, ...],
    residual: str | None,
    known: tuple[str, ...],
    exponentiate: bool,
    priors: tuple[str, ...],
    formulation: str,
    units: tuple[str, ...],
    progress: bool | None,
    **options: Any,
) -> int:
    """Fit FORMULA to the table in DATA and print the summary.

    DATA is a .csv, .csv.gz, .tsv or .parquet file; or a folder, or a glob in quotes such as
    "data/*.parquet", of files of one kind, which are read in batches and need not fit into memory.
    The formula is lme4's, such as "y ~ x + (x | group)".
    """
    import mixedbayes as mb
    from mixedbayes import sources
    from mixedbayes.cli import output
    from mixedbayes.cli.known import parse_known
    from mixedbayes.formula import parse, parse_residual

    streamed = batches or isinstance(data, str)
    if cells is not None and not streamed:
        raise click.UsageError("--cells is of data that are read in batches: add --batches")
    output.check(data, out, page)
    axis_units = parse_units(units)
    given, matrices = parse_priors(priors), parse_known(known)
    formulas = [formula, *others]
    factors = {name for text in formulas for term in parse(text).random for name in term.factors}
    if residual is not None:
        factors |= {*parse_residual(residual).factors}
    shown = _terminal() if progress is None else progress
    if streamed:
        read = sources.open(data).labelled(factors)
        frame: Any = mb.source(read, progress=shown, **({} if cells is None else {"cells": cells}))
    else:
        frame = read_table(Path(data), labels=factors)

    from mixedbayes.results.ratios import ratio_of

    model_options = {name: options.pop(name) for name in ("family", "missing")}
    model = mb.Model(
        formulas,
        frame,
        residual=residual,
        priors=given or None,
        formulation=_formulation(formulation),
        known=matrices or None,
        **model_options,
    )
    if exponentiate:
        ratio_of(model.family, model.design)  # refused before anything is sampled
    for note in model.design.notes:
        exits.say(f"note: {note}")
    result = model.fit(progress=shown, **options)
    code = report(result, out, axis_units, tables=True, ratios=exponentiate)
    if page is not None:
        output.write_page(result, page, axis_units)
    return code


def report(
    result: Any, out: Path | None, units: dict[str, str], *, tables: bool, ratios: bool = False
) -> int:
    """Print the summary, write the files, and give the exit code."""
    from mixedbayes.cli import output

    click.echo(str(result.summary(exponentiate=ratios)))
    if out is not None:
        output.write(result, out, units, tables=tables, ratios=ratios)
    return output.health(result)


def parse_units(texts: Sequence[str]) -> dict[str, str]:
    """{"Reaction": "ms"} from "Reaction=ms"."""
    pairs = [text.partition("=") for text in texts]
    for name, equals, unit in pairs:
        if not (name.strip() and equals and unit.strip()):
            raise click.BadParameter(
                f"{name!r} is not of the form Reaction=ms", param_hint="--unit"
            )
    return {name.strip(): unit.strip() for name, _, unit in pairs}


def _formulation(name: str) -> Any:
    import mixedbayes as mb

    objects: dict[str, Any] = {
        "marginal": mb.Marginal(),
        "noncentered": mb.NonCentered(),
        "centered": mb.Centered(),
    }
    return objects.get(name, name)


def _terminal() -> bool:
    return sys.stderr.isatty()
