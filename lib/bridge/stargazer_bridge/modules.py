"""Importing Stargazer's modules: one that is not installed is nothing to do, any other failure is one."""

import importlib

from stargazer_bridge.errors import Skipped


def load_module(name):
    """Raises Skipped when the module, or a package above it, is not there. A module that is there and misses another
    one is broken: ModuleNotFoundError, as it comes."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise Skipped(f"the module {error.name} is not installed") from None
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
