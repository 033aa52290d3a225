"""The state directory, remembered ends, and stopping: nothing stays behind, at any moment."""

import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

import harness

TASK = '[tasks.daily]\ninterval = "1d"\npersist = true\ncommand = ["/bin/true"]\n'
BEAT = '[tasks.beat]\ninterval = "200ms"\ncommand = ["/bin/true"]\n'


class RememberedEnds(harness.DaemonTest):
    def test_a_restart_does_not_run_it_again(self):
        first = self.daemon(TASK + BEAT)
        first.wait_for("daily: ok")
        harness.wait_until((self.folder / "state/last_ends.json").exists, "the end is not remembered")
        self.assertEqual(first.stop(), 0)
        second = self.daemon(TASK + BEAT)
        second.wait_for("beat: ok", count=3)
        self.assertNotIn("daily: started", second.log())
        self.assert_lives_and_stops(second)

    def test_damaged_memory_is_kept_and_not_used(self):
        state = self.folder / "state"
        state.mkdir()
        (state / "last_ends.json").write_bytes(b"\x00" * 100)
        daemon = self.daemon(TASK)
        daemon.wait_for(r"warning\s+the remembered last ends cannot be used: .*last_ends\.json")
        daemon.wait_for("daily: ok")
        self.assertEqual((state / "last_ends.json.damaged").read_bytes(), b"\x00" * 100)
        self.assert_lives_and_stops(daemon)

    def test_end_in_the_future(self):
        state = self.folder / "state"
        state.mkdir()
        future_us = int((time.time() + 86400) * 1e6)
        (state / "last_ends.json").write_text(f'{{"version": 1, "last_ends": {{"daily": {future_us}}}}}')
        daemon = self.daemon(TASK)
        daemon.wait_for(r"warning\s+daily: its remembered last end lies in the future")
        daemon.wait_for("daily: ok")
        self.assert_lives_and_stops(daemon)


class StateDirectoryThatCannotBeWritten(harness.DaemonTest):
    def mount(self, options):
        """A file system of our own on the state directory."""
        state = self.folder / "state"
        state.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", state],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"mount is not permitted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", state], check=False)
        return state

    def test_read_only(self):
        self.mount("ro,size=64k")
        daemon = self.daemon(TASK + BEAT)
        daemon.wait_for(r"warning\s+node\.state_dir cannot be written: .*Read-only file system; "
                        r"the daemon runs, but will "
                        r"not remember last ends across a restart")
        daemon.wait_for("daily: ok")
        daemon.wait_for("beat: ok", count=3)
        self.assert_lives_and_stops(daemon)

    def test_full_from_the_start(self):
        state = self.mount("size=64k")
        with open(state / "filler", "wb", buffering=0) as filler:
            with self.assertRaises(OSError):
                while True:
                    filler.write(b"\0" * 4096)
        daemon = self.daemon(TASK + BEAT)
        daemon.wait_for(r"node\.state_dir cannot be written: .*No space left on device")
        daemon.wait_for("beat: ok", count=3)
        self.assert_lives_and_stops(daemon)

    def test_full_later_and_free_again(self):
        state = self.mount("size=64k")
        text = '[tasks.often]\ninterval = "300ms"\npersist = true\ncommand = ["/bin/true"]\n'
        daemon = self.daemon(text)
        place = daemon.wait_for("often: ok")
        with open(state / "filler", "wb", buffering=0) as filler:
            with self.assertRaises(OSError):
                while True:
                    filler.write(b"\0" * 4096)
        place = daemon.wait_for(r"warning\s+last ends cannot be remembered: .*No space left on device; tried again",
                                start=place)
        place = daemon.wait_for("often: ok", start=place, count=3)
        (state / "filler").unlink()
        daemon.wait_for("last ends are remembered again", start=place)
        self.assert_lives_and_stops(daemon)

    def test_path_under_a_file(self):
        (self.folder / "state").write_text("not a directory")
        daemon = self.daemon(BEAT)
        daemon.wait_for(r"node\.state_dir cannot be written: ")
        daemon.wait_for("beat: ok", count=3)
        self.assert_lives_and_stops(daemon)


