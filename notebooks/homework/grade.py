"""Grade submissions offline, each in a sandbox: `grades.csv`, points by question, and a page of feedback a submission.

    python grade.py SUBMISSIONS [--out _build/grades] [--seed 0] [--no-sandbox]

SUBMISSIONS has a folder a student, and in it the notebooks, at any depth, under the assignments' names, such as
`submissions/kim/hw2_optimizers.ipynb`. What cannot be read or run gets no points and a reason; the others go on.
"""

import argparse
import csv
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import tempfile

import nbformat

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import release  # noqa: E402
import sandbox  # noqa: E402

LARGEST = 20 * 2**20  # bytes of a submitted notebook


def submissions(folder):
    """Find the notebooks to grade.

    Args:
        folder: A folder with a folder a student.

    Returns:
        A list of (student, assignment, path).

    Raises:
        ValueError: If there is none, or two of one student's are for one assignment.
    """
    found = {}
    for path in sorted(Path(folder).glob("*/**/*.ipynb")):
        student, name = path.relative_to(folder).parts[0], path.stem
        if name in release.assignments() and ".ipynb_checkpoints" not in path.parts:
            if (student, name) in found:
                raise ValueError(f"There must be one notebook a student and assignment. Received: {student}'s {name} twice")
            found[student, name] = path
    if not found:
        raise ValueError(
            f"Argument SUBMISSIONS must be a folder with a folder a student, and notebooks in these named after an "
            f"assignment ({', '.join(release.assignments())}). Received: {folder}"
        )
    return [(*key, path) for key, path in found.items()]


def collect(course, student, name, path):
    """Copy a submission into the course.

    Args:
        course: The course's folder.
        student: The student's folder name.
        name: The assignment.
        path: The submitted notebook.

    Raises:
        ValueError: If it is not a notebook, or the student's name cannot be a folder of nbgrader.
    """
    if not re.fullmatch(r"[\w.@-]+", student) or student.startswith("."):
        raise ValueError(f"a student's folder must be named with letters, digits, `.`, `_`, `-` and `@`: {student!r}")
    if path.is_symlink() or path.stat().st_size > LARGEST:
        raise ValueError(f"not a file of at most {LARGEST // 2**20} MB")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        raise ValueError(f"not a notebook ({type(error).__name__})") from error
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
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        if sandboxed:
            program = [str(HERE / "sandbox.py"), "--report", str(report), "--seconds", str(seconds)]
            argv = [sys.executable, *program, "{connection_file}"]
        spec = {"argv": argv, "display_name": "Python 3", "language": "python", "interrupt_mode": "message"}
        (folder / "kernels/python3").mkdir(parents=True)
        (folder / "kernels/python3/kernel.json").write_text(json.dumps(spec))
        # Jupyter makes the file that names the sockets among the temporary files, and the sockets beside it.
        settings = {"JUPYTER_PATH": str(folder), "TMPDIR": str(folder / "sockets")}
        try:
            arguments = ("autograde", name, "--student", student, "--force")
            release.nbgrader(course, *arguments, timeout=seconds + 60, **settings)
        except subprocess.TimeoutExpired:
            raise RuntimeError("broke the time limit") from None
        except RuntimeError as error:
            if report.exists():
                raise RuntimeError(f"broke {report.read_text()}") from None
            last = str(error).strip().splitlines()[-1]
            raise RuntimeError(f"could not be graded: {last[:200]}") from error


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
        grades = book.find_submission_notebook(name, name, student).grades
        rows = [(g.name.removesuffix("-check"), None if g.needs_manual_grade else g.score, g.max_score) for g in grades]
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
    return sorted((mark["grade_id"].removesuffix("-check"), mark["points"]) for mark in marks if mark.get("grade"))


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


def grade(folder, out, seed=0, sandboxed=True, seconds=300):
    """Grade all submissions of a folder.

    Args:
        folder: A folder with a folder a student.
        out: Where the tables, the feedback and nbgrader's course go. What an earlier call left there is graded anew
            where it was handed in again; points given by hand are kept.
        seed: The variant that was handed out.
        sandboxed: Whether each submission runs in a sandbox.
        seconds: Time limit of a submission.

    Returns:
        A list of (student, assignment, points, the most there are, points to be given by hand, what happened).

    Raises:
        RuntimeError: If the sandbox does not work here.
        ValueError: If there is nothing to grade.
    """
    if sandboxed:
        sandbox.bubblewrap()
    out = Path(out).absolute()
    todo = submissions(folder)
    course = out / "course"
    if out.exists() and any(out.iterdir()) and not (course / "gradebook.db").exists():
        raise ValueError(f"Argument `out` must be a new folder, or one with a gradebook of ours. Received: out={out}")
    release.make_course(course, seed)
    rows, details = [], []
    for student, name, path in todo:
        try:
            collect(course, student, name, path)
            run(course, student, name, sandboxed, seconds)
            release.nbgrader(course, "generate_feedback", name, "--student", student, "--force")
            status, marks = "graded", points(course, student, name)
        except (RuntimeError, ValueError) as error:
            status, marks = str(error), [(question, 0.0, most) for question, most in questions(course, name)]
        given = [(question, mark, most) for question, mark, most in marks if mark is not None]
        by_hand = sum(most for _, mark, most in marks if mark is None)
        total, most = sum(mark for _, mark, _ in given), sum(most for _, _, most in marks)
        rows.append((student, name, total, most, by_hand, status))
        details += [(student, name, question, "" if mark is None else mark, most) for question, mark, most in marks]
        print(f"{student:20} {name:28} {total:g} of {most:g}{f', {by_hand:g} to read' if by_hand else ''}  {status}", flush=True)
        write_csv(out / "grades.csv", ["student", "assignment", "points", "of", "to_read", "status"], rows)
        write_csv(out / "questions.csv", ["student", "assignment", "question", "points", "of"], details)
    return rows


def main():
    """Grade what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "_build" / "grades")
    parser.add_argument("--seed", type=int, default=0, help="the variant that was handed out")
    parser.add_argument("--seconds", type=float, default=300, help="time limit of a submission")
    parser.add_argument("--no-sandbox", action="store_true", help="run students' code with your own rights")
    options = parser.parse_args()
    try:
        grade(options.submissions, options.out, options.seed, not options.no_sandbox, options.seconds)
    except (RuntimeError, ValueError) as error:
        sys.exit(str(error))
    print(f"\n{options.out}: grades.csv, questions.csv, course/feedback; to grade paragraphs by hand, in course/:")
    print("  python -m nbgrader formgrader")


if __name__ == "__main__":
    main()
