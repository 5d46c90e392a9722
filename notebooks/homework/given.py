"""What an assignment gives, put back before each check: replacing `np.allclose` gains nothing.

A kernel that grades runs this file first. `__given__.keep()` stands behind each cell that is given,
`__given__.restore(...)` in front of each check. It stops the simple tricks. It cannot stop a student who
takes the kernel itself apart, because the checks run in one process with the answers; the autograded
notebook shows such an answer to its reader.
"""

import builtins
import inspect
import sys


class Given:
    """The functions, classes and modules that are given, and what these modules held at first."""

    def __init__(self):
        self.names, self.held = {}, {}
        self._hold(builtins)

    def _hold(self, module):
        if module not in self.held:
            self.held[module] = {
                name: value for name, value in vars(module).items() if callable(value)
            }

    def keep(self):
        """Remember what the cells so far have defined."""
        for name, value in list(vars(sys.modules["__main__"]).items()):
            if inspect.ismodule(value):
                self._hold(value)
                inner = [part for part in vars(value).values() if inspect.ismodule(part)]
                for part in inner:
                    if part.__name__.startswith(f"{value.__name__}."):
                        self._hold(part)
            if inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value):
                self.names.setdefault(name, value)

    def restore(self, *asked):
        """Put back what an answer has replaced.

        Args:
            asked: Names that the answers are to define.
        """
        for module, held in self.held.items():
            there = vars(module)
            there.update(
                {name: value for name, value in held.items() if there.get(name) is not value}
            )
        there = vars(sys.modules["__main__"])
        there.update({name: value for name, value in self.names.items() if name not in asked})
        for name in set(there) & set(self.held[builtins]) - set(self.names):
            if callable(there[name]):
                del there[name]


builtins.__given__ = Given()
builtins.__given__.keep()
