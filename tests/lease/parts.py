"""Small parts of the lease tests: programs that die with the test, the clock, waiting, free ports."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Long enough for a sanitizer build on a loaded machine; only a failing test ever waits for it.
DEADLINE_S = 60
NS_PER_S = 1_000_000_000


class Failure(Exception):
    """What was waited for did not happen. Says what."""


class Unavailable(Exception):
    """This machine cannot do what the test needs. Says why."""


def now_ns():
    """The clock by which workers write their lines."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def wait_until(condition, message, deadline_s=DEADLINE_S):
    """For what only polling can tell; answers what the condition did. `message` may be a function."""
    deadline = time.monotonic() + deadline_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(message() if callable(message) else message)
        time.sleep(0.005)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def descendants(pid):
    """Of a process, wherever their sessions and namespaces are."""
    try:
        found = [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found + [deeper for child in found for deeper in descendants(child)]


def send(pids, number):
    """Those that have gone meanwhile are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Program:
    """A program with its output in a file, which is killed when this process ends, however it does."""

    started = []  # all of them

    def __init__(self, argv, log, environment=None):
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
            )
        self.log = pathlib.Path(log)
        Program.started.append(self)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def pause(self):
        """Returns when it has really stopped."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: self._state() == "T", f"process {self.pid} does not stop")

    def resume(self):
        self.signal(signal.SIGCONT)

    def _state(self):
        return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """Answers the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"process {self.pid} does not end:\n{self.tail()}") from late

    def tail(self, size=3000):
        return self.log.read_bytes()[-size:].decode(errors="replace")
