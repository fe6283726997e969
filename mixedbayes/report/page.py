"""The page: its sections, its look and its script, all in one text."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from mixedbayes.printable import escaped
from mixedbayes.report.sections import Part

# Nothing may be loaded from anywhere: what the page needs is in it.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
ICON = "data:,"  # else browsers ask the server for one


def html(title: str, lead: str, parts: list[Part]) -> str:
    """The whole page."""
    links = "".join(f'<a href="#{p.key}">{escaped(p.title)}</a>' for p in parts)
    body = "".join(
        f'<section id="{p.key}"><h2>{escaped(p.title)}</h2>{p.body}</section>' for p in parts
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="{ICON}"><title>{escaped(title)}</title>'
        f"<style>{_asset('report.css')}</style></head><body>"
        f'<header><h1>{escaped(title)}</h1><p class="lead">{escaped(lead)}</p></header>'
        f"<nav>{links}</nav><main>{body}</main>"
        f"<script>{_plotly_script()}</script><script>{_asset('report.js')}</script>"
        "</body></html>\n"
    )


@cache
def _asset(name: str) -> str:
    return files("mixedbayes.report").joinpath("assets", name).read_text(encoding="utf-8")


def _plotly_script() -> str:
    """plotly.js as it comes with the Python package."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
