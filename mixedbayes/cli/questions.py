"""`mixedbayes predict`, `means`, `compare` and `report`: what is asked of a saved fit."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixedbayes.cli import exits
from mixedbayes.cli.fit import _terminal, parse_units
from mixedbayes.cli.read import TABLES, read_table
from mixedbayes.errors import DataError, FileError

if TYPE_CHECKING:
    import mixedbayes as mb
    from mixedbayes.estimands.grid import Columns

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TARGET = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
_WORDS = ("auto", "typical", "average", "new")


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_OUTPUT = _options(
    click.option("--csv", "csv_file", type=_TARGET, help="Write the table to this file; - stdout."),
    click.option("--json", "json_file", type=_TARGET, help="The same as JSON, with its question."),
    click.option("--overwrite", is_flag=True, help="Replace files that are there."),
)
_DESCRIBED = _options(
    click.option(
        "--groups",
        multiple=True,
        metavar="WORD",
        help="auto, typical, average, new, or grouping factors, one each time; see Fit.predict.",
    ),
    click.option("--target", help='Of the response: sigma, "P(y > 3)", "positive mean", median.'),
    click.option("--prob", type=float, default=0.95, show_default=True, help="Of the interval."),
    click.option("--interval", type=click.Choice(["eti", "hdi"]), default="eti", show_default=True),
    click.option(
        "--statistics", metavar="NAMES", help="Columns, such as median,mad; default: mean, sd."
    ),
    click.option("--seed", type=click.IntRange(0), help="Of what is drawn; default: the fit's."),
)
_ROWS = _options(
    click.option(
        "--by", multiple=True, metavar="COLUMN", help="Within its levels; may be repeated."
    ),
    click.option(
        "--at", multiple=True, metavar="COLUMN=VALUES", help="Set it: age=20,60; may be repeated."
    ),
    click.option(
        "--over",
        default="observed",
        show_default=True,
        metavar="ROWS",
        help="Rows averaged over: observed, balanced, or a file with a table.",
    ),
    click.option("--weights", metavar="COLUMN", help="Of these rows: poststratification."),
    click.option(
        "--kind", type=click.Choice(["mean", "linear"]), default="mean", show_default=True
    ),
    click.option(
        "--plot", type=click.Path(dir_okay=False, path_type=Path), help="A picture, as PNG."
    ),
)
_VALUES = """
Values are written as in the data, with commas between them; one that has a comma stands in double
quotes. FIT is a file written by Fit.save, such as fit.nc in the folder of `mixedbayes fit --out`.
The table goes to stdout, everything else to stderr.

