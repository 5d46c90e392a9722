"""How nbgrader makes the students' versions, runs submissions and writes feedback."""

import os
import tempfile

from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute

LONGEST = 1_000_000  # characters that a cell may put out

c = get_config()  # noqa: F821  (nbgrader defines it)


class ExecuteBounded(Execute):
    """Execute a notebook, without what a cell puts out beyond a limit, and without points that it claims itself."""

    def process_message(self, msg, cell, cell_index):
        """Leave out a message, or handle it as ever."""
        kind = msg["msg_type"]
        if kind == "execute_result" and cell.metadata.get("nbgrader", {}).get("grade"):
            return None  # nbgrader would read it as points
        if kind in ("stream", "display_data", "execute_result", "error"):
            self.put_out = self.put_out if getattr(self, "bounded", None) == cell_index else 0
            self.bounded = cell_index
            self.put_out += len(str(msg["content"]))
            if self.put_out > LONGEST:
                return None
        return super().process_message(msg, cell, cell_index)


c.CourseDirectory.course_id = "kerasopt"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("your answer goes here")'}
c.ClearSolutions.text_stub = "*Your answer goes here.*"
c.ClearSolutions.enforce_metadata = True

steps = Autograde.autograde_preprocessors.default_args[0]
c.Autograde.autograde_preprocessors = [ExecuteBounded if step is Execute else step for step in steps]
# A cell that never ends is interrupted; the cells after it still count.
c.Execute.timeout = int(os.environ.get("KERASOPT_CELL_SECONDS", 60))
c.Execute.interrupt_on_timeout = True
c.Execute.startup_timeout = 120
# Sockets that are files need no network. Their place must be said, or it is the directory of whoever asks.
c.KernelManager.transport = "ipc"
c.KernelManager.ip = os.path.join(tempfile.gettempdir(), "kernel")
# Outputs come from students: nothing in them may act in a reader's browser.
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 50
c.HTMLExporter.sanitize_html = True
