"""The directive of `examples`, which alone needs Sphinx."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from examples import ExampleError, Output, Page
from sphinx.util.docutils import SphinxDirective

PICTURES = "_generated/pictures"


class Run(SphinxDirective):
    """Code, and below it what it gives."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "alt": directives.unchanged_required,
        "hide": directives.flag,
        "code-only": directives.flag,
        "output-only": directives.flag,
        "error": directives.flag,
        "lines": directives.nonnegative_int,
        "prose": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        name = self.env.docname
        if "examples" not in self.env.temp_data:
            self.env.temp_data["examples"] = Page(name)
        page = self.env.temp_data["examples"]
        code = "\n".join(self.content)
        try:
            output = page.run(code, error="error" in self.options)
        except ExampleError as failed:
            self.state.document.reporter.warning(str(failed), line=self.lineno)
            return []
        if "hide" in self.options:
            return []
        found: list[nodes.Node] = []
        if "output-only" not in self.options:
            found.append(self._block(code, "python", "code"))
        if "code-only" not in self.options:
            found += self._shown(output)
        return found

    def _shown(self, output: Output) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        if output.text:
            lines = output.text.splitlines()
            kept = self.options.get("lines", len(lines))
            text = "\n".join([*lines[:kept], *(["..."] if len(lines) > kept else [])])
            found.append(self._block(text, "text", "output", prose="prose" in self.options))
        if output.pictures and "alt" not in self.options:
            raise self.error("a picture needs words of what it shows: add `:alt:`")
        return found + [self._picture(p) for p in output.pictures]

    def _block(
        self, text: str, language: str, kind: str, *, prose: bool = False
    ) -> nodes.literal_block:
        classes = [f"example-{kind}", *(["prose"] if prose else [])]
        block = nodes.literal_block(text, text, language=language, classes=classes)
        self.set_source_info(block)
        return block

    def _picture(self, png: bytes) -> nodes.image:
        folder = Path(self.env.srcdir) / PICTURES
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{sha256(png).hexdigest()[:16]}.png"
        file.write_bytes(png)
        uri = f"/{PICTURES}/{file.name}"
        _, path = self.env.relfn2path(uri, self.env.docname)
        assert Path(path).exists()
        return nodes.image(uri=uri, alt=self.options["alt"], classes=["example-picture"])


class Elsewhere(SphinxDirective):
    """Code of R and what it printed, both kept beside the page; the tests run it again."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        folder = Path(self.env.doc2path(self.env.docname)).parent / "snippets"
        found: list[nodes.Node] = []
        for ending, language, kind in ((".R", "r", "code"), (".txt", "text", "output")):
            file = folder / f"{self.arguments[0]}{ending}"
            self.env.note_dependency(str(file))
            text = file.read_text(encoding="utf-8").strip("\n")
            block = nodes.literal_block(
                text, text, language=language, classes=[f"example-{kind}", "elsewhere"]
            )
            self.set_source_info(block)
            found.append(block)
        return found
