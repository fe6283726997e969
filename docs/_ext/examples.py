"""The directive `run`: Python code of a page, executed when the site is built, and its output.

    ```{run}
    :alt: what a picture shows
    fit.fixef()
    ```

The blocks of a page share their names, in the order in which they stand. Shown are the code, what
it prints, the value of its last line, and pictures that it drew. `:hide:` runs without showing,
`:code-only:` shows no output, `:output-only:` no code, `:error:` expects an error and shows its
message, `:lines: 12` keeps that many lines of the output, `:prose:` wraps long ones.
Code that fails stops the build.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shutil
import tempfile
import warnings
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^(`{3,})\{run\}[ ]*\n(.*?)^\1[ ]*$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^:([\w-]+):[ ]*(.*)$")


class ExampleError(Exception):
    """An example failed, or should have and did not."""


@dataclass
class Output:
    """What one block gave: text, and pictures by their number."""

    text: str = ""
    pictures: list[bytes] = field(default_factory=list)


@dataclass
class Page:
    """The names of one page, whose blocks run one after the other in a folder of their own.

    The folder goes with the page.
    """

    name: str
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__page__"})
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="page-")), init=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def run(self, code: str, *, error: bool = False) -> Output:
        """Run a block; its last line is shown where it is an expression."""
        import matplotlib.pyplot as plt

        plt.close("all")
        printed, pictures, failed = io.StringIO(), [], None
        with _quiet(self.folder), contextlib.redirect_stdout(printed):
            try:
                value = self._last(code)
                pictures = [_png(plt.figure(number)) for number in plt.get_fignums()]
                if hasattr(value, "savefig") and not pictures:
                    pictures = [_png(value)]
                if value is not None and not pictures:
                    print(value if type(value).__name__ == "CheckReport" else repr(value))
            except Exception as raised:
                failed = raised
        plt.close("all")
        if failed is not None and not error:
            raise ExampleError(
                f"{self.name}: {type(failed).__name__}: {failed}\n{code}"
            ) from failed
        if error and failed is None:
            raise ExampleError(f"{self.name}: this was to raise an error\n{code}")
        if failed is not None:
            printed.write(f"{type(failed).__name__}: {failed}")
        return Output(printed.getvalue().rstrip(), pictures)

    def _last(self, code: str) -> Any:
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, self.name, "exec"), self.names)
        if last is None:
            return None
        return eval(compile(ast.Expression(last.value), self.name, "eval"), self.names)


def blocks(text: str) -> Iterator[tuple[dict[str, str], str]]:
    """Options and code of each block of a page."""
    for _, body in BLOCK.findall(text):
        lines, options = body.splitlines(), {}
        while lines and (found := OPTION.match(lines[0])):
            options[found[1]] = found[2]
            lines.pop(0)
        yield options, "\n".join(lines)


def run_page(path: Path) -> list[Output]:
    """All blocks of a page, without Sphinx."""
    page = Page(path.name)
    text = path.read_text(encoding="utf-8")
    return [page.run(code, error="error" in options) for options, code in blocks(text)]


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    return file.getvalue()


@contextlib.contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Without progress, in a folder in which files can be written."""
    import pandas as pd

    before = Path.cwd()
    os.chdir(folder)
    try:
        with (
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
            pd.option_context("display.width", 120),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        os.chdir(before)


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    import matplotlib as mpl
    from directive import Elsewhere, Run

    mpl.use("Agg")
    app.add_directive("run", Run)
    app.add_directive("elsewhere", Elsewhere)
    made = sorted(Path(__file__).parent.glob("*.py"))  # when these change all pages are read again
    version = zlib.crc32(b"".join(p.read_bytes() for p in made))
    return {"env_version": version, "parallel_read_safe": False, "parallel_write_safe": True}
