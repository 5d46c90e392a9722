"""Chapters as pages: without what only Colab needs, and their key figures for other pages."""

import json
from pathlib import Path
import re

from docutils import nodes
import nbformat
from sphinx.util.docutils import SphinxDirective

FOLDER = Path(__file__).resolve().parents[1]


def trim(text):
    """A chapter's JSON without the badge and the cell that are for Colab: pages have buttons."""
    notebook = json.loads(text)
    cells = notebook["cells"]
    cells = [cell for cell in cells if "colab" not in cell["metadata"].get("tags", [])]
    for cell in cells:
        if cell["cell_type"] == "markdown":
            source = "".join(cell["source"])
            cell["source"] = re.sub(r"^\[!\[Open in Colab\].*\n+", "", source, flags=re.MULTILINE)
    return json.dumps(notebook | {"cells": cells})


def link(text):
    """A page's text in which a chapter that is still to be written is named, and not linked."""

    def keep(match):
        return match[0] if (FOLDER / match[2]).exists() else match[1]

    return re.sub(r"\[([^\]]+)\]\((\d\d_\w+\.ipynb)(?:#[^)]*)?\)", keep, text)


def _entry(path):
    """A line of a table of contents; a chapter's begins with its number."""
    name = str(path.relative_to(FOLDER).with_suffix(""))
    if path.suffix != ".ipynb":
        return name
    title = nbformat.read(path, as_version=4).cells[0].source.partition("\n")[0].removeprefix("# ")
    return f"{name[:2]} {title} <{name}>"


def list_parts(text):
    """The index with what there is in place of patterns, and without empty contents."""

    def fill(match):
        head, patterns = match[1], match[2].split()
        found = [sorted(FOLDER.glob(p + ".*")) if "*" in p else [FOLDER / p] for p in patterns]
        names = [_entry(path) for paths in found for path in paths]
        return "\n".join([head, *names, "```"]) if names else ""

    return re.sub(r"(^```\{toctree\}\n(?::.*\n)+)((?:\S+\n)+)```", fill, text, flags=re.MULTILINE)


def prepare(app, name, source):
    """Prepare a source as it is read."""
    is_chapter = Path(app.env.doc2path(name)).suffix == ".ipynb"
    source[0] = trim(source[0]) if is_chapter else link(source[0])
    if name == "index":
        source[0] = list_parts(source[0])


class KeyFigures(SphinxDirective):
    """The closing figures that a chapter printed when it was last executed."""

    required_arguments = 1

    def run(self):
        """Find the cell that is tagged `key-figures`."""
        path = FOLDER / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(path))
        for cell in nbformat.read(path, as_version=4).cells:
            if "key-figures" in cell.metadata.get("tags", []):
                printed = "".join(output.get("text", "") for output in cell.outputs).rstrip()
                return [nodes.literal_block(printed, printed, language="text")]
        raise self.error(f"no key figures in {path.name}")


def setup(app):
    """Register both."""
    app.connect("source-read", prepare)
    app.add_directive("key-figures", KeyFigures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
