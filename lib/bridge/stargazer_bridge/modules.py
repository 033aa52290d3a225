"""Importing Stargazer's modules: one that is not installed is nothing to do, any other failure is one. And whether what
was imported is still what the files say."""

import importlib
import os
import sys

from stargazer_bridge.errors import NotInstalled


def load_module(name):
    """Raises NotInstalled, a Skipped, when the module, or a package above it, is not there. A module that is there and
    misses another one is broken: ModuleNotFoundError, as it comes."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise NotInstalled(f"the module {error.name} is not installed") from None
        raise


def load(target):
    """The object that "module:name" names. Raises as load_module, and AttributeError."""
    module, _, name = target.partition(":")
    return getattr(load_module(module), name)


def needs(*modules):
    """Marks a job whose modules must be there before any of its arguments is made."""

    def mark(function):
        function.needed_modules = modules
        return function

    return mark


# By so much a file may seem older than it is: the kernel stamps it with the time of its last tick.
TICK_NS = 20_000_000


class Sources:
    """The files below `root` that modules were imported from: whether a process that goes on would run old code."""

    def __init__(self, root):
        self._root = os.path.join(os.path.realpath(root), "")
        self._seen = set()  # paths of all modules so far
        self._known = {}  # of those below the root: path to when it was written

    def note(self, since_ns):
        """Takes in what was imported after `since_ns`, in nanoseconds since 1970. False when a file of it was written
        since then, so that nobody can say which of the two was imported."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if not isinstance(path, str) or path in self._seen:
                continue
            self._seen.add(path)
            if os.path.realpath(path).startswith(self._root):
                self._known[path] = self._written_ns(path)
        return all(written is not None and written < since_ns - TICK_NS for written in self._known.values())

    def unchanged(self):
        return all(self._written_ns(path) == written for path, written in self._known.items())

    @staticmethod
    def _written_ns(path):
        try:
            return os.stat(path).st_mtime_ns
        except OSError:
            return None
