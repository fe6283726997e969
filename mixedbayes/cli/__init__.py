"""The command line: `mixedbayes demo`, `fit`, `data`; `predict`, `means`, `compare`, `report`;
`compile`.

Heavy libraries load inside the commands that need them, so help and data are quick.
"""

from __future__ import annotations

import click

from mixedbayes import __version__
from mixedbayes.cli.compile import compile_all
from mixedbayes.cli.exits import HELP
from mixedbayes.cli.fit import fit
from mixedbayes.cli.questions import compare, means, predict, report
from mixedbayes.cli.shipped import data, demo


@click.group(epilog=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mixedbayes")
def main() -> None:
    """Bayesian hierarchical (mixed-effects) models from a formula."""


for command in (demo, fit, predict, means, compare, report, data, compile_all):
    main.add_command(command)
