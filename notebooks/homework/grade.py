"""Grade submissions offline, each in a sandbox: tables of the points, and a page of feedback a submission.

    python grade.py SUBMISSIONS [--out _build/grades] [--seed 0] [--no-run] [--no-sandbox]

SUBMISSIONS has a folder a student, and in it the notebooks, at any depth, under the assignments' names, such as
`submissions/kim/hw2_optimizers.ipynb`. What cannot be read or run gets no points and a reason; the others go on.
"""

import argparse
import csv
import json
import os
from pathlib import Path
import re
import sys
import tempfile

import nbformat

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import release  # noqa: E402
import sandbox  # noqa: E402

LARGEST = 20 * 2**20  # bytes of a submitted notebook
WRITTEN = 500_000  # characters of its cells together
REASONS = {
    "Kernel died": "it ended its kernel",
    "Timeout waiting for IOPub": "a cell could not be stopped, or left something running that prints",
    "Kernel didn't respond": "its kernel did not start",
    "MemoryError": "its outputs are too large",
}


def submissions(folder):
    """Find the notebooks to grade.

    Args:
        folder: A folder with a folder a student.

    Returns:
        A list of (student, assignment, paths); there should be one path.

    Raises:
        ValueError: If there is none.
    """
    found, names = {}, release.assignments()
    for path in sorted(Path(folder).glob("*/**/*.ipynb")):
        student, name = path.relative_to(folder).parts[0], path.stem
        if ".ipynb_checkpoints" in path.parts:
            continue
        if name in names:
            found.setdefault((student, name), []).append(path)
        else:
            print(f"Left out, since no assignment has this name: {path}")
    if not found:
        raise ValueError(
            f"Argument SUBMISSIONS must be a folder with a folder a student, and notebooks in these named after an "
            f"assignment ({', '.join(names)}). Received: {folder}"
        )
    return [(*key, paths) for key, paths in found.items()]


def read(path):
    """Read a submitted notebook, of which nothing but the texts of its cells counts.

    Args:
        path: Where it is.

    Returns:
        A list of (grade_id or None, whether it is code, text).

    Raises:
        ValueError: If it is not a notebook.
    """
    if path.is_symlink() or path.stat().st_size > LARGEST:
        raise ValueError(f"not a file of at most {LARGEST // 2**20} MB")
    cells = []
    try:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            text.encode()
            mark = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")
            cells.append(
                (mark if isinstance(mark, str) else None, cell["cell_type"] == "code", text)
            )
    except Exception as error:
        raise ValueError(f"not a notebook ({type(error).__name__})") from error
    if sum(len(text) for _, _, text in cells) > WRITTEN:
        raise ValueError(f"its cells have more than {WRITTEN:,} characters")
    return cells


def collect(course, student, name, path):
    """Put a student's answers into a fresh copy of the assignment, and the student's own code cells between them.

    Args:
        course: The course's folder.
        student: The student's folder name.
        name: The assignment.
        path: The submitted notebook.

    Raises:
        ValueError: If it is not a notebook, or the student's name cannot be a folder of nbgrader.
    """
    if not re.fullmatch(r"\w[\w.@-]*", student):
        raise ValueError(
            "a student's folder must be named with letters, digits, `.`, `_`, `-` and `@`"
        )
    notebook = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    marks = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }
    given = {cell.source.strip() for cell in notebook.cells}
    own, before, answers = {}, [], {}
    for mark, is_code, text in read(path):
        if mark in marks:
            own.setdefault(mark, []).extend(before)
            before = []
            if marks[mark].metadata.nbgrader.solution:
                answers.setdefault(mark, []).append(text)  # A copied cell has its pattern's mark.
        elif is_code and text.strip() and text.strip() not in given:
            before.append(nbformat.v4.new_code_cell(text))
    if not answers:
        raise ValueError("it has no answer of this assignment: its cells' metadata are missing")
    for mark, texts in answers.items():
        marks[mark].source = "\n\n".join(texts)
        if marks[mark].cell_type == "markdown":
            # nbgrader's pages take HTML in a paragraph as it is: a space makes it text.
            marks[mark].source = re.sub(r"<(?=[\w/!?])", "< ", marks[mark].source)
    cells = []
    for cell in notebook.cells:
        mark = cell.metadata.get("nbgrader", {}).get("grade_id")
        if cell.cell_type == "code" and mark is None:
            cell.source += "\n__given__.keep()"
        cells += [*own.get(mark, []), cell]
    notebook.cells = cells
    target = course / "submitted" / student / name
    target.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target / f"{name}.ipynb")


