"""nbval runs the notebooks in the environment that `make run` and `make notebooks` give them."""

import execute

execute.prepare_environment()
