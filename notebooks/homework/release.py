"""Make the students' versions of the assignments from the sources, which hold solutions and hidden tests.

python release.py                       the committed students' versions, in release/
python release.py --check               are they what the sources make?
python release.py --seed 7 --out DIR    other numbers and other rules: sources and students' versions, to keep private
"""

import argparse
import ast
import multiprocessing
import os
from pathlib import Path
import random
import shutil
import sys
import tempfile
import tomllib

import nbformat

HERE = Path(__file__).resolve().parent
LARGEST = 3 * 2**30  # bytes of nbgrader's memory
sys.path.insert(0, str(HERE.parent))

import execute  # noqa: E402  (the chapters' tool, one folder up)


def assignments():
    """Return the names of all assignments.

    Returns:
        A sorted list of strings.
    """
    return sorted(path.parent.name for path in (HERE / "source").glob("*/*.ipynb"))


def variants(name):
    """Return what other seeds change in an assignment: its texts, solutions and tests change together.

    Args:
        name: The assignment's name.

    Returns:
        A list of {"from": text that stands in the source, "to": texts of which one stands there instead},
        where entries of one "group" take the one at the same place.
    """
    return tomllib.loads((HERE / "source" / name / "variants.toml").read_text(encoding="utf-8"))[
        "change"
    ]


def source(name, seed=0):
    """Read an assignment's source, in the variant that belongs to a seed.

    Args:
        name: The assignment's name.
        seed: Non-negative integer; 0 is the variant in the repository.

    Returns:
        The notebook's node, without outputs where the seed is not 0.

    Raises:
        ValueError: If a text that the variant replaces is not in the notebook.
    """
    notebook = nbformat.read(HERE / "source" / name / f"{name}.ipynb", as_version=4)
    if seed == 0:
        return notebook
    chosen, of_group = random.Random(f"{name} {seed}"), {}
    for change in variants(name):
        index = chosen.randrange(len(change["to"]))
        if "group" in change:
            index = of_group.setdefault(change["group"], index)
        new = change["to"][index]
        found = 0
        for cell in notebook.cells:
            found += cell.source.count(change["from"])
            cell.source = cell.source.replace(change["from"], new)
        if not found:
            raise ValueError(
                f"The variants of {name} replace a text that its source must have: {change['from']!r}"
            )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def guarded(notebook):
    """Let each check put back what is given before it looks at an answer, as `given.py` says.

    Args:
        notebook: An assignment's source; changed in place.

    Returns:
        The notebook.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    asked = set()
    for cell in code:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            for node in ast.parse(cell.source).body:
                asked.add(getattr(node, "name", None))
                for target in getattr(node, "targets", []):
                    asked |= {getattr(part, "id", None) for part in ast.walk(target)}
    names = ", ".join(repr(name) for name in sorted(asked - {None}))
    for cell in code:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            lines = [
                "### BEGIN HIDDEN TESTS",
                f"__given__.restore({names})",
                "### END HIDDEN TESTS",
            ]
            cell.source = "\n".join([*lines, cell.source])
    return notebook


def make_course(folder, seed=0, guard=False):
    """Make a folder in which nbgrader works: sources, configuration, gradebook, students' versions.

    Args:
        folder: Its path; what an earlier call made there is made anew, the gradebook's points are kept.
        seed: The variant.
        guard: Whether its checks put back what is given, as they do where submissions are graded.

    Raises:
        RuntimeError: If nbgrader cannot make a student's version.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "nbgrader_config.py", folder)
    for name in assignments():
        (folder / "source" / name).mkdir(parents=True, exist_ok=True)
        notebook = guarded(source(name, seed)) if guard else source(name, seed)
        nbformat.write(notebook, folder / "source" / name / f"{name}.ipynb")
        nbgrader(folder, "generate_assignment", "--force", name)
        path = folder / "release" / name / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        execute.stamp(notebook, f"homework/release/{name}/{name}.ipynb")
        nbformat.write(notebook, path)


def _work(folder, arguments, settings, log):
    # In a process of its own: what students' notebooks put out, however large, must not take this machine's memory.
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (LARGEST, hard))
    os.environ.clear()
    os.environ.update(settings)
    os.chdir(folder)
    with open(log, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from nbgrader.apps.nbgraderapp import main as nbgrader_main

    sys.argv = ["nbgrader", *arguments]
    nbgrader_main()


def nbgrader(folder, *arguments, timeout=None, **settings):
    """Run an nbgrader command in a course's folder.

    Args:
        folder: The course.
        arguments: The command's name and arguments.
        timeout: The most seconds that it may take.
        settings: Environment variables besides those of this process.

    Raises:
        RuntimeError: If it fails, with the end of what it said.
        TimeoutError: If it takes longer.
    """
    # A server that has imported nbgrader is forked for each command: the import takes longer than most commands.
    way = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    way.set_forkserver_preload(["nbgrader.apps.nbgraderapp"])
    # nbgrader starts a program that was installed with it.
    settings["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        process = way.Process(target=_work, args=(folder, arguments, os.environ | settings, log))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"nbgrader {arguments[0]} took more than {timeout:.0f} s")
        if process.exitcode:
            text = log.read_text(errors="replace") if log.exists() else ""
            raise RuntimeError(f"nbgrader {arguments[0]} failed:\n{text[-5000:]}")


def main():
    """Write the students' versions, or compare them with the committed ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, help="a new folder for another variant's sources and students' versions"
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if bool(options.seed) != bool(options.out):
        parser.error(
            "`--seed` and `--out` belong together: other variants stay out of the repository"
        )
    if options.out and options.out.exists() and any(options.out.iterdir()):
        parser.error(f"`--out` must be a new or empty folder. Received: {options.out}")
    with tempfile.TemporaryDirectory() as scratch:
        course = options.out or Path(scratch) / "course"
        make_course(course, options.seed)
        if options.out:
            print(
                f"Variant {options.seed}: hand out {course}/release, keep {course}/source to yourself."
            )
            return
        for name in assignments():
            made = (course / "release" / name / f"{name}.ipynb").read_text(encoding="utf-8")
            path = HERE / "release" / name / f"{name}.ipynb"
            if options.check:
                if not path.exists() or path.read_text(encoding="utf-8") != made:
                    sys.exit(
                        f"{name}: the student's version is not what its source makes. Run `make homework`."
                    )
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(made, encoding="utf-8")
            print(f"{name}: {'as its source makes it' if options.check else 'written'}")


if __name__ == "__main__":
    main()
