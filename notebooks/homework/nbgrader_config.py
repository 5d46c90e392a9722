"""How nbgrader makes the students' versions, runs submissions and writes feedback."""

import os
import re
import tempfile

from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute

LONGEST = 1_000_000  # characters that a cell may put out
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")

c = get_config()  # noqa: F821  (nbgrader defines it)


class ExecuteBounded(Execute):
    """Execute a notebook; what its cells put out is bounded, shows no HTML, and is not taken for points.

    The pages on which teachers and students read outputs would let HTML act in their browsers.
    """

    cell_index, length = None, 0

    def process_message(self, msg, cell, cell_index):
        """Handle a message as ever, or leave it out."""
        kind, content = msg["msg_type"], msg["content"]
        if kind in ("status", "execute_input"):
            return super().process_message(msg, cell, cell_index)
        if kind not in ("stream", "error", "display_data", "execute_result"):
            return None
        if kind == "execute_result" and cell.metadata.get("nbgrader", {}).get("grade"):
            return None  # nbgrader would read it as points
        if "data" in content:
            shown = {"text/plain": str(content["data"].get("text/plain", ""))}
            picture = content["data"].get("image/png", "?")
            if BASE64.fullmatch(picture):
                shown["image/png"] = picture
            content["data"], content["metadata"] = shown, {}
        if cell_index != self.cell_index:
            self.cell_index, self.length = cell_index, 0
        self.length += len(str(content))
        return super().process_message(msg, cell, cell_index) if self.length <= LONGEST else None


c.CourseDirectory.course_id = "kerasopt"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("your answer goes here")'}
c.ClearSolutions.text_stub = "*Your answer goes here.*"
c.ClearSolutions.enforce_metadata = True

steps = Autograde.autograde_preprocessors.default_args[0]
c.Autograde.autograde_preprocessors = [
    ExecuteBounded if step is Execute else step for step in steps
]
# A cell that never ends is interrupted; the cells after it still count.
c.Execute.timeout = int(os.environ.get("KERASOPT_CELL_SECONDS", 60))
c.Execute.interrupt_on_timeout = True
c.Execute.startup_timeout = 120
# Sockets that are files need no network. Their place must be said, or it is the directory of whoever asks.
c.KernelManager.transport = "ipc"
c.KernelManager.ip = os.path.join(tempfile.gettempdir(), "kernel")
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 50
c.HTMLExporter.sanitize_html = True