"""


@click.command(
    epilog="Example:\n\n\b\n  mixedbayes predict results/fit.nc new.csv --kind mean\n"
    + _VALUES
    + exits.HELP
)
@click.argument("fit", type=_FILE)
@click.argument("new", type=_FILE)
@click.option(
    "--kind",
    type=click.Choice(["response", "mean", "linear"]),
    default="response",
    show_default=True,
    help="A new observation, its expectation, or the linear predictor.",
)
@click.option(
    "--scale", type=click.Choice(["model", "original"]), default="model", show_default=True
)
@click.option(
    "--new-levels",
    type=click.Choice(["draw", "error"]),
    default="draw",
    show_default=True,
    help="Of levels that the fit has not seen.",
)
@_DESCRIBED
@_OUTPUT
@exits.guarded
def predict(
    fit: Path,
    new: Path,
    csv_file: Path | None,
    json_file: Path | None,
    overwrite: bool,
    groups: tuple[str, ...],
    statistics: str | None,
    **asked: Any,
) -> int:
    """Predict the rows of the table in NEW from the saved fit FIT.

    NEW is a .csv, .csv.gz, .tsv or .parquet file; its columns stand beside the prediction.
    """
    _check_files([csv_file, json_file], [fit, new], overwrite)
    result = _load(fit)
    rows = _table(result, new)
    table = result.predict(
        rows,
        groups=_groups(groups) or "auto",
        statistics=_names(statistics),
        progress=_terminal(),
        **asked,
    )
    _write(table, "", csv_file, json_file)
    return _health(result)


@click.command(
    epilog="Examples:\n\n\b\n  mixedbayes means fit.nc Machine --by Sex --at age=20,60\n"
    "  mixedbayes means fit.nc Days=0,5,9 --plot days.png\n" + _VALUES + exits.HELP
)
@click.argument("fit", type=_FILE)
@click.argument("focal", nargs=-1, metavar="[COLUMN[=VALUES]]...")
@_ROWS
@_DESCRIBED
@_OUTPUT
@exits.guarded
def means(fit: Path, focal: tuple[str, ...], **asked: Any) -> int:
    """Marginal means from the saved fit FIT: what it predicts at each value of some columns.

    A COLUMN alone has all its levels, or some places of a number; without any there is one mean.
    """

    def places(columns: Columns, name: str, values: list[str]) -> Any:
        return [_value(columns, name, text) for text in values]

    return _asked("means", fit, focal, places, asked)


@click.command(
    epilog="Examples:\n\n\b\n  mixedbayes compare fit.nc Machine=pairwise\n"
    "  mixedbayes compare fit.nc age=20,60 --by Sex --how ratio\n" + _VALUES + exits.HELP
)
@click.argument("fit", type=_FILE)
@click.argument("focal", nargs=-1, required=True, metavar="COLUMN[=COMPARISON]...")
@click.option(
    "--how",
    default="difference",
    show_default=True,
    help="difference, ratio, lift, odds_ratio, log_ratio or log_odds_ratio.",
)
@_ROWS
@_DESCRIBED
@_OUTPUT
@exits.guarded
def compare(fit: Path, focal: tuple[str, ...], **asked: Any) -> int:
    """Comparisons from the saved fit FIT: what it predicts at two values of a column.

    COMPARISON is, of a category, reference, pairwise, sequential, mean, or two levels, from the
    first to the second; of a number a step from x, two values, sd, iqr or minmax. Several columns
    change at once.
    """

    def comparison(columns: Columns, name: str, values: list[str]) -> Any:
        if len(values) == 2:
            return tuple(_value(columns, name, text) for text in values)
        if len(values) > 2:
            raise DataError(f"{name}={','.join(values)}: a comparison is of two values")
        number = None if columns.is_category(name) else _number(values[0])
        return values[0] if number is None else number

    return _asked("comparisons", fit, focal, comparison, asked)


@click.command(
    epilog="Example:\n\n\b\n  mixedbayes report results/fit.nc results/fit.html\n\n" + exits.HELP
)
@click.argument("fit", type=_FILE)
@click.argument("page", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--unit", "units", multiple=True, metavar="COLUMN=UNIT", help="For the pictures' axes."
)
@exits.guarded
def report(fit: Path, page: Path, units: tuple[str, ...]) -> int:
    """Write PAGE, one self-contained HTML page about the saved fit FIT."""
    from mixedbayes.cli import output

    named = parse_units(units)
    result = _load(fit)
    output.write_page(result, page, named)
    return _health(result)


# ---- shared ------------------------------------------------------------------------------------


def _load(path: Path) -> mb.Fit:
    import mixedbayes as mb

    fit = mb.load(path)
    fit.library = "pandas"
    return fit


def _health(fit: mb.Fit) -> int:
    if fit.converged:
        return exits.OK
    exits.say("warning: sampling did not converge; `mixedbayes report` has the diagnostics")
    return exits.NOT_CONVERGED


def _table(fit: mb.Fit, path: Path) -> Any:
    """A table; what is text in the fit's data is read as it is written."""
    import pandas as pd

    from mixedbayes.estimands.grid import Columns

    columns = Columns(fit.posterior.design)
    values = {name: columns.frame[name] for name in columns.names}
    values |= {
        name: column.cat.categories.to_series()
        for name, column in values.items()
        if isinstance(column.dtype, pd.CategoricalDtype)
    }
    texts = [name for name, column in values.items() if pd.api.types.is_string_dtype(column)]
    frame = read_table(path, labels=texts)
    for name in set(texts) & set(frame.columns):
        frame[name] = frame[name].astype("string").astype(object)
    return frame


