"""Execute the notebooks, each from a fresh kernel in this folder.

Without arguments all chapters, in order, and the assignments' sources, in place, on the real
MNIST, with their badges stamped.
With `--run 01` only chapter 01: progress and key figures in the terminal, its page in `_build/run`.
"""

import argparse
import html
import os
from pathlib import Path
import re
import sys
import time
import tomllib

import latex2mathml.converter
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
import nbformat
from traitlets.config import Config

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({url})"
INSTALL = """\
import sys

if "google.colab" in sys.modules:
    %pip install -q "kerasopt @ git+{repository}"
"""


def prepare_environment():
    """Set what the kernels inherit."""
    data = os.environ.get("KERASOPT_MNIST")
    if (
        data and data != "synthetic"
    ):  # kernels run in this folder, where a relative path leads astray
        os.environ["KERASOPT_MNIST"] = str(Path(data).expanduser().absolute())
    # On a GPU, TensorFlow tells of every device it creates, after its import, into the outputs.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def chapters():
    """Every chapter's path, in reading order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))


def assignments():
    """The path of every assignment's source, with its solutions."""
    return sorted(FOLDER.glob("homework/source/*/*.ipynb"))


def stamp(notebook, name):
    """Write the repository's address into the badge and into the cell that installs on Colab.

    Args:
        notebook: The notebook's node; changed in place.
        name: Its path in this folder, such as `01_first_network.ipynb`.
    """
    url = REPOSITORY.replace("https://github.com", "https://colab.research.google.com/github")
    badge = BADGE.format(url=f"{url}/blob/main/notebooks/{name}")
    title = notebook.cells[0]
    title.source = re.sub(
        r"^(\[!\[Open in Colab\].*|badge)$", lambda _: badge, title.source, flags=re.MULTILINE
    )
    for cell in notebook.cells:
        if "colab" in cell.metadata.get("tags", []):
            cell.source = INSTALL.format(repository=REPOSITORY).rstrip()


def execute(path, report=lambda *_: None):
    """Run a notebook from a fresh kernel.

    Args:
        path: The notebook's file; it is only read.
        report: Called before each code cell as `report(number, count, heading)`.

    Returns:
        The executed notebook's node, free of what differs from one machine to the next.
    """
    notebook = nbformat.read(path, as_version=4)
    stamp(notebook, path.relative_to(FOLDER).as_posix())
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs, cell.execution_count = [], None

    def tell(cell, cell_index, **_):
        if cell.cell_type == "code":
            report(code.index(cell) + 1, len(code), heading(notebook.cells[:cell_index]))

    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        config=Config(
            {"KernelManager": {"transport_encryption": "auto"}}
        ),  # else every kernel warns about it
        resources={"metadata": {"path": str(FOLDER)}},
        on_cell_start=tell,
    )
    os.environ.pop("MPLBACKEND", None)  # the notebook's own backend stores the figures
    client.execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def heading(cells):
    """The last heading of the markdown cells given."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)[-1]


def printed(cell):
    """What a cell wrote to standard output."""
    outputs = cell.get("outputs", [])
    return "".join(output.text for output in outputs if output.get("name") == "stdout")


def page(notebook, title):
    """Convert an executed notebook to one HTML file whose formulas and figures need no network."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            # The badge is a picture from the network, and the link does without it.
            cell.source = re.sub(r"\[!\[(.+?)\]\(.+?\)\]\((.+?)\)", r"[\1](\2)", cell.source)
            cell.source = formulas_to_mathml(cell.source)
    exporter = HTMLExporter(require_js_url="", mathjax_url="", jquery_url="")
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    # The template would fetch these two libraries, and we need neither.
    unwanted = r"<script[^>]*>(?:(?!</script>).)*(?:mermaid|MathJax)(?:(?!</script>).)*</script>"
    text = re.sub(unwanted, "", text, flags=re.DOTALL)
    alternatives = iter([_alternative(cell) for cell in notebook.cells for _ in pictures(cell)])
    return re.sub(r'alt="No description[^"]*"', lambda _: f'alt="{next(alternatives)}"', text)


def pictures(cell):
    """The outputs of a cell that are pictures."""
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def _alternative(cell):
    return html.escape(cell.metadata["mystnb"]["image"]["alt"])


def mathml(tex, display):
    """One formula in MathML, `inline` or as a `block`."""
    # The converter knows a backslash before a space, and not one at a line's end.
    return latex2mathml.converter.convert(" ".join(tex.split()), display=display)


def formulas_to_mathml(text):
    """Replace TeX formulas between dollar signs by MathML, which browsers show by themselves."""

    def convert(match):
        return mathml(match[1] or match[2], "block" if match[1] else "inline")

    return re.sub(r"\$\$(.+?)\$\$|\$([^$]+?)\$", convert, text, flags=re.DOTALL)


def run(chapter):
    """Execute one chapter with visible progress, print its key figures and write its page."""
    matches = [path for path in chapters() if path.name.startswith(f"{chapter:0>2}_")]
    if not matches:
        raise SystemExit(
            f"No chapter {chapter}. There are: {', '.join(path.stem for path in chapters())}"
        )
    (path,) = matches
    began = time.monotonic()

    def report(number, count, title):
        seconds = time.monotonic() - began
        print(f"  {seconds:5.1f} s   cell {number:2} of {count}   {title}", flush=True)

    print(f"Chapter {path.stem}, from a fresh kernel:")
    try:
        notebook = execute(path, report)
    except CellExecutionError as error:
        raise SystemExit(f"{error}\nChapter {path.stem} failed.") from None
    print()
    for cell in notebook.cells:
        text = printed(cell)
        if text.startswith("MNIST cannot be had") or "key-figures" in cell.metadata.get("tags", []):
            print(text, end="")
    target = ROOT / "_build" / "run" / f"{path.stem}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(notebook, path.stem), encoding="utf-8")
    print(f"\nPage: {target.relative_to(ROOT)}   ({time.monotonic() - began:.0f} s)")


def execute_all():
    """Execute all in place, on the real MNIST; a notebook that fails stays as it was."""
    import kerasopt

    kerasopt.datasets.load_mnist(
        source="mnist"
    )  # outputs made from drawn digits must not be committed
    for path in [*chapters(), *assignments()]:
        began = time.monotonic()
        notebook = execute(path)
        temporary = path.with_suffix(".tmp")
        nbformat.write(notebook, temporary)
        os.replace(temporary, path)
        print(
            f"{path.name}: {time.monotonic() - began:.0f} s, {path.stat().st_size // 1000} kB",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", metavar="CHAPTER", help="execute this chapter only, into _build/run"
    )
    arguments = parser.parse_args()
    prepare_environment()
    sys.exit(run(arguments.run) if arguments.run else execute_all())
