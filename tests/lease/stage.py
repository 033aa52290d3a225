"""Nodes, a store and the file into which all workers write, in a folder of their own."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import tempfile

import analyser
import parts

PR_SET_CHILD_SUBREAPER = 36


class LineFile:
    """Follows the workers' file; nothing of it is read twice."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.touch()
        self.file = open(self.path, encoding="ascii")
        self.collector = analyser.Collector()
        self.latest = None  # the last line by time
        self.rest = ""

    def read(self):
        """The lines that are new."""
        text = self.rest + self.file.read()
        whole, _, self.rest = text.rpartition("\n")
        lines = [analyser.parse(one) for one in whole.split("\n") if one]
        for line in lines:
            self.collector.add(line)
            if self.latest is None or line.at_ns >= self.latest.at_ns:
                self.latest = line
        return lines

    def wait_for(self, wanted, what):
        """The first new line that is wanted. `what` says so in the failure."""

        def look():
            return next((line for line in self.read() if wanted(line)), None)

        return parts.wait_until(look, lambda: f"waited in vain for {what}; the last line is {self.latest}")

    def verdict(self):
        self.read()
        return analyser.judge(self.collector.processes())


class Stage:
    """Used in a `with`: whatever happens, nothing is left of it. The folder is kept when something has failed."""

    def __init__(self, name):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"stargazer-lease-{name}-"))
        self.lines = LineFile(self.folder / "lines")
        self.nodes = {}
        self.store = None
        self.network = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        kill_descendants()
        self.lines.file.close()
        if kind is None or not issubclass(kind, parts.Failure):
            shutil.rmtree(self.folder)
        return False

    def add(self, *nodes):
        for node in nodes:
            self.nodes[node.name] = node

    def start_all(self):
        for node in self.nodes.values():
            node.start()

    def wait_for_worker(self, what, after_ns=0, others_than=None, epoch_from=0):
        """A line by a worker that lives: written after `after_ns`, not on that node, of this epoch or a later one."""
        return self.lines.wait_for(
            lambda line: line.what in ("start", "tick")
            and line.at_ns > after_ns
            and line.node != others_than
            and line.epoch >= epoch_from,
            what,
        )

    def leader(self):
        """The line by which some node's worker says that it runs now."""
        return self.wait_for_worker("a worker", after_ns=parts.now_ns())

    def logs(self):
        return "\n".join(
            f"---- {node.name}\n{node.program.tail()}" for node in self.nodes.values() if node.program is not None
        )


def children():
    """Those of this process, zombies included; those whose parents have died are ours as well."""
    return [int(pid) for pid in pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def kill_descendants():
    """Until none is left: the children of one that is killed become ours."""
    while found := children():
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
    for program in parts.Program.started:
        program.alive()  # takes notice of the end
    parts.Program.started.clear()