def _asked(
    what: str,
    fit: Path,
    focal: Sequence[str],
    read: Callable[[Columns, str, list[str]], Any],
    asked: dict[str, Any],
) -> int:
    """Print means or comparisons, and write what is asked for."""
    from mixedbayes.cli import output
    from mixedbayes.estimands.grid import Columns

    files = [asked.pop(name) for name in ("csv_file", "json_file")]
    plot, overwrite, over = (asked.pop(name) for name in ("plot", "overwrite", "over"))
    table_given = over not in ("observed", "balanced")
    if table_given and not over.lower().endswith(TABLES):
        raise click.BadParameter(
            f"{over!r} is not observed, balanced or a table", param_hint="--over"
        )
    if table_given and not Path(over).is_file():
        raise FileError(f"{over}: there is no such file")
    inputs = [fit, Path(over)] if table_given else [fit]
    if plot is not None and plot.suffix.lower() != ".png":
        raise click.BadParameter(f"{str(plot)!r} does not end in .png", param_hint="--plot")
    _check_files([*files, plot], inputs, overwrite)
    result = _load(fit)
    columns = Columns(result.posterior.design)
    wanted: dict[str, Any] = {}
    for text in focal:
        name, values = _split(columns, text)
        wanted[name] = read(columns, columns.check(name), values) if values else None
    given = {name: value for name, value in wanted.items() if value is not None}
    at: dict[str, Any] = {}
    for text in asked.pop("at"):
        name, values = _split(columns, text)
        if not values:
            raise click.BadParameter(f"{text!r} is not of the form age=20,60", param_hint="--at")
        at[name] = [_value(columns, columns.check(name), value) for value in values]
    groups, statistics = _groups(asked.pop("groups")), _names(asked.pop("statistics"))
    found = getattr(result, what)(
        _mapping(columns, wanted, what) if given else list(wanted),
        at=at or None,
        by=list(asked.pop("by")) or None,
        over=_table(result, Path(over)) if table_given else over,
        groups=groups,
        statistics=statistics,
        progress=_terminal(),
        **asked,
    )
    _write(found.frame, found.question, *files)
    if plot is not None:
        output.save_picture(found.plot, plot)
        exits.say(f"wrote {plot}")
    return _health(result)


def _mapping(columns: Columns, wanted: dict[str, Any], what: str) -> dict[str, Any]:
    """Columns with values, those named alone among them."""
    if what == "comparisons":
        return {n: v if v is not None else _default(columns, n) for n, v in wanted.items()}
    return {n: v if v is not None else columns.places(n) for n, v in wanted.items()}


def _default(columns: Columns, name: str) -> Any:
    return "reference" if columns.is_category(columns.check(name)) else 1


def _split(columns: Columns, text: str) -> tuple[str, list[str]]:
    """A column and the texts of its values; none where the text is a column alone."""
    if text in columns.names:
        return text, []
    name, equals, values = text.partition("=")
    texts = next(csv.reader([values], skipinitialspace=True), []) if equals else []
    return name.strip(), [value.strip() for value in texts if value.strip()]


def _value(columns: Columns, name: str, text: str) -> Any:
    """The level that is written so, else the number, else the text."""
    from mixedbayes.design.values import label

    if columns.is_category(name):
        levels = {label(level): level for level in columns.levels(name)}
        return levels.get(text, text)
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return None


def _groups(given: tuple[str, ...]) -> Any:
    """None, a word, or grouping factors."""
    if not given:
        return None
    return given[0] if len(given) == 1 and given[0] in _WORDS else list(given)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _check_files(targets: Sequence[Path | None], inputs: Sequence[Path], overwrite: bool) -> None:
    """FileError where a file would take the place of one that is there."""
    for target in targets:
        if target is None or str(target) == "-":
            continue
        if target.exists() and any(target.samefile(path) for path in inputs):
            raise FileError(f"{target} is read from; choose another name")
        if target.exists() and not overwrite:
            raise FileError(
                f"{target} is there; choose another name, or replace it with --overwrite"
            )


def _write(table: Any, words: str, csv_file: Path | None, json_file: Path | None) -> None:
    """The table on stdout, or in files, where it is asked for there."""
    from mixedbayes.cli.output import as_csv
    from mixedbayes.results.files import check_file, write_file

    rows = json.loads(table.to_json(orient="records", date_format="iso", double_precision=15))
    about = {"question": words, "note": table.attrs.get("note", "")}
    said = {name: text for name, text in about.items() if text}
    contents = (
        (csv_file, "table.csv", as_csv(table)),
        (json_file, "table.json", json.dumps(said | {"rows": rows}, ensure_ascii=False) + "\n"),
    )
    for path, example, content in contents:
        if str(path) == "-":
            click.echo(content, nl=False)
        elif path is not None:
            data = content.encode("utf-8", errors="backslashreplace")
            write_file(check_file(path, example), data)
            exits.say(f"wrote {path}")
    if "-" not in (str(csv_file), str(json_file)):
        click.echo(_text(table, words))


def _text(table: Any, words: str) -> str:
    import textwrap

    import pandas as pd

    from mixedbayes.printable import printable
    from mixedbayes.results.text import WIDTH, as_table

    with pd.option_context("display.max_rows", None, "display.width", None):
        body = repr(as_table(table))  # with a note, where there is one
    return printable("\n\n".join(filter(None, [textwrap.fill(words, WIDTH), body])))
