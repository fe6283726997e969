"""What a picture shows, in a sentence or two for those who do not see it."""

from __future__ import annotations

from collections.abc import Sequence

from mixedbayes.plots.scene import Panel, Sheet, Ticks

_NAMED = 6  # of many panels or categories, those whose names are said


def alt_text(sheet: Sheet) -> str:
    """Panels, axes and legend of a sheet in words: the alternative text of its image.

    It says what is drawn against what, not what to conclude from it. The text of a page has to say
    that beside every picture, or the page's author writes another alternative text.
    """
    panels = sheet.panels
    said = [_panels([one_line(panel.title) for panel in panels])]
    across = _unique([sheet.xlabel, *(panel.xlabel for panel in panels)])
    up = _unique([sheet.ylabel, *(panel.ylabel for panel in panels)])
    rows, columns = _categories(panels, "yticks"), _categories(panels, "xticks")
    said += [f"Horizontal axis: {_named(across)}."] if across else []
    said += [f"Columns: {_named(columns)}."] if columns else []
    said += [f"Vertical axis: {_named(up)}."] if up else []
    said += [f"Rows: {_named(rows)}."] if rows else []
    keys = _unique([key.text for key in sheet.keys])
    said += [f"Shown: {'; '.join(keys)}."] if keys else []
    said += [one_line(sheet.note)] if sheet.note else []
    return " ".join(said)


def one_line(text: str) -> str:
    """A text without breaks of lines."""
    return " ".join(text.split())


def _panels(titles: Sequence[str]) -> str:
    named = _unique(titles)
    if len(titles) == 1:
        return f"Diagram: {named[0]}." if named else "Diagram."
    return f"{len(titles)} diagrams{': ' if named else ''}{_named(named)}."


def _categories(panels: Sequence[Panel], axis: str) -> list[str]:
    """Texts along an axis where they are names, not numbers."""
    ticks = [t for panel in panels if isinstance(t := getattr(panel, axis), Ticks)]
    return _unique([text for t in ticks for text in t.texts if not _number(text)])


def _number(text: str) -> bool:
    try:
        float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))
    except ValueError:
        return False
    return True


def _unique(texts: Sequence[str]) -> list[str]:
    """Those that say something, each once, in their order."""
    return list(dict.fromkeys(filter(None, map(one_line, texts))))


def _named(texts: Sequence[str]) -> str:
    rest = len(texts) - _NAMED
    return "; ".join(texts) if rest <= 1 else f"{'; '.join(texts[:_NAMED])}; and {rest} more"
