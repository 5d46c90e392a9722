"""Where the measured tables of README.md stand: between two marker lines each."""

import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def write_table(name, text):
    """Put `text` between the README's markers `<!-- name:begin -->` and `<!-- name:end -->`."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    head, found, rest = README.read_text(encoding="utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        sys.exit(f"README.md has no line {begin} followed by {end}: the table was printed and not written.")
    README.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")
