"""Grading as a teacher does it: honest and hostile submissions, in sandboxes, into one gradebook."""

import csv
import shutil
import socket
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .paths import grade, release, sandbox

try:
    sandbox.bubblewrap()
except RuntimeError as error:
    pytest.skip(str(error), allow_module_level=True)

TASK = "hw9_small"


def marked(cell, **mark):
    cell.metadata.nbgrader = {"schema_version": 3, "task": False, "locked": False, "solution": False} | mark
    return cell


@pytest.fixture(scope="module")
def homework(tmp_path_factory):
    """A course with one small assignment, which needs no Keras."""
    here = tmp_path_factory.mktemp("homework")
    shutil.copy(release.HERE / "nbgrader_config.py", here)
    answer = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
    check = 'assert double(3) == 6, "not the double"\n### BEGIN HIDDEN TESTS\nassert double(4) == 8\n### END HIDDEN TESTS'
    second = "def triple(x):\n    ### BEGIN SOLUTION\n    return 3 * x\n    ### END SOLUTION"
    cells = [
        new_markdown_cell("# Small\n\nbadge"),
        marked(new_code_cell(answer), grade=False, solution=True, grade_id="a"),
        marked(new_code_cell(check), grade=True, locked=True, grade_id="a-check", points=2),
        marked(new_code_cell(second), grade=False, solution=True, grade_id="b"),
        marked(new_code_cell("assert triple(3) == 9"), grade=True, locked=True, grade_id="b-check", points=3),
        marked(new_markdown_cell("Why?"), grade=True, solution=True, grade_id="c", points=1),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (here / "source" / TASK).mkdir(parents=True)
    nbformat.write(notebook, here / "source" / TASK / f"{TASK}.ipynb")
    return here


SPOIL = "import os, shutil\nfor place in {places!r}:\n    shutil.rmtree(place, ignore_errors=True)\n"
HOSTILE = {
    "loops": "while True:\n    pass",
    "loops-for-ever": "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
    "allocates": "x = []\nwhile True:\n    x.append(bytearray(10**8))",
    "forks": "import os\nwhile True:\n    os.fork()",
    "prints": "while True:\n    print('x' * 10**6)",
    "writes": "import os\nn = 0\nwhile True:\n    n += 1\n    open(f'f{n}', 'wb').write(os.urandom(10**8))",
    "exits": "import os\nos._exit(0)",
}
HONEST = ("def double(x):\n    return 2 * x", "def triple(x):\n    return 3 * x")


def submission(homework, first, second=HONEST[1]):
    """The student's version with these answers."""
    notebook = release.source(TASK)
    notebook.cells[1].source, notebook.cells[3].source = first, second
    return notebook


@pytest.fixture(scope="module")
def graded(homework, tmp_path_factory):
    """Everyone's submission, graded at once; the honest come first and last."""
    patch = pytest.MonkeyPatch()
    patch.setattr(release, "HERE", homework)
    patch.setattr(grade, "HERE", grade.HERE)
    folder, out = tmp_path_factory.mktemp("submitted"), tmp_path_factory.mktemp("graded") / "out"
    treasure = folder / "treasure.txt"
    treasure.write_text("mine")
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    places = [str(folder), str(out), str(homework), sys.prefix + "/share"]
    everyone = {name: submission(homework, f"{code}\n\n{HONEST[0]}") for name, code in HOSTILE.items()}
    everyone["a-honest"] = everyone["z-honest"] = submission(homework, *HONEST)
    everyone["half"] = submission(homework, HONEST[0], "def triple(x):\n    return 4 * x")
    everyone["visible-only"] = submission(homework, "def double(x):\n    return 6")
    everyone["deletes"] = submission(homework, SPOIL.format(places=places) + HONEST[0])
    call = f"import socket\ns = socket.create_connection(('127.0.0.1', {port}), 3)\ns.send(b'out')\n"
    everyone["calls"] = submission(homework, call + HONEST[0])
    everyone["tampers"] = submission(homework, "def double(x):\n    return 0")
    everyone["tampers"].cells[2].source = "pass"
    everyone["removes-the-check"] = submission(homework, "def double(x):\n    return 0")
    del everyone["removes-the-check"].cells[2]
    reads = "import glob\nfound = glob.glob('/**/*submitted*', recursive=True) + glob.glob('/**/source/hw*', recursive=True)\n"
    everyone["reads"] = submission(homework, reads + "assert not found, found\n" + HONEST[0])
    for student, notebook in everyone.items():
        (folder / student).mkdir()
        nbformat.write(notebook, folder / student / f"{TASK}.ipynb")
    (folder / "torn").mkdir()
    (folder / "torn" / f"{TASK}.ipynb").write_text('{"cells": [')
    patch.setenv("KERASOPT_CELL_SECONDS", "8")
    try:
        rows = {row[0]: row[1:] for row in grade.grade(folder, out, seconds=30)}
    finally:
        patch.undo()
    assert treasure.read_text() == "mine"
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.accept()
    server.close()
    return rows, out


def test_honest_submissions_get_their_points_before_and_after_the_hostile(graded):
    rows, out = graded
    assert rows["a-honest"][1:] == rows["z-honest"][1:] == (5, 6, 1, "graded")
    assert rows["half"][1:4] == (2, 6, 1)
    assert rows["visible-only"][1] == 3
    with open(out / "grades.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert {row["student"]: float(row["points"]) for row in table} == {name: row[1] for name, row in rows.items()}
    for student in ("a-honest", "half"):
        assert (out / "course/feedback" / student / TASK / f"{TASK}.html").exists()


def test_a_cell_that_never_ends_costs_its_own_points(graded):
    rows, _ = graded
    assert rows["loops"][1] == 3


@pytest.mark.parametrize("name", ["loops-for-ever", "forks", "prints", "exits"])
def test_what_cannot_be_stopped_gets_nothing_and_a_reason(graded, name):
    rows, _ = graded
    assert rows[name][1] == 0
    assert rows[name][-1] != "graded"


@pytest.mark.parametrize("name", ["allocates", "writes", "calls"])
def test_what_the_sandbox_refuses_is_an_error_in_its_cell_at_most(graded, name):
    rows, _ = graded
    assert rows[name][1] <= 3


def test_deleting_harms_nobody(graded):
    rows, out = graded
    assert rows["deletes"][1] == 5
    assert (out / "course/gradebook.db").exists()


def test_changed_and_removed_checks_are_put_back(graded):
    rows, _ = graded
    assert rows["tampers"][1] == 3
    assert rows["removes-the-check"][1] == 3


def test_nobody_reads_the_solutions_or_the_others(graded):
    rows, _ = graded
    assert rows["reads"][1] == 5


def test_what_is_no_notebook_gets_nothing_and_a_reason(graded):
    rows, _ = graded
    assert rows["torn"][1:] == (0, 6, 0, "not a notebook (NotJSONError)")


def test_a_clear_error_without_bubblewrap(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="Grading needs bubblewrap.*--no-sandbox"):
        grade.grade(tmp_path, tmp_path / "out")


def test_a_clear_error_for_a_folder_without_submissions(tmp_path):
    with pytest.raises(ValueError, match="SUBMISSIONS must be a folder with a folder a student"):
        grade.grade(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
