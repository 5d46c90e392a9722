"""The coding rules, as tests."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import execute
import nbformat
import pytest

import kerasopt

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "kerasopt").rglob("*.py"))
CHAPTERS = {path.stem: path for path in execute.chapters()}
NOTEBOOKS = CHAPTERS | {path.stem: path for path in execute.assignments()}


def notebook_code(path):
    """Its code cells as one program, without the lines that are IPython's own."""
    cells = nbformat.read(path, as_version=4).cells
    lines = "\n".join(cell.source for cell in cells if cell.cell_type == "code").splitlines()
    return "\n".join(re.sub(r"^(\s*)%.*$", r"\1pass", line) for line in lines)


PROGRAMS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in SOURCES}
PROGRAMS |= {str(path.relative_to(ROOT)): notebook_code(path) for path in NOTEBOOKS.values()}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_no_private_keras(name):
    for node in ast.walk(ast.parse(PROGRAMS[name])):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            imported = [f"{node.module}.{alias.name}" for alias in node.names]
        assert not any(re.match(r"keras\.(src|_)", module) for module in imported), ast.unparse(node)
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            own = owner in ("self", "cls", "super()") or owner.startswith("kerasopt")
            dunder = node.attr.startswith("__")
            assert not (node.attr.startswith("_") and not dunder and not own), ast.unparse(node)
            assert ast.unparse(node) != "keras.src"


def public_objects():
    """Every public class and function of ours, with the module that defines it."""
    for info in pkgutil.walk_packages(kerasopt.__path__, "kerasopt."):
        if any(part.startswith("_") for part in info.name.split(".")):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", None) == info.name and callable(value):
                yield pytest.param(module, name, value, id=f"{info.name}.{name}")


@pytest.mark.parametrize(("module", "name", "value"), list(public_objects()))
def test_public_names_are_exported_and_documented(module, name, value):
    parent = importlib.import_module(module.__name__.rpartition(".")[0])
    if parent is kerasopt and not hasattr(kerasopt, name):
        assert module.__name__.rpartition(".")[2] in kerasopt.__all__, "the module itself is the public name"
    else:
        assert name in parent.__all__
    document = inspect.getdoc(value) or ""
    for parameter in inspect.signature(value).parameters.values():
        if parameter.name not in ("self", "kwargs"):
            assert re.search(rf"^ *\**{parameter.name}:", document, re.MULTILINE), f"{parameter.name} is not described"
    if not inspect.isclass(value):
        assert "Returns:" in document or "Yields:" in document


def test_exported_names_exist():
    for info in [None, *pkgutil.walk_packages(kerasopt.__path__, "kerasopt.")]:
        module = importlib.import_module(info.name) if info else kerasopt
        for name in getattr(module, "__all__", []):
            assert hasattr(module, name), f"{module.__name__}.{name}"


@pytest.fixture(params=list(NOTEBOOKS))
def path(request):
    return NOTEBOOKS[request.param]


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_notebook_was_executed_in_order_without_complaint(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


def test_notebook_is_small(path, notebook):
    assert path.stat().st_size < 1_000_000
    for cell in code_cells(notebook):
        assert path.stem not in CHAPTERS or len(cell.source.splitlines()) <= 25, cell.source
        for picture in execute.pictures(cell):
            assert len(picture.data["image/png"]) * 3 / 4 <= 60_000, cell.source


def test_notebook_pictures_have_alternative_texts(notebook):
    for cell in code_cells(notebook):
        if execute.pictures(cell):
            assert len(cell.metadata["mystnb"]["image"]["alt"]) > 20, cell.source


@pytest.mark.parametrize("path", list(CHAPTERS.values()), ids=list(CHAPTERS))
def test_notebook_has_the_parts_that_a_chapter_has(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.startswith("# ")
    for part in ("**You will**", "**Predict, then run.**", "## What goes wrong", "## Summary", "## Exercises"):
        assert part in text
    assert re.search(r"^## References$", text, re.MULTILINE)
    assert any("key-figures" in cell.metadata.get("tags", []) for cell in notebook.cells)


def test_notebook_carries_the_current_address_and_no_machine(path, notebook):
    stamped = nbformat.from_dict(notebook)
    execute.stamp(stamped, path.relative_to(execute.FOLDER).as_posix())
    assert execute.REPOSITORY.partition("github.com/")[2] in stamped.cells[0].source
    assert stamped == nbformat.read(path, as_version=4), "run `make notebooks` after changing the address"
    assert not re.search(r"/(root|home|Users|work|tmp)/", path.read_text(encoding="utf-8"))


def test_the_readme_carries_the_current_address_and_its_links_lead_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", readme)) == {execute.REPOSITORY}
    for link in re.findall(r"\]\((?!https?:)(.+?)\)", readme):
        assert (ROOT / link).is_file(), link


def test_chapter_01_was_stored_with_the_accuracy_that_it_promises():
    text = NOTEBOOKS["01_first_network"].read_text(encoding="utf-8")
    (accuracy,) = re.findall(r"test accuracy +(\d+\.\d+)% after", text)
    assert 97.5 <= float(accuracy) <= 98.5, "stored outputs are of the real MNIST"


def test_formulas_become_mathml():
    assert "$" not in execute.formulas_to_mathml("a $x_1\n+ 1$ and $$\\sum x$$")
    assert 'display="block"' in execute.formulas_to_mathml("$$x$$")
