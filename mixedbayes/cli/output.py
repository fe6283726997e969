"""What a command leaves behind: tables, draws and pictures of a fit."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from glob import has_magic
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixedbayes.cli import exits
from mixedbayes.errors import FileError, ModelError
from mixedbayes.report.page import check_page
from mixedbayes.results.files import write_file

if TYPE_CHECKING:
    import pandas as pd

    import mixedbayes as mb

DPI = 150
_CODE = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four in full width
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)

# (method of Fit, whether it needs group effects)
TABLES = (
    ("fixef", False),
    ("varcorr", False),
    ("ranef", True),
    ("coef", True),
    ("icc", True),
    ("r2", False),
    ("parameters", False),
    ("shrinkage", True),
)
PICTURES = (
    ("plot_fixef", False),
    ("plot_ranef", True),
    ("plot_shrinkage", True),
    ("plot_fitted", True),
    ("plot_varcorr", False),
    ("plot_icc", True),
    ("plot_residuals", False),
    ("plot_priors", False),
)


def write(
    fit: mb.Fit, folder: Path, units: Mapping[str, str], *, tables: bool, ratios: bool = False
) -> None:
    """Write to `folder`, made if need be, and name each file on stderr as it is written.

    What the model does not have, such as shrinkage toward least squares under a log link, is left
    out and named with the reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    grouped = bool(fit.model.design.mu.factors)
    files = {
        **(_tables(fit, grouped, ratios) if tables else {}),
        **_pictures(fit, units, grouped, ratios),
    }
    for name, save in files.items():
        try:
            save(folder / name)
        except ModelError as reason:
            exits.say(f"left out {name}: {reason}")
        else:
            exits.say(f"wrote {folder / name}")


def _tables(fit: mb.Fit, grouped: bool, ratios: bool) -> dict[str, Callable[[Path], Any]]:
    files: dict[str, Callable[[Path], Any]] = {
        "summary.txt": lambda path: write_file(
            path, f"{fit.summary(exponentiate=ratios)}\n".encode()
        ),
        "priors.csv": partial(_save_table, lambda: fit.model.priors),
        "fit.nc": fit.save,
    }
    for name, needs_groups in TABLES:
        if grouped or not needs_groups:
            files[f"{name}.csv"] = partial(_save_table, getattr(fit, name))
    for name in ("fixef", "varcorr") if ratios else ():
        if grouped or name == "fixef":
            ratio = partial(getattr(fit, name), exponentiate=True)
            files[f"{name}_ratios.csv"] = partial(_save_table, ratio)
    return files


def _save_table(table: Callable[[], Any], path: Path) -> None:
    write_file(path, as_csv(table()).encode("utf-8", errors="backslashreplace"))


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV that a spreadsheet does not take for its own code.

    A text that begins with ``=``, ``+``, ``-``, ``@``, a tab or the end of a line could be
    evaluated as a formula there; it gets a ``'`` in front, by which spreadsheets know a text.
    Numbers stay, also those in a column of texts, such as the level ``-1``.
    """
    safe = {
        _no_code(name): column.astype(object).map(_no_code) if column.dtype.kind == "O" else column
        for name, column in table.items()
    }
    return type(table)(safe, index=table.index).to_csv(index=False)


def _no_code(value: Any) -> Any:
    if isinstance(value, str) and _CODE.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _pictures(
    fit: mb.Fit, units: Mapping[str, str], grouped: bool, ratios: bool
) -> dict[str, Callable[[Path], Any]]:
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command opens no window
    files: dict[str, Callable[[Path], Any]] = {}
    for name, needs_groups in PICTURES:
        if grouped or not needs_groups:
            extra: dict[str, Any] = {} if name == "plot_icc" else {"units": units}
            if name == "plot_fixef":
                extra["exponentiate"] = ratios
            picture = partial(getattr(fit, name), **extra)
            files[f"{name.removeprefix('plot_')}.png"] = partial(save_picture, picture)
    return files


def save_picture(picture: Callable[[], Any], path: Path) -> None:
    drawn, content = picture(), BytesIO()
    figure = drawn.get_viz("figure") if hasattr(drawn, "get_viz") else drawn
    figure.savefig(content, dpi=DPI, format="png")
    write_file(path, content.getbuffer())


def check(data: Path | str, folder: Path | None, page: Path | None) -> None:
    """FileError where an output would take the place of the data, or of a file that is not ours.

    `data` is a file; as text a folder or a glob, in whose folders no output may be.
    """
    if isinstance(data, str):
        _check_apart(data, folder, page)
        return
    if page is not None:
        if page.exists() and page.samefile(data):
            raise FileError(f"--report {page}: that is the file of the data; choose another name")
        check_page(page)
    tables = {f"{name}{end}.csv" for name, _ in TABLES for end in ("", "_ratios")}
    if (
        folder is None
        or data.name not in tables | {"priors.csv"}
        or not (folder / data.name).exists()
    ):
        return
    if (folder / data.name).samefile(data):
        raise FileError(
            f"--out {folder}: {data.name} there is the file of the data, and a table of that name "
            "would take its place; choose another folder"
        )


def _check_apart(data: str, folder: Path | None, page: Path | None) -> None:
    """FileError where an output would lie among files that are read together."""
    if page is not None:
        check_page(page)
    own = Path(data) if Path(data).is_dir() else Path(*_before_magic(Path(data).parts))
    for option, path in (("--out", folder), ("--report", page)):
        if path is not None and path.resolve().is_relative_to(own.resolve()):
            raise FileError(
                f"{option} {path}: the files in {own} are the data, and outputs among them would "
                "be read as such the next time; choose another folder"
            )


def _before_magic(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The folders of a glob before the first that has a wildcard."""
    return tuple(takewhile(lambda part: not has_magic(part), parts))


def write_page(fit: mb.Fit, path: Path, units: Mapping[str, str]) -> None:
    """Write the fit's page, and name it on stderr."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exits.say(f"wrote {fit.report(path, units=units)}")


def health(fit: mb.Fit) -> int:
    """Exit code of a finished fit; what is wrong with it goes to stderr."""
    chains, draws = (fit.idata["posterior"].sizes[d] for d in ("chain", "draw"))
    if chains < fit.settings.chains or draws < fit.settings.draws:
        exits.say(f"warning: {fit.note}")
        return exits.INTERRUPTED
    if not fit.converged:
        exits.say("warning: sampling did not converge; see the end of the summary")
        return exits.NOT_CONVERGED
    return exits.OK
