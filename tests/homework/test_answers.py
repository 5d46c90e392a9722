"""Right answers get every point, blank ones none, and wrong ones none: each cell's code run here, in one process."""

import functools
import importlib
import re

import matplotlib.pyplot as plt
import nbformat
import pytest

import kerasopt

from .paths import release

NAMES = release.assignments()
# Right in value, though they warn (nbgrader gives no points where a check lets that show) or write into what they get.
OTHERS = {
    ("hw1_dense", "c"): """
def loss(z, y):
    z = z.astype(float) - z.max(axis=1, keepdims=True)
    s, picked = np.exp(z).sum(axis=1), z[np.arange(len(z)), y]
    p = np.exp(picked) / s
    return np.where(p > 0, -np.log(p), np.log(s) - picked).mean()""",
    ("hw1_dense", "d"): """
def gradient(z, y):
    p = 1 / np.exp(z[:, None] - z[:, :, None]).sum(axis=2)
    return (p - np.eye(z.shape[1])[y]) / len(z)""",
    ("hw1_dense", "e"): """
def standardize(train, other):
    mean, s = train.mean(axis=0), train.std(axis=0)
    return [np.where(s > 0.05, (x - mean) / s, (x - mean) / 0.05) for x in (train, other)]""",
    ("hw1_dense", "f"): """
def fold(W, b, mean, deviation):
    W /= deviation[:, None]
    b -= mean @ W
    return W, b""",
    ("hw3_schedules", "f"): """
def ensemble(logits):
    p = 1 / np.exp(logits[..., None, :] - logits[..., :, None]).sum(axis=-1)
    return (p.sum(axis=0) + p[-1]) / (len(p) + 1)""",
}


@pytest.fixture(autouse=True, scope="module")
def _digits_are_drawn_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kerasopt.datasets, "load_mnist", functools.cache(kerasopt.datasets.load_mnist))
        yield


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


def code(cell):
    """A cell's source, without the lines that are IPython's own."""
    return re.sub(r"^(\s*)%.*$", r"\1pass", cell.source, flags=re.MULTILINE)


def run(source, space):
    exec(compile(source, "cell", "exec"), space)


def questions(name, seed=0):
    """Return the code cells as lists of (question, what stands before its answer, its answer, its check)."""
    found, before, answer = [], [], None
    for cell in release.source(name, seed).cells:
        mark = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code":
            continue
        if mark.get("grade"):
            found.append((mark["grade_id"].removesuffix("-check"), before, answer, code(cell)))
            before, answer = [], None
        elif mark.get("solution"):
            answer = code(cell)
        else:
            before.append(code(cell))
    return found


def blank(source):
    stub = 'raise NotImplementedError("your answer goes here")'
    return re.sub(r"### BEGIN SOLUTION.*?### END SOLUTION", stub, source, flags=re.DOTALL)


def changed(source, old, new):
    """The answer with a text replaced, or as another one altogether."""
    if old is None:
        return new
    assert source.count(old) == 1, f"{source.count(old)} times in the solution: {old}"
    return source.replace(old, new)


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_pass_and_wrong_ones_fail(name):
    wrong = importlib.import_module(f"tests.homework.wrong.{name}").WRONG
    space = {"__name__": "__main__"}
    for question, before, answer, check in questions(name):
        for source in before:
            run(source, space)
        assert len(wrong[question]) >= 3, question
        for source in [blank(answer), *(changed(answer, *change) for change in wrong[question])]:
            there = dict(space)
            try:
                run(source, there)
                run(check, there)
            except Exception:  # of any kind: it gets no points
                continue
            pytest.fail(f"{name}, question {question}: this gets the points:\n{source}")
        run(answer, space)
        run(check, space)


@pytest.mark.parametrize(("name", "asked"), OTHERS)
def test_other_right_answers_pass_without_a_warning(name, asked):
    space = {"__name__": "__main__"}
    for question, before, answer, check in questions(name):
        for source in before:
            run(source, space)
        if question == asked:
            run(OTHERS[name, asked], space)
            run(check, space)
            return
        run(answer, space)


@pytest.mark.parametrize("name", NAMES)
def test_another_variant_is_solved_by_its_own_solutions_only(name):
    space = {"__name__": "__main__"}
    public, refused = questions(name), 0
    for (_, before, answer, check), (_, _, theirs, _) in zip(questions(name, 1), public, strict=True):
        for source in before:
            run(source, space)
        there = dict(space)
        try:
            run(theirs, there)
            run(check, there)
        except Exception:
            refused += 1
        run(answer, space)
        run(check, space)
    assert refused >= 2, "the public solutions must not answer another variant"


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_changes_two_checks_at_least(name):
    public = [check for *_, check in questions(name)]
    for seed in range(1, 21):
        other = [check for *_, check in questions(name, seed)]
        assert sum(one != two for one, two in zip(public, other, strict=True)) >= 2, seed


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_has_what_it_needs(name):
    notebook = nbformat.read(release.HERE / "source" / name / f"{name}.ipynb", as_version=4)
    marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    graded = [mark for mark in marks if mark.get("grade")]
    assert 5 <= len([mark for mark in graded if not mark["solution"]]) <= 8
    assert len([mark for mark in graded if mark["solution"]]) == 1, "one paragraph for a person to read"
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    (promised,) = re.findall(r"\*Points\*: (\d+)", text)
    assert sum(mark["points"] for mark in graded) == int(promised)
    headings = re.findall(r"^## \((\w)\) .+, (\d+) points?", text, flags=re.MULTILINE)
    asked = [(mark["grade_id"].removesuffix("-check"), str(mark["points"])) for mark in graded]
    assert headings == asked


@pytest.mark.parametrize("name", NAMES)
def test_students_see_no_solution_and_no_hidden_test(name):
    student = nbformat.read(release.HERE / "release" / name / f"{name}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in student.cells)
    assert "SOLUTION" not in text
    assert "HIDDEN" not in text
    assert all(not cell.get("outputs") for cell in student.cells)
    block, secret, given = r"### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.*?)### END", [], []
    for cell in release.source(name).cells:
        secret += re.findall(block, cell.source, flags=re.DOTALL)
        given += re.sub(block, "", cell.source, flags=re.DOTALL).splitlines()
    lines = [line.strip() for part in secret for line in part.splitlines() if len(line.strip()) > 20]
    assert lines
    shown = {line.strip() for line in text.splitlines()} - {line.strip() for line in given}
    assert not [line for line in lines if line in shown]
