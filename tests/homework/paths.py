"""The homework's tools, which lie beside the notebooks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "notebooks" / "homework"))

import grade
import release
import sandbox

__all__ = ["grade", "release", "sandbox"]
