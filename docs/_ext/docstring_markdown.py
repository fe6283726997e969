"""Docstrings of the package as Markdown: sections, indented formulas, lists, examples."""

from __future__ import annotations

import inspect
import re
import textwrap

_SPECIAL = re.compile(r"([\\*_<>\[\]$|~#{}])")
_SECTION = re.compile(r"(?m)^([A-Z][A-Za-z ]+)\n-{3,}\n")
ENTRIES = ("Parameters", "Raises", "Attributes", "Other Parameters", "Yields")


def markdown(doc: str, depth: int = 4) -> str:
    """A whole docstring; titles of sections are bold words, no headings."""
    first, *rest = _SECTION.split(inspect.cleandoc(doc))
    parts = [prose(first)]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        parts.append(f"**{title}**\n\n{_section(title, body)}")
    return "\n\n".join(p for p in parts if p.strip()) + "\n"


def _section(title: str, body: str) -> str:
    if title in ENTRIES or (title == "Returns" and _has_entries(body)):
        return _entries(body)
    if title == "See Also":
        return prose(re.sub(r"(?m)^(\S+) : ", r"- `\1`: ", body))
    return prose(body)


def _has_entries(body: str) -> bool:
    """Whether lines at the margin are followed by ones that are indented, throughout."""
    blocks = re.findall(r"(?m)^\S.*\n(?=[ ]{4}\S)", body)
    margin = re.findall(r"(?m)^\S", body)
    return bool(blocks) and len(blocks) == len(margin)


def _entries(body: str) -> str:
    """A list of definitions: names, and what is said of each."""
    found, name, lines = [], None, []

    def close() -> None:
        if name is not None:
            said = prose("\n".join(lines)) or "\\ "
            found.append(f"{inline_name(name)}\n: {textwrap.indent(said, '  ').lstrip()}")

    for line in textwrap.dedent(body).splitlines():
        if line and not line[0].isspace():
            close()
            name, lines = line, []
        else:
            lines.append(line)
    close()
    return "\n\n".join(found)


def inline_name(name: str) -> str:
    """The names of an entry, as code, and its type as text."""
    names, colon, kind = name.partition(" : ")
    code = ", ".join(f"`{n.strip()}`" for n in names.split(","))
    return code + (f" ({inline(kind)})" if colon else "")


def prose(text: str) -> str:
    """Paragraphs, lists, indented formulas, and examples of an interpreter."""
    parts, fence = [], "```"
    for block in _blocks(textwrap.dedent(text).strip("\n")):
        if block.startswith(">>>"):
            code = re.sub(r"[ ]*# doctest:.*$|^<BLANKLINE>$", "", block, flags=re.MULTILINE)
            parts.append(f"{fence}pycon\n{code}\n{fence}")
        elif block.startswith("==="):
            parts.append(f"{fence}text\n{block}\n{fence}")
        elif block[0] == " ":
            parts.append(f"{fence}text\n{textwrap.dedent(block)}\n{fence}")
        else:
            parts.append(inline(block))
    return "\n\n".join(parts)


def _blocks(text: str) -> list[str]:
    """Pieces between empty lines, and where a list, an example or an indented part begins."""
    found: list[list[str]] = []
    kind = ""
    for line in text.splitlines():
        if not line.strip():
            kind = ""
            continue
        if line.startswith(">>>") or (kind == "example"):
            own = "example"
        elif line.startswith("- "):
            own = "list"
        elif line[0] == " ":
            own = "list" if kind == "list" else ("text" if kind == "text" else "indented")
        else:
            own = "text"
        if own != kind or not found:
            found.append([])
        kind = own
        found[-1].append(line)
    return ["\n".join(lines) for lines in found]


def inline(text: str) -> str:
    """Markdown of a paragraph: what stands in backticks is code, the rest is text."""
    parts = re.split(r"(``.+?``|`[^`]+`)", text, flags=re.DOTALL)
    said = []
    for i, part in enumerate(parts):
        if i % 2:
            said.append(f"`{part.strip('`')}`")
        else:
            said.append(_SPECIAL.sub(r"\\\1", part))
    # a line that Markdown would take for a list or a number of one
    return re.sub(r"(?m)^(\s*)([+=]|\d+[.)])(?=\s)", r"\1\\\2", "".join(said))
