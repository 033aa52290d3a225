"""Judges the lines of tests/lease/worker.cc: did the workers of two terms ever run at the same time?

A set is what one term of one node has run: all processes with one (node, epoch). The source's nodes know of no epochs
and write 0: all that such a node has ever run is one set, which may come and go.

A process is taken to have lived from its first line to its last. It may have lived for one tick (20 ms) longer than
that, so an overlap shorter than a tick can go unseen; the margin that the lease keeps between the death of one term's
workers and the birth of the next one's is many times that.
"""

import collections
import dataclasses

NS_PER_S = 1_000_000_000
FIELDS = 6
WHATS = {"start", "tick", "term", "stop"}
# Between two lines of a healthy set: ticks come every 20 ms, and a loaded machine may let a process wait for a while.
GAP_NS = NS_PER_S // 5


@dataclasses.dataclass(frozen=True)
class Line:
    epoch: int
    pid: int
    node: str
    since_ns: int
    at_ns: int
    what: str


@dataclasses.dataclass
class Process:
    node: str
    epoch: int
    pid: int
    first_ns: int
    last_ns: int

    @property
    def set(self):
        return (self.node, self.epoch)

    def __str__(self):
        return (
            f"{self.node} epoch {self.epoch} pid {self.pid} "
            f"[{self.first_ns / NS_PER_S:.3f} s, {self.last_ns / NS_PER_S:.3f} s]"
        )


@dataclasses.dataclass
class Verdict:
    processes: int = 0
    sets: int = 0
    overlaps: list = dataclasses.field(default_factory=list)  # sentences
    fallen_epochs: list = dataclasses.field(default_factory=list)
    longest_overlap_ns: int = 0
    gaps_ns: list = dataclasses.field(default_factory=list)  # (from, to), when nobody worked
    changes: list = dataclasses.field(default_factory=list)  # (from node, to node), as the sets came one after another

    @property
    def longest_gap_s(self):
        return max((end - start for start, end in self.gaps_ns), default=0) / NS_PER_S

    @property
    def good(self):
        return self.processes > 0 and not self.overlaps and not self.fallen_epochs


def parse(text):
    """Raises ValueError for what no worker writes."""
    fields = text.split()
    if len(fields) != FIELDS or fields[-1] not in WHATS:
        raise ValueError(f"not a worker's line: {text!r}")
    return Line(int(fields[0]), int(fields[1]), fields[2], int(fields[3]), int(fields[4]), fields[5])


class Collector:
    """Takes lines in one by one and keeps what the verdict needs: a process is a few numbers, however long it lives."""

    def __init__(self):
        self.found = {}  # by what no two processes share

    def add(self, line):
        key = (line.epoch, line.pid, line.node, line.since_ns)
        process = self.found.setdefault(key, Process(line.node, line.epoch, line.pid, line.since_ns, line.at_ns))
        process.last_ns = max(process.last_ns, line.at_ns)

    def processes(self):
        return sorted(self.found.values(), key=lambda process: process.first_ns)


def find_overlaps(processes, verdict):
    """Per set, what lived longest so far is all that a later process can overlap with."""
    longest = {}
    for process in processes:
        for other in longest.values():
            if other.set != process.set and other.last_ns >= process.first_ns:
                length = min(other.last_ns, process.last_ns) - process.first_ns
                verdict.overlaps.append(f"{other} and {process} overlap for {length / NS_PER_S:.3f} s")
                verdict.longest_overlap_ns = max(verdict.longest_overlap_ns, length)
        if process.set not in longest or longest[process.set].last_ns < process.last_ns:
            longest[process.set] = process


def find_fallen_epochs(processes, verdict):
    """In the order of first lines: no process of a term after one of a later term, and no term of two nodes."""
    highest = None
    for process in processes:
        if process.epoch == 0:
            continue
        if highest is None or process.epoch > highest.epoch:
            highest = process
        elif process.set != highest.set:
            verdict.fallen_epochs.append(f"{process} comes after {highest}")


def find_gaps(processes, verdict):
    busy_until = None
    for process in processes:
        if busy_until is not None and process.first_ns - busy_until > GAP_NS:
            verdict.gaps_ns.append((busy_until, process.first_ns))
        busy_until = max(busy_until or 0, process.last_ns)


def find_changes(processes, verdict):
    before = None
    for process in processes:
        if before is not None and before.node != process.node:
            verdict.changes.append((before.node, process.node))
        before = process


def judge(processes):
    verdict = Verdict(processes=len(processes), sets=len({process.set for process in processes}))
    for find in (find_overlaps, find_fallen_epochs, find_gaps, find_changes):
        find(processes, verdict)
    return verdict


def judge_lines(texts):
    collector = Collector()
    for text in texts:
        collector.add(parse(text))
    return judge(collector.processes())


def count_changes(verdict):
    return collections.Counter(verdict.changes)
