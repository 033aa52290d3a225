"""Plays rounds of a kind, and several kinds at once: each in a process of its own, as each has its own descendants."""

import dataclasses
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import kinds
import parts
import stage as stages

COMMAND = pathlib.Path(__file__).resolve().parent / "rounds"


@dataclasses.dataclass
class Result:
    kind: str
    rounds: int = 0
    rose: int = 0  # rounds after which a later term was running
    processes: int = 0
    sets: int = 0
    overlaps: list = dataclasses.field(default_factory=list)
    fallen_epochs: list = dataclasses.field(default_factory=list)
    longest_gap_s: float = 0
    error: str = ""
    skipped: str = ""

    @property
    def good(self):
        return not (self.overlaps or self.fallen_epochs or self.error or self.skipped) and self.rounds > 0

    def trouble(self):
        return "\n".join([self.error, *self.overlaps, *self.fallen_epochs]).strip()

    def take_in(self, verdict):
        self.processes = verdict.processes
        self.sets = verdict.sets
        self.overlaps = verdict.overlaps
        self.fallen_epochs = verdict.fallen_epochs
        self.longest_gap_s = verdict.longest_gap_s
        if not verdict.processes:
            self.error = self.error or "no worker ever ran"


def play_rounds(stage, kind, rounds, result):
    kind.build(stage)
    stage.start_all()
    chance = random.Random(f"{result.kind} {rounds}")  # the same delays in the same command
    for number in range(rounds):
        if number % 3:  # else it strikes as soon as the round before is over, at the very beginning of a term
            time.sleep(chance.uniform(0, kinds.TTL_S / 2))
        leader = stage.leader()
        if leader.epoch == 0:
            raise parts.Failure(f"{leader.node}'s workers have no STARGAZER_EPOCH")
        kind.strike(stage, leader, number)
        result.rounds += 1
        result.rose += stage.leader().epoch > leader.epoch
        verdict = stage.lines.verdict()
        if verdict.overlaps or verdict.fallen_epochs:
            raise parts.Failure(f"in round {result.rounds}")


def play(name, rounds):
    """Everything that goes wrong is in the result."""
    result = Result(name)
    try:
        with stages.Stage(name) as stage:
            try:
                play_rounds(stage, kinds.KINDS[name], rounds, result)
            except parts.Failure as failure:
                failure.args = (f"{failure}\nkept: {stage.folder}\n{stage.logs()}",)
                raise
            finally:
                result.take_in(stage.lines.verdict())
    except parts.Unavailable as reason:
        result.skipped = str(reason)
    except parts.Failure as failure:
        result.error = str(failure)
    except Exception:  # a fault of the test itself: told like any other
        result.error = traceback.format_exc()
    return result


def play_and_print(name, rounds):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(json.dumps(dataclasses.asdict(play(name, rounds))))


class Player:
    """A kind that is being played in another process."""

    def __init__(self, name, rounds):
        self.name = name
        self.output = tempfile.TemporaryFile()  # takes any length while nobody reads
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", sys.executable, COMMAND, "--one", name, "--rounds", str(rounds)],
            stdout=self.output,
            stdin=subprocess.DEVNULL,
        )

    def result(self):
        """Waits for it."""
        if self.process.wait() != 0:
            return Result(self.name, error=f"the rounds ended with {self.process.returncode}")
        self.output.seek(0)
        return Result(**json.load(self.output))

    def done(self):
        return self.process.poll() is not None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.output.close()
