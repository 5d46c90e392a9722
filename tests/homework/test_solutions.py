"""The students' versions are what the sources make, and the solutions get full marks as submissions do."""

import nbformat
import pytest

from .paths import grade, release, sandbox

REAL = "hw2_optimizers"


def test_the_students_versions_are_what_the_sources_make(tmp_path):
    release.make_course(tmp_path)
    for name in release.assignments():
        made, kept = (folder / "release" / name / f"{name}.ipynb" for folder in (tmp_path, release.HERE))
        assert made.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), "run `make homework`"
    assert {path.name for path in (release.HERE / "release").iterdir()} == set(release.assignments())


def test_solutions_get_full_marks(tmp_path):
    try:
        sandbox.bubblewrap()
    except RuntimeError as error:
        pytest.skip(str(error))
    (tmp_path / "in/kim").mkdir(parents=True)
    nbformat.write(release.source(REAL), tmp_path / "in/kim" / f"{REAL}.ipynb")
    ((student, name, points, most, to_read, status),) = grade.grade(tmp_path / "in", tmp_path / "out")
    assert (student, name, status) == ("kim", REAL, "graded")
    assert points + to_read == most == 20
    assert to_read == 4