def run(course, student, name, sandboxed, seconds):
    """Execute a submission, each cell of it, and enter its points into the gradebook.

    Args:
        course: The course's folder.
        student: The student.
        name: The assignment.
        sandboxed: Whether the kernel runs in a sandbox.
        seconds: Time limit of the whole submission.

    Raises:
        RuntimeError: If it breaks a limit, or nbgrader fails.
    """
    with tempfile.TemporaryDirectory(prefix="k") as folder:  # Paths of sockets must be short.
        folder, report = Path(folder), course / "broken"
        report.unlink(missing_ok=True)
        (folder / "sockets").mkdir()
        argv = [sys.executable, *sandbox.KERNEL]
        if sandboxed:
            limits = ["--report", str(report), "--seconds", str(seconds)]
            argv = [sys.executable, str(HERE / "sandbox.py"), *limits]
        spec = {
            "argv": [*argv, "{connection_file}"],
            "display_name": "Python 3",
            "language": "python",
        }
        (folder / "kernels/python3").mkdir(parents=True)
        (folder / "kernels/python3/kernel.json").write_text(
            json.dumps(spec | {"interrupt_mode": "message"})
        )
        # Jupyter makes the file that names the sockets among the temporary files, and the sockets beside it.
        settings = {"JUPYTER_PATH": str(folder), "TMPDIR": str(folder / "sockets")}
        try:
            arguments = ("autograde", name, f"--student={student}", "--force")
            release.nbgrader(course, *arguments, timeout=seconds + 60, **settings)
        except TimeoutError:
            raise RuntimeError("broke the time limit") from None
        except RuntimeError as error:
            if report.exists():
                raise RuntimeError(f"broke {report.read_text()}") from None
            known = [reason for text, reason in REASONS.items() if text in str(error)]
            (course / "logs").mkdir(exist_ok=True)
            (course / "logs" / f"{student}.{name}.txt").write_text(str(error), encoding="utf-8")
            reason = known[0] if known else f"nbgrader failed: course/logs/{student}.{name}.txt"
            raise RuntimeError(reason) from None


def points(course, student, name):
    """Read a submission's points from the gradebook.

    Args:
        course: The course's folder.
        student: The student.
        name: The assignment.

    Returns:
        A list of (question, points or None where a person must read the answer, the most there are).
    """
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        rows = []
        for grade in book.find_submission_notebook(name, name, student).grades:
            unread = grade.needs_manual_grade and grade.manual_score is None
            rows.append(
                (
                    grade.name.removesuffix("-check"),
                    None if unread else grade.score,
                    grade.max_score,
                )
            )
    return sorted(rows)


def questions(course, name):
    """Return an assignment's questions.

    Args:
        course: The course's folder.
        name: The assignment.

    Returns:
        A list of (question, the most points there are).
    """
    cells = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4).cells
    marks = [cell.metadata.get("nbgrader", {}) for cell in cells]
    return sorted(
        (mark["grade_id"].removesuffix("-check"), mark["points"])
        for mark in marks
        if mark.get("grade")
    )


