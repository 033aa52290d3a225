"""Runs that want more than they may have: ended by the limit that is named, with nothing left, and harming nobody.

Once without a control group, and once in one that is delegated as systemd does it. Whether the kernel enforces
memory_max and processes_max there depends on the machine, which may have these controllers in another hierarchy;
what is said then, and that the limit is kept all the same, is checked here. tests/package/booted does it under
systemd.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import unittest

import harness

# One that is refused more keeps what it has.
ALLOCATES = (
    "import time\n"
    "taken = []\n"
    "while True:\n"
    "  try: taken.append(bytearray(1 << 20))\n"
    "  except MemoryError: time.sleep(0.01)\n"
)
# Half of them leave the process group, and all lose their parent; each lives for long.
FORKS = (
    "import os, time\n"
    "while True:\n"
    "  if os.fork() == 0:\n"
    "    if os.fork() > 0: os._exit(0)\n"
    "    if os.getpid() % 2: os.setsid()\n"
    "    time.sleep(1000)\n"
    "  time.sleep(0.002)\n"
)
SPINS = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass\n"


def task(name, script, keys):
    command = json.dumps(["/usr/bin/python3", "-c", script])
    return f'[tasks.{name}]\ninterval = "1h"\n{keys}\ncommand = {command}\n'


HEALTHY = '[tasks.healthy]\ninterval = "200ms"\ncommand = ["/bin/true"]\n'
HOSTILE = (
    HEALTHY
    + task("hog", ALLOCATES, 'memory_max = "64M"')
    + task("bomb", FORKS, "processes_max = 20")
    + task("spin", SPINS, 'timeout = "1s"\nstop_grace = "200ms"\ncpu_weight = 10\nnice = 5\nprocesses_max = 20')
)


@contextlib.contextmanager
def delegated_group():
    """A control group below the root, marked as delegated; None where none can be made."""
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        group = pathlib.Path(mount) / f"stargazer-limits-{os.getpid()}"
        if not os.access(f"{mount}/cgroup.procs", os.W_OK):
            continue
        group.mkdir()
        try:
            os.setxattr(group, "user.delegate", b"1")
            yield group
        finally:
            remove(group)
        return
    yield None


def remove(group):
    """With the groups below it, all of which must be empty by then."""
    for below in [path for path in group.iterdir() if path.is_dir()]:
        remove(below)
    harness.wait_until(lambda: (group / "cgroup.procs").read_text() == "", f"something is left in {group}")
    group.rmdir()


class Limits(harness.DaemonTest):
    def assert_hostile_runs_are_ended(self, daemon):
        place = daemon.wait_for("healthy: ok")
        daemon.wait_for(r"error\s+hog: failed after .*: killed by memory_max of 64M: ")
        daemon.wait_for(r"error\s+bomb: failed after .*: (killed by|reached) processes_max of 20: ")
        daemon.wait_for(r"error\s+spin: stopped after .*: it ran longer than its timeout of 1s")
        for name in ("hog", "bomb", "spin"):
            harness.wait_until(lambda name=name: self.processes_of(name) == [], f"something of {name} is left")
        daemon.wait_for("healthy: ok", start=place, count=2)
        self.assert_lives_and_stops(daemon)

    def test_without_a_control_group(self):
        daemon = self.daemon(HOSTILE)
        daemon.wait_for(r"warning\s+limits of runs are not enforced by control groups: ")
        daemon.wait_for(r"warning\s+memory_max is looked at ten times a second, for hog$")
        daemon.wait_for(r"warning\s+processes_max is looked at ten times a second, for bomb$")
        daemon.wait_for(r"warning\s+processes_max is looked at ten times a second, cpu_weight has no effect, for spin$")
        self.assert_hostile_runs_are_ended(daemon)

    def test_in_a_delegated_control_group(self):
        with delegated_group() as group:
            if group is None:
                self.skipTest("no control group can be made here")
            daemon = self.daemon_in(group, HOSTILE)
            daemon.wait_for(rf"limits of runs are enforced by control groups in {group}")
            members = (group / "stargazer-daemon/cgroup.procs").read_text().split()
            self.assertIn(str(daemon.pid), members)
            self.assertEqual((group / "cgroup.procs").read_text(), "")
            self.assert_hostile_runs_are_ended(daemon)
            self.assertEqual([path.name for path in group.glob("stargazer-run-*")], [])

    def test_what_a_run_detached_dies_with_its_control_group(self):
        with delegated_group() as group:
            if group is None:
                self.skipTest("no control group can be made here")
            script = "(env -i setsid sleep 4321 >/dev/null 2>&1 3>&- &); sleep 0.2; cat /proc/self/cgroup"
            text = f'[tasks.once]\nonce = true\nprocesses_max = 20\ncommand = ["/bin/sh", "-c", "{script}"]\n'
            # A run that goes on: while there is one, what hides its run's id is left alone without a control group.
            text += '[tasks.long]\nonce = true\ncommand = ["/bin/sleep", "1000"]\n'
            daemon = self.daemon_in(group, text)
            daemon.wait_for(rf"once \| 0::.*/{group.name}/stargazer-run-{daemon.pid}-\d+$")
            daemon.wait_for("once: ok")
            harness.wait_until(lambda: list(group.glob("stargazer-run-*")) == [], "the control group is left")
            self.assertEqual(subprocess.run(["pgrep", "-f", "^sleep 4321$"], check=False).returncode, 1)
            self.assert_lives_and_stops(daemon)

    def daemon_in(self, group, text):
        """A daemon that is started in `group`, as systemd starts one."""
        script = f'echo 0 > {group}/cgroup.procs; exec "$@"'
        daemon = harness.Daemon(self.config(text), prefix=["/bin/sh", "-c", script, "sh"])
        self.addCleanup(self._end, daemon)
        return daemon

    def test_a_limited_worker_of_the_lease(self):
        server = self.redis()
        command = json.dumps(["/usr/bin/python3", "-c", ALLOCATES])
        text = HEALTHY + f'[supervised.hog]\nmemory_max = "64M"\ncommand = {command}\n'
        daemon = self.daemon(text, redis_url=server.url, lease='ttl = "3s"\nnodes = 1')
        daemon.wait_for(r"error\s+hog: crashed after .* \(killed by memory_max of 64M: .*\), starts again")
        daemon.wait_for("healthy: ok")
        self.assert_lives_and_stops(daemon)
        self.assertEqual(self.processes_of("hog"), [])

    def test_limits_are_in_the_report(self):
        path = self.config(HOSTILE)
        done = harness.check("--config", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("task hog: every 1h on every node, for 1h at most, with memory_max 64M: command", done.stdout)
        report = json.loads(harness.check("--config", path, "--json").stdout)
        limits = {task["name"]: task["limits"] for task in report["tasks"]}
        self.assertEqual(limits["spin"], {"processes_max": 20, "cpu_weight": 10, "nice": 5})

    def test_runs_without_limits_need_nothing(self):
        daemon = self.daemon(HEALTHY)
        daemon.wait_for("healthy: ok")
        self.assertNotIn("limits of runs", daemon.log())
        self.assert_lives_and_stops(daemon)


class Output(harness.DaemonTest):
    """Lines of a run beyond its share of the journal are read, left out and counted."""

    def test_a_flood_is_shown_in_part_and_counted_whole(self):
        lines = 200_000
        text = 'output_lines_per_s_max = 100\noutput_lines_burst = 1000\n' + HEALTHY
        text += task("flood", f"print('x\\n' * {lines} + 'LAST')", "")
        daemon = self.daemon(text)
        daemon.wait_for("flood: ok")
        daemon.wait_for("healthy: ok")
        self.assert_lives_and_stops(daemon)
        log = daemon.log().splitlines()
        shown = sum(line.endswith("flood | x") or line.endswith("flood | LAST") for line in log)
        marks = [line for line in log if "lines left out: too many in a short time]" in line]
        left_out = sum(int(line.split("[")[-1].split()[0]) for line in marks)
        self.assertEqual(shown + left_out, lines + 1)
        self.assertGreaterEqual(shown, 1000)
        self.assertLess(shown, 20_000)
        self.assertGreater(len(marks), 0)
        ended = next(place for place, line in enumerate(log) if "flood: ok" in line)
        self.assertLessEqual(max(place for place, line in enumerate(log) if line in marks), ended + 1)

    def test_without_a_limit_all_is_shown(self):
        text = 'output_lines_per_s_max = 0\n' + task("flood", "print('x\\n' * 30000 + 'LAST')", "")
        daemon = self.daemon(text)
        daemon.wait_for("flood: ok")
        self.assert_lives_and_stops(daemon)
        self.assertEqual(daemon.log().count("flood | x"), 30_000)
        self.assertNotIn("left out", daemon.log())


if __name__ == "__main__":
    unittest.main()
