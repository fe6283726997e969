"""Exit codes, and how an error ends a command: one readable message, never a traceback."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from mixedbayes.errors import MixedBayesError, SamplingError
from mixedbayes.printable import printable

OK = 0
USER_ERROR = 1
USAGE = 2  # click's own
NOT_CONVERGED = 3
INTERRUPTED = 130

# The C linker that this is about is not used: models run through numba.
_NOT_FOR_USERS = "PyTensor could not link to a BLAS"

HELP = """\
\b
Exit codes:
  0    all is well
  1    an error in the formula, the data, a prior or a file
  2    the command line is not understood
  3    sampling failed or did not converge; what there is has been written
  130  interrupted; the draws kept so far have been written
"""


def say(text: str) -> None:
    """One line on stderr, so that stdout holds results alone."""
    click.echo(printable(text), err=True)


def fail(message: str, code: int) -> None:
    say(f"error: {message}")
    sys.exit(code)


def guarded(command: Callable[..., int]) -> Callable[..., None]:
    """Run a command that returns its exit code; turn errors into a message and a code.

    With --debug the traceback is shown instead.
    """

    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @wraps(command)
    def run(*, debug: bool, **options: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=_NOT_FOR_USERS)
                code = command(**options)
        except KeyboardInterrupt:
            say("interrupted: nothing was kept")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            raise  # the reader of our output has gone; click ends quietly
        except (MixedBayesError, OSError, MemoryError) as error:
            if debug:
                raise
            fail(_message(error), NOT_CONVERGED if isinstance(error, SamplingError) else USER_ERROR)
        else:
            sys.exit(code)

    return run


def _message(error: BaseException) -> str:
    if isinstance(error, MixedBayesError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
