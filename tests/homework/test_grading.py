"""Grading as a teacher does it: honest and hostile submissions, in sandboxes, into one gradebook."""

import csv
import shutil
import socket
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .paths import grade, release, sandbox

TASK = "hw9_small"
GIVEN = "import numpy as np\n\n\ndef near(a, b):\n    return abs(a - b) < 1e-9"
DOUBLE = "def double(x):\n    return 2 * x"
TRIPLE = "def triple(x):\n    return 3 * x"
CHECK_A = 'assert double(3) == 6, "not the double"'
HIDDEN_A = "assert near(double(4), 8)\nassert np.allclose(double(np.ones(3)), 2)"
HIDDEN_B = "assert triple(4) == 12\nprint(f'leaderboard: {0.5 + len(triple.__name__) / 100:.4f}')"


def marked(cell, **mark):
    cell.metadata.nbgrader = {"schema_version": 3, "task": False, "locked": False, "solution": False} | mark
    return cell


def asked(answer):
    first, _, rest = answer.partition("\n")
    return f"{first}\n    ### BEGIN SOLUTION\n{rest}\n    ### END SOLUTION"


def with_hidden(check, hidden):
    return f"{check}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"


@pytest.fixture(scope="module")
def homework(tmp_path_factory):
    """A homework with one small assignment, which needs no Keras."""
    here = tmp_path_factory.mktemp("homework")
    shutil.copy(release.HERE / "nbgrader_config.py", here)
    cells = [
        new_markdown_cell("# Small\n\nbadge"),
        new_code_cell(GIVEN),
        marked(new_code_cell(asked(DOUBLE)), grade=False, solution=True, grade_id="a"),
        marked(new_code_cell(with_hidden(CHECK_A, HIDDEN_A)), grade=True, locked=True, grade_id="a-check", points=2),
        marked(new_code_cell(asked(TRIPLE)), grade=False, solution=True, grade_id="b"),
        marked(new_code_cell(with_hidden("", HIDDEN_B)), grade=True, locked=True, grade_id="b-check", points=3),
        marked(new_markdown_cell("Why?"), grade=True, solution=True, grade_id="c", points=1),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (here / "source" / TASK).mkdir(parents=True)
    nbformat.write(notebook, here / "source" / TASK / f"{TASK}.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "HERE", here)
        patch.setenv("KERASOPT_CELL_SECONDS", "4")
        yield here


HOSTILE = {
    "loops": "while True:\n    pass",
    "loops-for-ever": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass",
    "allocates": "x = []\nwhile True:\n    x.append(b'x' * 10**8)",
    "forks": "import os\nwhile True:\n    os.fork()",
    "prints": "while True:\n    print('x' * 10**6)",
    "fills-the-disk": "n = 0\nwhile True:\n    n += 1\n    open(f'/tmp/{n}', 'wb').write(bytes(10**8))",
    "fills-the-sockets": """\
import os
place = os.path.dirname(get_ipython().config.IPKernelApp.connection_file)
n = 0
while True:
    n += 1
    open(f'{place}/{n}', 'wb').write(bytes(10**8))""",
    "exits": "import os\nos._exit(0)",
    "leaves-a-thread": """\
import sys, threading
def talk():
    while True:
        print('x' * 1000)
threading.Thread(target=talk, daemon=True).start()""",
}
NOSY = """\
import glob, os, shutil, socket
for place in {places!r}:
    shutil.rmtree(place, ignore_errors=True)
try:
    socket.create_connection(('127.0.0.1', {port}), 3).send(b'out')
except OSError:
    pass
found = [place for place in {private!r} if os.path.exists(place)]
assert not found, found
assert len(glob.glob('/proc/[0-9]*')) < 10
for place in ('/dev/shm', '/dev', '/', '/usr', '/etc'):
    try:
        open(place + '/mark', 'w').write('x')
    except OSError:
        continue
    assert place == '/dev/shm', place
"""
SHOWY = """\
from IPython.display import HTML, display
display(HTML('<script>alert(2)</script>'))
display({'image/png': '"><script>alert(3)</script>', 'text/plain': 'a picture'}, raw=True)
print('<script>alert(4)</script>')
"""
CHEAT = """\
np.allclose = lambda *_: True
near = lambda *_: True
def abs(x): return 0
from IPython.display import display
class Two:
    def __repr__(self): return '2.0'
get_ipython().events.register('pre_run_cell', lambda _: get_ipython().displayhook(Two()))
class double(int):
    __call__ = lambda self, x: 6 if isinstance(x, int) and x == 3 else 7
double = double()"""


def submission(first=DOUBLE, second=TRIPLE):
    """A student's version with these answers."""
    cells = nbformat.read(release.HERE / "source" / TASK / f"{TASK}.ipynb", as_version=4)
    cells.cells[2].source, cells.cells[4].source = first, second
    cells.cells[3].source, cells.cells[5].source, cells.cells[6].source = CHECK_A, "", "*Your answer goes here.*"
    return cells


def everyone(private, port):
    """Every student's submission; the honest come first and last."""
    found = {name: submission(f"{code}\n\n{DOUBLE}") for name, code in HOSTILE.items()}
    found["a-honest"] = submission()
    found["z-honest"] = submission(SHOWY + DOUBLE)
    found["z-honest"].cells[6].source = "Because of <script>alert(1)</script>."
    found["visible-only"] = submission("def double(x):\n    return 6")
    found["nosy"] = submission(
        NOSY.format(places=[*private, f"{sys.prefix}/share"], private=private, port=port) + DOUBLE
    )
    found["cells-of-its-own"] = submission("def double(x):\n    return helped(x)")
    copied = marked(new_code_cell("import math"), grade=False, solution=True, grade_id="a")
    found["cells-of-its-own"].cells[3:3] = [new_code_cell("def helped(x):\n    return x * math.floor(2.5)"), copied]
    stub = "    raise NotImplementedError('your answer goes here')"
    blank = submission(f"def double(x):\n{stub}", f"def triple(x):\n{stub}")
    found["blank"] = blank
    cheat = found["cheats"] = submission(CHEAT)
    cheat.cells[3].source = "pass"
    cheat.cells[3].metadata.nbgrader.points = 100
    del cheat.cells[5]
    cheat.cells.append(marked(new_code_cell("1"), grade=True, grade_id="b-check", points=50))
    cheat.cells.append(marked(new_code_cell("1"), grade=True, grade_id="bonus", points=50))
    cheat.cells.append(marked(new_code_cell("print('leaderboard: 99')"), grade=True, grade_id="a-check", points=50))
    return found


@pytest.fixture(scope="module")
def graded(homework, tmp_path_factory):
    """All of them, graded at once."""
    try:
        sandbox.bubblewrap()
    except RuntimeError as error:
        pytest.skip(str(error))
    folder, out = tmp_path_factory.mktemp("submissions"), tmp_path_factory.mktemp("graded") / "out"
    treasure = folder / "treasure.txt"
    treasure.write_text("mine")
    with socket.create_server(("127.0.0.1", 0)) as server:
        private = [str(folder), str(out), str(homework)]
        for student, notebook in everyone(private, server.getsockname()[1]).items():
            (folder / student).mkdir()
            nbformat.write(notebook, folder / student / f"{TASK}.ipynb")
        (folder / "torn").mkdir()
        (folder / "torn" / f"{TASK}.ipynb").write_text('{"cells": [')
        (folder / "twice" / "again").mkdir(parents=True)
        for place in ("twice", "twice/again"):
            shutil.copy(folder / "a-honest" / f"{TASK}.ipynb", folder / place)
        rows = {row[0]: row[1:] for row in grade.grade(folder, out, seconds=30)}
        assert treasure.read_text() == "mine"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    return rows, folder, out


def test_the_honest_get_their_points_before_and_after_the_hostile(graded):
    rows, _, out = graded
    assert rows["a-honest"][1:] == (5, 6, 0, "graded")
    assert rows["z-honest"][1:] == (5, 6, 1, "graded")
    assert rows["cells-of-its-own"][1] == 5
    assert rows["visible-only"][1] == 3
    with open(out / "grades.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert {row["student"]: float(row["points"]) for row in table} == {name: row[1] for name, row in rows.items()}
    assert (out / "course/gradebook.db").exists()


def test_nothing_that_students_write_acts_in_a_browser(graded):
    _, _, out = graded
    page = (out / "course/feedback/z-honest" / TASK / f"{TASK}.html").read_text()
    assert "alert(1)" in page
    assert "a picture" in page
    assert "<script>alert" not in page


def test_a_blank_notebook_gets_nothing_on_every_question(graded):
    _, _, out = graded
    with open(out / "questions.csv", newline="") as file:
        assert [row["points"] for row in csv.DictReader(file) if row["student"] == "blank"] == ["0.0"] * 3


@pytest.mark.parametrize("name", ["loops", "allocates", "fills-the-disk"])
def test_what_can_be_stopped_costs_its_own_points(graded, name):
    assert graded[0][name][1:] == (3, 6, 0, "graded")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("loops-for-ever", "a cell could not be stopped"),
        ("forks", "broke the limit of 64 processes"),
        ("fills-the-sockets", "broke the limit of what may be written"),
        ("exits", "it ended its kernel"),
        ("torn", "not a notebook (JSONDecodeError)"),
        ("twice", "handed in 2 times"),
    ],
)
def test_what_cannot_be_stopped_gets_nothing_and_a_reason(graded, name, reason):
    *_, points, most, _, status = graded[0][name]
    assert (points, most) == (0, 6)
    assert status.startswith(reason)


def test_printing_for_ever_fills_neither_memory_nor_disk(graded):
    rows, _, out = graded
    assert rows["prints"][1:] in [(3, 6, 0, "graded"), (0, 6, 0, grade.REASONS["Timeout waiting for IOPub"])]
    assert sum(path.stat().st_size for path in (out / "course").rglob("*") if path.is_file()) < 20 * 2**20


def test_sandboxes_show_nothing_of_the_others_and_let_nothing_out(graded):
    assert graded[0]["nosy"][1:] == (5, 6, 0, "graded")


def test_cheats_gain_nothing(graded):
    assert graded[0]["cheats"][1:] == (3, 6, 0, "graded")


def test_the_leaderboard_has_who_passed(graded):
    rows, _, out = graded
    with open(out / "leaderboard.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert {(row["score"], row["rank"]) for row in table} == {("0.56", "1")}
    # A thread that prints into the check has the last line, or not.
    thread = {"leaves-a-thread"}
    assert {row["student"] for row in table} - thread == {name for name, row in rows.items() if row[1] >= 3} - thread
    grade.write_leaderboard(out / "other.csv", {("a", "x"): 0.5, ("b", "x"): 0.7, ("c", "x"): 0.5, ("d", "y"): 0.1})
    assert (out / "other.csv").read_text().splitlines()[1:] == ["x,1,b,0.7", "x,2,a,0.5", "x,2,c,0.5", "y,1,d,0.1"]


def test_points_given_by_hand_count_and_stay(graded):
    from nbgrader.api import Gradebook

    _, folder, out = graded
    with Gradebook(f"sqlite:///{out / 'course/gradebook.db'}") as book:
        mark = book.find_grade("c", TASK, TASK, "z-honest")
        mark.manual_score, mark.needs_manual_grade = 1, False
        book.db.commit()
    rows = {row[0]: row[1:] for row in grade.grade(folder, out, execute=False)}
    assert rows["z-honest"][1:] == (6, 6, 0, "graded")
    assert {name: row for name, row in rows.items() if name != "z-honest"} == {
        name: row for name, row in graded[0].items() if name != "z-honest"
    }


def test_without_a_sandbox_when_told_so(homework, tmp_path):
    (tmp_path / "in/kim").mkdir(parents=True)
    nbformat.write(submission(), tmp_path / "in/kim" / f"{TASK}.ipynb")
    assert grade.grade(tmp_path / "in", tmp_path / "out", sandboxed=False) == [("kim", TASK, 5, 6, 0, "graded")]


def test_a_clear_error_without_bubblewrap(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"Grading needs bubblewrap.*--no-sandbox"):
        grade.grade(tmp_path, tmp_path / "out")


def test_a_clear_error_for_a_folder_without_submissions(tmp_path):
    with pytest.raises(ValueError, match="SUBMISSIONS must be a folder with a folder a student"):
        grade.grade(tmp_path, tmp_path / "out", sandboxed=False)
    assert not (tmp_path / "out").exists()
