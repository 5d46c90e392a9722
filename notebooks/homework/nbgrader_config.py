"""How nbgrader makes the students' versions, runs submissions and writes feedback."""

import os

c = get_config()  # noqa: F821  (nbgrader defines it)

c.CourseDirectory.course_id = "kerasopt"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("your answer goes here")'}
c.ClearSolutions.text_stub = "*Your answer goes here.*"
c.ClearSolutions.enforce_metadata = True

# A cell that never ends is interrupted; the cells after it still count.
c.Execute.timeout = int(os.environ.get("KERASOPT_CELL_SECONDS", 60))
c.Execute.interrupt_on_timeout = True
c.Execute.startup_timeout = 120
# Sockets that are files need no network.
c.KernelManager.transport = "ipc"
# Outputs come from students: nothing in them may act in a reader's browser, nor fill a disk.
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 50
c.HTMLExporter.sanitize_html = True
c.OverwriteCells.add_missing_cells = True
