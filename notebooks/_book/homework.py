"""The table of assignments, read from the students' versions."""

from pathlib import Path
import re

import nbformat

FOLDER = Path(__file__).resolve().parents[1]
FACTS = re.compile(r"\*You need\* (chapters? .+?), and (.+?) minutes\. \*Points\*: (\d+)\.")


def table():
    """What each assignment asks, needs, takes and gives, in Markdown."""
    rows = ["| | what you do | chapters | minutes | points | |", "|---|---|---|---|---|---|"]
    for path in sorted((FOLDER / "homework" / "release").glob("*/*.ipynb")):
        text = nbformat.read(path, as_version=4).cells[0].source
        title = re.search(r"^# Assignment (\d+): (.+)$", text, re.MULTILINE)
        needs, minutes, points = FACTS.search(" ".join(text.split())).groups()
        needs = re.sub(r"\d\d", _chapter, re.sub(r"chapters? ", "", needs))
        colab = re.search(r"\((https://colab[^)]+ipynb)\)", text)[1]
        get = f"[Colab]({colab}), {{download}}`notebook <release/{path.parent.name}/{path.name}>`"
        name = title[2][0].upper() + title[2][1:]
        rows.append(f"| {title[1]} | {name} | {needs} | {minutes} | {points} | {get} |")
    return "\n".join(rows)


def _chapter(match):
    (path,) = FOLDER.glob(f"{match[0]}_*.ipynb")
    return f"[{match[0]}](../{path.name})"


def prepare(app, name, source):
    """Fill the table in as the page is read."""
    if name == "homework/index":
        source[0] = source[0].replace("% assignments", table())


def setup(app):
    """Register it."""
    app.connect("source-read", prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
