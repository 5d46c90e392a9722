"""The book's own pages, syllabus and glossary, against its chapters."""

import re
from pathlib import Path

import execute
import nbformat
import pytest

FOLDER = Path(execute.__file__).parent
# Which chapter owes its readers which claims.
OWED = {
    "01": ["S4.5"],
    "02": ["S4.6"],
    "03": ["S1.1", "S3.7"],
    "04": ["S0.1", "S0.2", "S2.1", "S4.4"],
    "05": ["S0.3", "S0.4", "S0.5", "S2.2"],
    "06": ["S0.6", "S0.7", "S0.8"],
    "07": ["S2.3"],
    "08": ["S0.9"],
    "09": ["S0.10"],
    "11": ["S1.2", "S3.1", "S4.1", "S4.3"],
    "12": ["S1.3", "S2.4", "S3.2", "S4.2"],
    "13": ["S3.3"],
    "14": ["S1.4"],
    "15": ["S3.4"],
    "16": ["S3.5", "S3.6", "S0.12"],
    "17": ["S0.13"],
    "18": ["S0.14"],
    "19": ["S0.11"],
}
CHAPTERS = {path.name[:2]: path for path in execute.chapters()}


def prose(path):
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


PROSE = {number: prose(path) for number, path in CHAPTERS.items()}


def rows(name):
    """The cells of a page's table, without its head."""
    lines = [line for line in (FOLDER / name).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def anchors(text):
    """What the headings are called in links: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_claim_that_the_chapters_owe_is_in_the_syllabus_once():
    owed = [claim for number, claims in OWED.items() if number in CHAPTERS for claim in claims]
    assert sorted(row[0] for row in rows("syllabus.md")) == sorted(owed)


@pytest.mark.parametrize("row", rows("syllabus.md"), ids=lambda row: row[0])
def test_a_claim_leads_to_its_section(row):
    claim, _, link = row
    number, heading, name, anchor = re.fullmatch(r"\[(\d\d), (.+)\]\((.+)#(.+)\)", link).groups()
    assert claim in OWED[number]
    assert CHAPTERS[number].name == name
    assert anchor in anchors(PROSE[number])
    assert heading in PROSE[number]


def test_the_glossary_is_in_order_and_each_term_is_where_it_says():
    terms = rows("glossary.md")
    names = [row[0].lower() for row in terms]
    assert names == sorted(set(names))
    for english, korean, meaning, link in terms:
        number, name = re.fullmatch(r"\[(\d\d)\]\((.+)\)", link).groups()
        assert CHAPTERS[number].name == name
        assert korean in PROSE[number], f"{english}: {korean} is not in chapter {number}"
        assert meaning


def korean(text):
    """The Korean terms in a list of words, each by itself."""
    return {part.strip() for part in re.split("[,;]", text) if re.search("[가-힣]", part)}


@pytest.mark.parametrize("number", list(CHAPTERS))
def test_every_korean_term_is_in_the_glossary(number):
    known = set().union(*(korean(row[1]) for row in rows("glossary.md")))
    found = set().union(*(korean(bracket) for bracket in re.findall(r"\(([^()]*)\)", PROSE[number])))
    assert found <= known