def score(course, student, name):
    """Return the score that a check has printed for the leaderboard as its last line, or None.

    Args:
        course: The course's folder.
        student: The student.
        name: The assignment.

    Returns:
        A number, or None where the assignment has no such check or the answer has not passed it.
    """
    notebook = nbformat.read(course / "autograded" / student / name / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        if cell.metadata.get("nbgrader", {}).get("grade") and all(
            o.output_type == "stream" for o in outputs
        ):
            found = re.search(
                r"^leaderboard: (\d+(\.\d+)?)\n?\Z", "".join(o.text for o in outputs), re.MULTILINE
            )
            if found:
                return float(found[1])
    return None


def write_csv(path, head, rows):
    """Write a table at once.

    Args:
        path: Where to.
        head: Names of the columns.
        rows: Lists of values.
    """
    scratch = path.with_suffix(".part")
    with open(scratch, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    os.replace(scratch, path)


def write_leaderboard(path, scores):
    """Write each assignment's scores, best first; equal scores share a rank.

    Args:
        path: Where to.
        scores: A dictionary from (student, assignment) to the score.
    """
    rows = []
    for (student, name), mine in sorted(
        scores.items(), key=lambda item: (item[0][1], -item[1], item[0][0])
    ):
        better = [1 for (_, other), theirs in scores.items() if other == name and theirs > mine]
        rows.append((name, len(better) + 1, student, mine))
    write_csv(path, ["assignment", "rank", "student", "score"], rows)


def earlier(out):
    """Return what happened to each submission in an earlier call.

    Args:
        out: The folder of that call.

    Returns:
        A dictionary from (student, assignment) to the status.
    """
    with open(out / "grades.csv", newline="", encoding="utf-8") as file:
        return {(row["student"], row["assignment"]): row["status"] for row in csv.DictReader(file)}


def grade(folder, out, seed=0, sandboxed=True, seconds=300, execute=True):
    """Grade all submissions of a folder.

    Args:
        folder: A folder with a folder a student.
        out: Where the tables, the feedback and nbgrader's course go. What an earlier call left there is graded anew
            where it was handed in again; points given by hand are kept.
        seed: The variant that was handed out.
        sandboxed: Whether each submission runs in a sandbox.
        seconds: Time limit of a submission.
        execute: False to run nothing, and to write the tables and the feedback anew after points were given by hand.

    Returns:
        A list of (student, assignment, points, the most there are, points to be given by hand, what happened).

    Raises:
        RuntimeError: If the sandbox does not work here, or the feedback cannot be written.
        ValueError: If there is nothing to grade.
    """
    if sandboxed and execute:
        sandbox.bubblewrap()
    out = Path(out).absolute()
    course, todo = out / "course", submissions(folder)
    if out.exists() and any(out.iterdir()) and not (course / "gradebook.db").exists():
        raise ValueError(
            f"Argument `out` must be a new folder, or one with a gradebook of ours. Received: out={out}"
        )
    if execute:
        release.make_course(course, seed, guard=True)
    before = {} if execute else earlier(out)
    rows, details, scores = [], [], {}
    for student, name, paths in todo:
        try:
            if not execute and before.get((student, name)) != "graded":
                raise ValueError(before.get((student, name), "not graded yet"))
            if len(paths) > 1:
                raise ValueError(f"handed in {len(paths)} times: which one counts?")
            if execute:
                collect(course, student, name, paths[0])
                run(course, student, name, sandboxed, seconds)
            status, marks = "graded", points(course, student, name)
            mine = score(course, student, name)
            if mine is not None:
                scores[student, name] = mine
        except (OSError, RuntimeError, ValueError) as error:
            status, marks = (
                str(error),
                [(question, 0.0, most) for question, most in questions(course, name)],
            )
        given = [(question, mark, most) for question, mark, most in marks if mark is not None]
        by_hand = sum(most for _, mark, most in marks if mark is None)
        total, most = sum(mark for _, mark, _ in given), sum(most for _, _, most in marks)
        rows.append((student, name, total, most, by_hand, status))
        details += [
            (student, name, question, "" if mark is None else mark, most)
            for question, mark, most in marks
        ]
        unread = f", {by_hand:g} to read" if by_hand else ""
        print(f"{student:20} {name:28} {total:g} of {most:g}{unread}  {status}", flush=True)
        write_csv(
            out / "grades.csv", ["student", "assignment", "points", "of", "to_read", "status"], rows
        )
        write_csv(
            out / "questions.csv", ["student", "assignment", "question", "points", "of"], details
        )
    if scores:
        write_leaderboard(out / "leaderboard.csv", scores)
    for name in sorted({row[1] for row in rows if row[-1] == "graded"}):
        release.nbgrader(course, "generate_feedback", name, "--force")
    return rows


def main():
    """Grade what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "_build" / "grades")
    parser.add_argument("--seed", type=int, default=0, help="the variant that was handed out")
    parser.add_argument("--seconds", type=float, default=300, help="time limit of a submission")
    parser.add_argument(
        "--no-run", action="store_true", help="tables and feedback anew, after grading by hand"
    )
    parser.add_argument(
        "--no-sandbox", action="store_true", help="run students' code with your own rights"
    )
    options = parser.parse_args()
    release.execute.prepare_environment()
    try:
        grade(
            options.submissions,
            options.out,
            options.seed,
            not options.no_sandbox,
            options.seconds,
            not options.no_run,
        )
    except (RuntimeError, ValueError) as error:
        sys.exit(str(error))
    print(
        f"\n{options.out}: grades.csv, questions.csv, and a page for each submission in course/feedback."
    )
    print(
        "Paragraphs are graded by hand in JupyterLab, started in course/: Nbgrader > Formgrader. Then `--no-run`."
    )


if __name__ == "__main__":
    main()
