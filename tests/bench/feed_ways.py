"""The ways from a journal to a subscriber that tests/bench/feed compares, and two that only read."""

import dataclasses
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/lease"), str(ROOT / "tests/feed")]
import feed_daemon
import measured
import parts
import realistic

HOST = "127.0.0.1"

RSYSLOG = """
module(load="imjournal" StateFile="/run/imjournal.state" Ratelimit.Interval="0" IgnorePreviousMessages="off"
       PersistStateInterval="1000")
module(load="omhiredis")
global(workDirectory="/run")
main_queue(queue.dequeueBatchSize="1024")
template(name="all" type="string" string="%$!all-json%")
action(type="omhiredis" server="{host}" serverport="{port}" mode="publish" key="{channel}" template="all")
"""

SYSLOG_NG = """@version: 3.38
source journal {{
  systemd-journal(read-old-records(yes) max-field-size(65536) log-fetch-limit(1000) log-iw-size(10000));
}};
destination redis {{
  redis(host("{host}") port({port})
        command("PUBLISH" "{channel}" "$(format-json --key .journald.* --shift-levels 2)")
        batch-lines(128) batch-timeout(50) log-fifo-size(20000));
}};
log {{ source(journal); destination(redis); flags(flow-control); }};
"""


@dataclasses.dataclass
class Sample:
    seconds: float
    cpu_s: float
    redis_cpu_s: float = 0.0
    messages: int = 0


class Bench:
    """What a way needs. A way is a function of it that answers a Sample."""

    def __init__(self, build, journal, entries, server):
        self.build = build
        self.journal = journal
        self.entries = entries
        self.server = server
        self.trees = None  # by name; absent peers are not in it
        self.folder = None  # of this run

    def publish(self, start, signal_at_end):
        """Measures a program from its first message to its last. `start` starts it."""
        subscriber = measured.Subscriber(self.build, self.server.socket, self.entries)
        try:
            redis_before = measured.cpu_s(self.server.program.pid)
            program = start()
            arrivals = subscriber.arrivals(program)
            redis_s = measured.cpu_s(self.server.program.pid) - redis_before
            code, used_s = program.end(signal_at_end)
        finally:
            subscriber.end()
        if code not in (0, -(signal_at_end or 0)):
            raise parts.Failure(f"ended with {code}:\n{program.tail()}")
        return Sample(arrivals.seconds, used_s, redis_s, arrivals.messages)

    def read(self, argv):
        """Measures a program that only reads, from its start to its end."""
        began = time.monotonic()
        code, used_s = measured.Measured(argv, "/dev/null").end()
        if code != 0:
            raise parts.Failure(f"{argv[0]} ended with {code}")
        return Sample(time.monotonic() - began, used_s)

    def log(self):
        return self.folder / "log"


def ours(bench):
    feed = f'directory = "{bench.journal}"\nbacklog = {bench.entries}\n'
    path = feed_daemon.config(bench.folder, f"unix://{bench.server.socket}", feed)
    return bench.publish(
        lambda: feed_daemon.start(bench.build, path, bench.log(), measured.Measured), signal.SIGTERM
    )


def source_way(bench):
    script = ROOT / "tests/bench/feed_source_way.py"
    argv = ["/usr/bin/python3", script, bench.server.socket, measured.CHANNEL, "--directory", bench.journal]
    return bench.publish(lambda: measured.Measured(argv, bench.log()), None)


def journalctl(bench):
    return bench.read(["journalctl", "--directory", bench.journal, "--output=json", "--no-pager"])


def read_loop(bench):
    return bench.read([bench.build / "feed_read_loop", bench.journal, "stargazer"])


def in_tree(bench, tree, config, command):
    """Runs a command in the foreground in a Debian tree that has the journal as that of its machine.

    The tree is seen by it alone: the mounts are in a namespace that ends with it.
    """
    (bench.folder / "peer.conf").write_text(
        config.format(host=HOST, port=bench.server.port, channel=measured.CHANNEL), encoding="ascii"
    )
    script = (
        'mount -t tmpfs none "$0/run"; cp "$1" "$0/run/peer.conf"; mkdir -p "$0/var/log/journal/$3"; '
        'mount --rbind /dev "$0/dev"; mount --bind "$2" "$0/var/log/journal/$3"; '
        'tree=$0; shift 3; exec chroot "$tree" "$@"'
    )
    argv = ["unshare", "--mount", "sh", "-ec", script, tree, bench.folder / "peer.conf", bench.journal]
    return measured.Measured([*argv, realistic.MACHINE_ID, *command], bench.log())


def rsyslog(bench):
    command = ["rsyslogd", "-n", "-i", "NONE", "-f", "/run/peer.conf"]
    return bench.publish(lambda: in_tree(bench, bench.trees["rsyslog"], RSYSLOG, command), signal.SIGTERM)


def syslog_ng(bench):
    state = ["--persist-file=/run/persist", "--control=/run/control", "--pidfile=/run/pid"]
    command = ["syslog-ng", "--foreground", "--no-caps", "--cfgfile=/run/peer.conf", *state]
    return bench.publish(lambda: in_tree(bench, bench.trees["syslog-ng"], SYSLOG_NG, command), signal.SIGTERM)


# The letters are those under which they are known in the table.
WAYS = {
    "a ours": ours,
    "b the source's way": source_way,
    "c journalctl -o json": journalctl,
    "d rsyslog": rsyslog,
    "e syslog-ng": syslog_ng,
    "f bare read loop": read_loop,
}

PACKAGES = {"rsyslog": "rsyslog,rsyslog-hiredis", "syslog-ng": "syslog-ng-core,syslog-ng-mod-redis"}


def make_trees():
    """A Debian tree a peer, in build/trees: side by side their packages conflict, and their services would start."""
    script = (
        'top=$0; source "$top/tests/package/trees.bash"; suite=$(. /etc/os-release && echo "$VERSION_CODENAME"); '
        'make_tree "$suite-$1" "$suite" "$2" >&2 && tree=$trees/$suite-$1 && echo "$3" >"$tree/etc/machine-id" && '
        'echo "$tree"'
    )
    made = {}
    for name, packages in PACKAGES.items():
        argv = ["bash", "-c", script, ROOT, name, packages, realistic.MACHINE_ID]
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            made[name] = done.stdout.strip()
    return made


def run(bench, name):
    with tempfile.TemporaryDirectory(prefix="stargazer-bench-") as folder:
        bench.folder = pathlib.Path(folder)
        return WAYS[name](bench)
