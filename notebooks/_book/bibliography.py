"""The bibliography: every reference of chapters and docstrings once, with what cites it."""

import inspect
from pathlib import Path
import re

import kerasopt
import nbformat

FOLDER = Path(__file__).resolve().parents[1]
TITLE = re.compile(r"\*([^*]+)\*")
WITHIN = "Algorithm|chapter|equation|Figure|function|section|for"
PLACE = re.compile(rf"(\d{{4}}\).*?|arXiv [\d.]+\d),? (?:{WITHIN})s? .*$")


def _flat(text):
    return re.sub(r"\s+", " ", text).strip()


def of_chapter(path):
    """Yield the references at the end of a chapter, without the remark after the colon."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    _, _, text = text.partition("\n## References\n")
    for item in re.findall(r"^- (.+?)(?=^- |^$|\Z)", text, flags=re.MULTILINE | re.DOTALL):
        item = _flat(item)
        if len(TITLE.findall(item)) == 1:
            item = re.sub(r"^(.*\*.+?\*.*?\d{4}[^:]*?|.*arXiv [\d.]+):.*$", r"\1.", item)
        yield item


def of_docstring(text):
    """Yield the references of a docstring, in the chapters' form."""
    match = re.search(r"^References?:\n((?:    .*\n?|\n)+)", text, flags=re.MULTILINE)
    for item in _flat(match[1]).rstrip(".").split("; ") if match else ():
        if '"' in item or "arXiv" in item:
            item = re.sub(r'"([^"]+?),?"', r"*\1*", item, count=1)
            yield PLACE.sub(r"\1", item) + "."


def public_objects():
    """Yield every public class and function of the package, as (module, name, value)."""
    for module_name in kerasopt.__all__:
        module = getattr(kerasopt, module_name)
        if inspect.ismodule(module):
            for name in module.__all__:
                value = getattr(module, name)
                if not inspect.ismodule(value) and callable(value):
                    yield module.__name__, name, value


def citations():
    """Yield (reference, place) for every reference, chapters first; the place is a link."""
    for path in sorted(FOLDER.glob("[0-9][0-9]_*.ipynb")):
        for item in of_chapter(path):
            yield item, f"[{path.name[:2]}]({path.name})"
    for module, name, value in public_objects():
        for item in of_docstring(inspect.getdoc(value) or ""):
            yield item, f"{{py:obj}}`~{module}.{name}`"


def _surname(item):
    first = re.split(r", | and | et |: ", item.partition(" *")[0])[0]
    return first.split()[-1].strip(",") if first.split() else item


def entries():
    """The list in Markdown, by the first author's surname and the title."""
    found = {}
    for item, place in citations():
        title, number = TITLE.search(item), re.search(r"arXiv ([\d.]+\d)", item)
        key = re.sub(r"\W|²|2", "", (title[1] if title else item).lower())
        key = number[1] if number else key
        text, places = found.get(key, (item, []))
        if title and not TITLE.search(text):
            text = item
        found[key] = text, places + [place] * (place not in places)
    lines = []
    by_author = sorted(found.values(), key=lambda entry: (_surname(entry[0]).lower(), entry[0]))
    for text, places in by_author:
        text = re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)
        lines.append(f"- {text} *Cited in* {', '.join(places)}.")
    return "\n".join(lines)


def append(app, name, source):
    """Append the list to the page."""
    if name == "bibliography":
        source[0] += "\n" + entries() + "\n"


def setup(app):
    """Compile the list when the page is read."""
    app.connect("source-read", append)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