class Stopping(harness.DaemonTest):
    def test_everything_ends_with_it(self):
        daemon = self.daemon(
            '[tasks.task]\ninterval = "1h"\ncommand = ["/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & wait"]\n'
            '[supervised.worker]\ncommand = ["/bin/sh", "-c", "sleep 1000 & wait"]\n'
        )
        daemon.wait_for("task: started")
        daemon.wait_for("worker: supervised worker started")
        harness.wait_until(lambda: len(self.workers_of("task")) == 3, "the task has not forked")
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("stopping on SIGTERM", daemon.log())
        self.assertRegex(daemon.log(), r"task: stopped after .*: the scheduler is stopping")
        for name in ("task", "worker"):
            self.assertEqual(self.workers_of(name), [])

    def test_sigint(self):
        daemon = self.daemon(BEAT)
        daemon.wait_for("beat: ok")
        self.assertEqual(daemon.stop(signal.SIGINT), 0)
        self.assertIn("stopping on SIGINT", daemon.log())

    def test_second_signal_hurries(self):
        daemon = self.daemon(
            '[tasks.deaf]\ninterval = "1h"\nstop_grace = "19s"\n'
            'command = ["/bin/sh", "-c", "trap \'\' TERM; echo ready; while :; do sleep 1; done"]\n'
        )
        daemon.wait_for(r"deaf \| ready")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for("stopping on SIGTERM")
        began = time.monotonic()
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("stopping at once on a second SIGTERM", daemon.log())
        # The grace alone would be 19 s.
        self.assertLess(time.monotonic() - began, 15)

    def test_workers_that_ignore_term_do_not_pass_the_deadline(self):
        path = self.config(
            '[supervised.deaf]\ncommand = ["/bin/sh", "-c", "trap \'\' TERM; echo ready; while :; do sleep 1; done"]\n'
        )
        path.write_text(path.read_text().replace('stop_deadline = "20s"', 'stop_deadline = "12s"'))
        daemon = harness.Daemon(path)
        self.addCleanup(self._end, daemon)
        daemon.wait_for(r"deaf \| ready")
        began = time.monotonic()
        self.assertEqual(daemon.stop(), 0)
        self.assertLess(time.monotonic() - began, 12 + 3)
        self.assertEqual(self.workers_of("deaf"), [])


def descriptors(pid):
    """How many are open: a count only, for one that is closed meanwhile cannot be looked at any more."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_zombie(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # reaped since it was listed
        return False


def takes_care_of(pid, number):
    """Whether the process holds the signal back or has a handler for it."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    masks = (line.split()[1] for line in status.splitlines() if line.startswith(("SigBlk", "SigCgt")))
    return any(int(mask, 16) & (1 << (number - 1)) for mask in masks)


class TwoHundredCycles(harness.DaemonTest):
    CYCLES = int(os.environ.get("STARGAZER_STOP_CYCLES", "200"))

    def test_start_and_stop_at_a_random_moment(self):
        server = self.redis()
        draw = random.Random(20261123)
        text = (
            '[lease]\nttl = "3s"\n'
            '[tasks.fast]\ninterval = "100ms"\nrequires = ["redis"]\n'
            'command = ["/bin/sh", "-c", "echo x; sleep 0.05"]\n'
            '[tasks.forks]\ninterval = "100ms"\n'
            'command = ["/bin/sh", "-c", "sleep 100 & setsid sleep 100 & sleep 0.1"]\n'
            '[tasks.journal]\ninterval = "1s"\nrequires = ["redis"]\nnative = "journal_feed"\n'
            '[supervised.crashes]\ncommand = ["/bin/sh", "-c", "sleep 0.2; exit 1"]\n'
            f'[feed]\ndirectory = "{self.folder}"\n'
        )
        config = self.config(text, redis_url=server.url)
        for cycle in range(self.CYCLES):
            process = subprocess.Popen([harness.BINARY, "--config", config, "--log", "terminal"],
                                       stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
            # Until main has begun, the kernel's default for a signal holds, whatever the program is.
            harness.wait_until(lambda: takes_care_of(process.pid, signal.SIGTERM), "main does not begin")
            moment_s = draw.uniform(0, 1.0)
            time.sleep(moment_s)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=harness.DEADLINE_S)
            with self.subTest(cycle=cycle, moment_s=moment_s):
                self.assertEqual(process.returncode, 0, errors.decode(errors="replace"))
                self.assertLess(time.monotonic() - began, 20)
                for name in ("fast", "forks", "crashes"):
                    self.assertEqual(self.workers_of(name), [])

    def test_no_descriptor_is_leaked_while_it_runs(self):
        server = self.redis()
        daemon = self.daemon(
            '[tasks.fast]\ninterval = "100ms"\ncommand = ["/bin/sh", "-c", "echo x"]\n'
            '[tasks.forks]\ninterval = "100ms"\ncommand = ["/bin/sh", "-c", "setsid sleep 100 & exit 1"]\n'
            '[tasks.missing]\ninterval = "100ms"\ncommand = ["/no/such/program"]\n',
            redis_url=server.url,
        )
        place = daemon.wait_for("fast: ok", count=3)
        before = descriptors(daemon.pid)
        place = daemon.wait_for("fast: ok", start=place, count=100)
        server.kill()
        place = daemon.wait_for("redis is unreachable", start=place)
        server.start()
        place = daemon.wait_for("redis is reachable", start=place)
        # Runs come and go; what matters is that the count returns.
        harness.wait_until(lambda: descriptors(daemon.pid) <= before, "descriptors are leaked")
        self.assertLessEqual(sum(is_zombie(pid) for pid in harness.children_of(daemon.pid)), 1)
        self.assert_lives_and_stops(daemon)


if __name__ == "__main__":
    unittest.main()
