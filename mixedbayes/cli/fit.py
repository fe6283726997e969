"""`mixedbayes fit`: a formula and a file to a summary, tables, draws and pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mixedbayes.cli import exits

FORMULATIONS = ("auto", "marginal", "noncentered", "centered")

_EPILOG = (
    """\
Examples:

\b
  mixedbayes fit sleep.csv "Reaction ~ Days + (Days | Subject)" --seed 1
  mixedbayes fit sleep.csv "Reaction ~ Days + (1 | Subject)" --out results/ \\
      --prior "fixef=Normal(0, 50)" --prior "sd[Subject]=HalfNormal(50)" --unit Reaction=ms

A prior is given as PARAMETER=DISTRIBUTION(NUMBERS), where the parameter is Intercept, fixef,
fixef[TERM], sd, sd[GROUP], sd[GROUP,TERM], cor, cor[GROUP] or sigma.

The summary goes to stdout, everything else to stderr.

"""
    + exits.HELP
)


@click.command(epilog=_EPILOG)
@click.argument("data", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("formula")
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
    help="One self-contained HTML page; its folder is made if need be.",
)
@click.option(
    "--parameter",
    "others",
    multiple=True,
    metavar="FORMULA",
    help='A formula for a further parameter of the family: "sigma ~ x"; may be repeated.',
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
    data: Path,
    formula: str,
    out: Path | None,
    page: Path | None,
    others: tuple[str, ...],
    exponentiate: bool,
    priors: tuple[str, ...],
    formulation: str,
    units: tuple[str, ...],
    progress: bool | None,
    **options: Any,
) -> int:
    """Fit FORMULA to the table in DATA by NUTS and print the summary.

    DATA is a .csv, .csv.gz, .tsv or .parquet file. The formula is lme4's, such as
    "y ~ x + (x | group)".
    """
    from mixedbayes.cli import output
    from mixedbayes.cli.priors import parse_priors
    from mixedbayes.cli.read import read_table
    from mixedbayes.formula import parse

    axis_units = parse_units(units)
    given = parse_priors(priors)
    formulas = [formula, *others]
    factors = {name for text in formulas for term in parse(text).random for name in term.factors}
    frame = read_table(data, labels=factors)

    import mixedbayes as mb
    from mixedbayes.results.ratios import ratio_of

    model_options = {name: options.pop(name) for name in ("family", "missing")}
    model = mb.Model(
        formulas,
        frame,
        priors=given or None,
        formulation=_formulation(formulation),
        **model_options,
    )
    if exponentiate:
        ratio_of(model.family, model.design)  # refused before anything is sampled
    for note in model.design.notes:
        exits.say(f"note: {note}")
    result = model.fit(progress=_terminal() if progress is None else progress, **options)
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
