"""nbval runs the notebooks in the environment that `make run` and `make notebooks` give them."""

import execute

execute.prepare_environment()

# What assignments say is tested in `tests/homework`, with right and with wrong answers.
collect_ignore = ["homework"]
