"""Programs whose processor time is known when they have ended, and the subscriber that says when entries came."""

import dataclasses
import os
import pathlib
import select
import subprocess
import time

import parts

CHANNEL = "stargazer:journal"
# Only a way that is broken ever takes so long.
PATIENCE_S = 900


def build_tools(build):
    """The programs of tests/feed that are written in C++; the daemon as well."""
    tools = ["feed_tools", "stargazer-scheduler"]
    done = subprocess.run(["cmake", "--build", build, "--target", *tools], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise parts.Unavailable(f"the build of {build} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")


class Measured(parts.Program):
    """Of its descendants, those count that it has waited for."""

    def end(self, number=None):
        """Sends the signal, if any; waits; answers (exit code, seconds of user and system time)."""
        if number is not None:
            self.signal(number)
        _, status, usage = os.wait4(self.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return self.process.returncode, usage.ru_utime + usage.ru_stime

    def alive(self):
        """Leaves the end of the process for end() to see."""
        return self.process.returncode is None and (
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        )


def cpu_s(pid):
    """Seconds of user and system time of a process that lives."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_ns(pid):
    """The same to the nanosecond, of the threads that live."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


@dataclasses.dataclass
class Arrivals:
    first_ns: int  # by CLOCK_MONOTONIC
    last_ns: int
    messages: int

    @property
    def seconds(self):
        return (self.last_ns - self.first_ns) / parts.NS_PER_S


class Subscriber:
    """Listens as soon as this returns, until it has seen `count` different numbers."""

    def __init__(self, build, socket, count, *, channel=CHANNEL, latency=None):
        options = ["--socket", socket, "--channel", channel, "--count", count]
        options += ["--latency", latency] if latency else []
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, [build / "feed_subscriber", *options])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        if self._line(parts.DEADLINE_S) != "listening\n":
            raise parts.Failure("the subscriber does not listen")

    def _line(self, seconds):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return None
        return self.process.stdout.readline().decode()

    def arrivals(self, publisher, patience_s=PATIENCE_S):
        """Waits until all have come. `publisher`: the program without which none can come."""
        deadline = time.monotonic() + patience_s
        line = None
        while line is None:
            ended = not publisher.alive()
            # What it sent before it ended is there within the time that a reply may take.
            line = self._line(parts.DEADLINE_S if ended else 1)
            if line is None and (ended or time.monotonic() > deadline):
                raise parts.Failure(f"not all entries came:\n{publisher.tail()}")
        if not line:
            raise parts.Failure("the subscriber ended before all entries came")
        return Arrivals(*map(int, line.split()))

    def end(self):
        """More than once is fine."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
