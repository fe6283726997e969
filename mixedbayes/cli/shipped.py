"""`mixedbayes demo`, from data to pictures, and `mixedbayes data`, the shipped data sets."""

from __future__ import annotations

import sys
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


@click.command(epilog=exits.HELP)
@click.argument("name", required=False)
@click.option(
    "--csv",
    "target",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write the rows of NAME to this file, or to stdout with '-'.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@exits.guarded
def data(name: str | None, target: Path | None, overwrite: bool) -> int:
    """List the shipped data sets, or describe the one with this NAME."""
    if name is None:
        if target is not None:
            raise click.UsageError("--csv needs the NAME of a data set")
        _list()
    elif target is None:
        _describe(name)
    else:
        _write(name, target, overwrite)
    return exits.OK


def _list() -> None:
    import mixedbayes as mb

    sets = [mb.describe_data(name) for name in mb.list_data()["name"]]
    name, rows = max(len(d.name) for d in sets), max(len(f"{d.rows:,}") for d in sets)
    click.echo(f"{'name':<{name}}  {'rows':>{rows}}  what")
    for d in sets:
        click.echo(f"{d.name:<{name}}  {d.rows:>{rows},}  {d.title}")


def _describe(name: str) -> None:
    import mixedbayes as mb

    click.echo(str(mb.describe_data(name)))
    click.echo(f"\n{mb.load_data(name).head().to_string(index=False)}")


def _write(name: str, target: Path, overwrite: bool) -> None:
    import mixedbayes as mb
    from mixedbayes.errors import FileError
    from mixedbayes.results.files import check_file, write_file

    frame = mb.load_data(name)
    if str(target) == "-":
        frame.to_csv(sys.stdout, index=False, lineterminator="\n")
        return
    if target.exists() and not overwrite:
        raise FileError(f"{target} is there; choose another name, or replace it with --overwrite")
    write_file(check_file(target, f"{name}.csv"), frame.to_csv(index=False).encode())
    exits.say(f"wrote {target}")
