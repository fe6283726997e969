"""`mixedbayes demo`: the sleep study, from data to pictures."""

from __future__ import annotations

from pathlib import Path

import click

from mixedbayes.cli import exits
from mixedbayes.cli.fit import _terminal, report

FORMULA = "Reaction ~ Days + (Days | Subject)"


@click.command(epilog=exits.HELP)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("mixedbayes-demo"),
    show_default=True,
    help="Folder for the pictures; made if need be.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--draws", type=click.IntRange(1), default=1000, show_default=True, help="Per chain.")
@click.option("--chains", type=click.IntRange(1), default=4, show_default=True)
@exits.guarded
def demo(out: Path, seed: int, draws: int, chains: int) -> int:
    """Fit the shipped sleep study, print the summary and write its pictures.

    Reaction times of 18 subjects over ten days of sleep restriction, each with an intercept and a
    slope of their own.
    """
    import mixedbayes as mb

    sleep = mb.load_data("sleepstudy")
    exits.say(f"sleepstudy, {len(sleep)} rows: {FORMULA}")
    model = mb.Model(FORMULA, sleep)
    result = model.fit(draws=draws, chains=chains, seed=seed, progress=_terminal())
    columns = mb.describe_data("sleepstudy").columns
    units = {c.name: c.unit for c in columns if c.unit not in ("label", "none")}
    return report(result, out, units, tables=False)
