"""The user's labels in text for a terminal or a page, which would obey what is in them."""

from __future__ import annotations

import re
from html import escape

# C0 and C1 controls but tab and newline, halves of surrogate pairs, separators of lines and
# paragraphs, and what turns the direction of writing.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""The text with control characters as they are written in Python, such as `\x1b`.

    Tabs and newlines stay: lines are the layout of the package's own texts. See `in_one_line`.
    """
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def in_one_line(text: str) -> str:
    r"""The same for one label, whose tabs and newlines too are written as `\t` and `\n`."""
    return printable(text).replace("\n", r"\n").replace("\t", r"\t")


def escaped(text: str) -> str:
    """The text as HTML that shows it harmlessly."""
    return escape(printable(text))
