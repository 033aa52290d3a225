"""Entries go through the feed while the daemon and Redis are killed and the journal is rotated and vacuumed.

What is promised, and judged here: a consumer of the stream gets every entry, in order, and again only those that were
in flight when the daemon or Redis was killed. Redis keeps its data (appendfsync always); one that loses them loses
entries of the stream, which no feed can help. A subscriber gets every entry from its first to its last as long as it is
connected.
"""

import dataclasses
import json
import math
import pathlib
import random
import re
import time

import exactly
import feed_daemon
import growing
import parts
import stores
import witnesses

AHEAD = 20_000
DURABLE = ["--appendonly", "yes", "--appendfsync", "always", "--client-output-buffer-limit", "pubsub 0 0 0"]


def window_entries():
    """The most that may be on their way at once, and so come twice after a kill."""
    text = (parts.ROOT / "lib/feed/publish_window.h").read_text()
    limits = (re.search(rf"std::size_t {name} = (\d+);", text) for name in ("kBatchEntriesMax", "kBatchesMax"))
    return math.prod(int(limit[1]) for limit in limits)


@dataclasses.dataclass
class Options:
    build: pathlib.Path
    entries: int
    daemon_kills: int
    redis_kills: int
    rotations: int
    seed: int


@dataclasses.dataclass
class Outcome:
    daemon_kills: int = 0
    redis_kills: int = 0
    rotations: int = 0
    vacuumed_files: int = 0
    sessions: int = 0
    stream: exactly.Verdict = dataclasses.field(default_factory=exactly.Verdict)
    channel: exactly.Verdict = dataclasses.field(default_factory=exactly.Verdict)

    def troubles(self):
        return [f"stream: {one}" for one in self.stream.troubles] + [f"channel: {one}" for one in self.channel.troubles]


class Endurance:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.chance = random.Random(options.seed)
        rotate_after = sorted(self.chance.sample(range(options.entries // 100, options.entries - 1), options.rotations))
        self.journal = growing.GrowingJournal(folder / "journal", options.entries, rotate_after, AHEAD)
        self.server = stores.Server(folder / "redis", *DURABLE)
        feed = (
            f'directory = "{self.journal.folder}"\nbacklog = 1000000\nstream = "{witnesses.STREAM}"\n'
            f"stream_max_length = {options.entries}\n"
        )
        self.config = feed_daemon.config(folder, f"unix://{self.server.socket}", feed)
        self.daemon = None
        self.strikes = []
        self.outcome = Outcome()

    def plan(self):
        """(the entry that has come when it happens, what happens), in order."""
        numbers = range(self.options.entries // 100, self.options.entries * 95 // 100)
        kills = self.options.daemon_kills + self.options.redis_kills
        kinds = [self.kill_daemon] * self.options.daemon_kills + [self.kill_redis] * self.options.redis_kills
        self.chance.shuffle(kinds)
        planned = list(zip(sorted(self.chance.sample(numbers, kills)), kinds))
        planned += [(end, self.vacuum) for end in self.journal.ends[:-1]]
        return sorted(planned, key=lambda one: one[0])

    def start_daemon(self):
        self.daemon = feed_daemon.start(self.options.build, self.config, self.folder / "daemon.log")

    def saved(self):
        """The number of the entry up to which the daemon has saved its way; -1: it has not yet."""
        path = self.folder / "state/feed.cursor"
        return growing.number_of(json.loads(path.read_text())["cursor"]) if path.exists() else -1

    def delivered(self):
        """The number of the last entry that is in the stream; -1: there is none yet."""
        for _, fields in self.server.client().xrevrange(witnesses.STREAM, count=1):
            return growing.number_of(fields[b"cursor"].decode())
        return -1

    def kill_daemon(self, _):
        self.daemon.kill()
        self.strikes.append(exactly.Strike("daemon", max(-1, self.delivered() - window_entries())))
        self.outcome.daemon_kills += 1
        time.sleep(self.chance.uniform(0, 0.2))  # the journal grows meanwhile
        self.start_daemon()

    def kill_redis(self, stream):
        self.server.kill()
        self.strikes.append(exactly.Strike("redis", max(-1, stream.highest - window_entries())))
        self.outcome.redis_kills += 1
        time.sleep(self.chance.uniform(0, 0.5))  # the feed finds nobody meanwhile
        self.server.start()

    def vacuum(self, _):
        self.outcome.vacuumed_files += self.journal.vacuum()

    def play(self, say):
        channel = witnesses.ChannelWitness(self.server.socket)
        channel.wait_connected()
        stream = witnesses.StreamWitness(self.server.client(), self.journal.progress)
        try:
            self.journal.start()
            self.start_daemon()
            for number, act in self.plan():
                stream.wait_for(number)
                say(f"{stream.highest + 1:,} entries: {act.__name__}")
                act(stream)
            stream.wait_for(self.options.entries - 1)
            if self.daemon.terminate() != 0:
                raise parts.Failure(f"the daemon does not end with 0:\n{self.daemon.tail()}")
        except parts.Failure as failure:
            raise parts.Failure(f"{failure}\n{self.journal.error or ''}\n{self.daemon.tail()}") from failure
        finally:
            self.journal.stop()
            stream.stop()
            channel.stop()
            self.server.kill()
        return self.judge(stream, channel)

    def judge(self, stream, channel):
        outcome = self.outcome
        outcome.rotations = len(self.journal.ends) - 1
        outcome.sessions = len(channel.sessions)
        outcome.stream = exactly.judge(stream.numbers, self.strikes, first=0)
        if self.saved() != self.options.entries - 1:
            outcome.stream.troubles.append(f"the daemon ended with its place saved at entry {self.saved()}")
        daemon_strikes = [strike for strike in self.strikes if strike.what == "daemon"]
        for numbers in channel.sessions:
            seen = exactly.judge(numbers, daemon_strikes)
            outcome.channel.troubles += seen.troubles
            outcome.channel.messages += seen.messages
            outcome.channel.repeated += seen.repeated
            outcome.channel.longest = max(outcome.channel.longest, seen.longest)
        return outcome


def run(options, folder, say=lambda _: None):
    """Needs a folder of its own. Answers the outcome; raises Failure when it cannot go on."""
    return Endurance(options, pathlib.Path(folder)).play(say)
