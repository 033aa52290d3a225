"""Commands that misbehave: each is one clear line, the daemon lives, and the other tasks go on."""

import os
import pathlib
import unittest

import harness

HEALTHY = '[tasks.healthy]\ninterval = "200ms"\ncommand = ["/bin/true"]\n'


class JobsThatMisbehave(harness.DaemonTest):
    def run_beside_healthy(self, task, *patterns, scheduler=""):
        """Runs `task` beside a healthy one; every pattern must come, then more healthy runs, then a clean stop."""
        daemon = self.daemon(scheduler + HEALTHY + "[tasks.bad]\n" + task)
        place = 0
        for pattern in patterns:
            place = max(place, daemon.wait_for(pattern))
        daemon.wait_for("healthy: ok", start=place, count=2)
        return daemon

    def test_command_that_does_not_exist(self):
        daemon = self.run_beside_healthy(
            'interval = "1h"\ncommand = ["/no/such/program"]',
            r"error\s+bad: could not be started: /no/such/program: No such file or directory; "
            r"runs again after its interval",
        )
        self.assert_lives_and_stops(daemon)

    def test_command_that_is_not_executable(self):
        program = self.folder / "plain"
        program.write_text("#!/bin/sh\n")
        daemon = self.run_beside_healthy(
            f'interval = "1h"\ncommand = ["{program}"]', r"bad: could not be started: .*/plain: Permission denied"
        )
        self.assert_lives_and_stops(daemon)

    def test_command_that_is_no_program(self):
        program = self.folder / "noise"
        program.write_bytes(os.urandom(100))
        program.chmod(0o755)
        daemon = self.run_beside_healthy(
            f'interval = "1h"\ncommand = ["{program}"]', r"bad: could not be started: .*/noise: Exec format error"
        )
        self.assert_lives_and_stops(daemon)

    def test_working_directory_that_is_not_there(self):
        daemon = self.run_beside_healthy(
            'interval = "1h"\ncommand = ["/bin/true"]\nworking_directory = "/no/such/place"',
            r"bad: could not be started: working directory /no/such/place: No such file or directory",
        )
        self.assert_lives_and_stops(daemon)

    def test_hundred_megabytes_on_stdout(self):
        # 100 MB in lines of 16 kB, counted at the end by a last line.
        script = "head -c 100000000 /dev/zero | tr '\\\\0' x | fold -w 16000; echo; echo LAST"
        daemon = self.run_beside_healthy(
            f'interval = "1h"\ncommand = ["/bin/sh", "-c", "{script}"]',
            r"bad \| LAST$",
            r"bad: ok after",
            scheduler="output_lines_per_s_max = 0\n",
        )
        with daemon.changed:
            lines = [line for line in daemon.lines if line is not None and " bad | x" in line]
        self.assertEqual(sum(line.count("x") for line in (l.split("| ", 1)[1] for l in lines)), 100_000_000)
        peak_kb = int(
            next(
                line.split()[1]
                for line in pathlib.Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
                if line.startswith("RssAnon")
            )
        )
        # The queue of the log holds 8,192 lines of up to 16 kB.
        self.assertLess(peak_kb, 400_000)
        self.assert_lives_and_stops(daemon)

    def test_one_endless_line(self):
        script = "head -c 10000000 /dev/zero | tr '\\\\0' x; echo; echo AFTER"
        daemon = self.run_beside_healthy(
            f'interval = "1h"\ncommand = ["/bin/sh", "-c", "{script}"]',
            r"bad \| x{16384} \[…cut\]$",
            r"bad \| AFTER$",
        )
        self.assert_lives_and_stops(daemon)

    def test_binary_output(self):
        script = "head -c 100000 /dev/urandom; echo; echo END"
        daemon = self.run_beside_healthy(f'interval = "1h"\ncommand = ["/bin/sh", "-c", "{script}"]', r"bad \| END$")
        with daemon.changed:
            output = [line for line in daemon.lines if line is not None and " bad | " in line]
        self.assertFalse([line for line in output if any(ord(c) < 32 or ord(c) == 127 for c in line)])
        self.assert_lives_and_stops(daemon)

    def test_command_that_ignores_term(self):
        script = "trap '' TERM; echo deaf; while :; do sleep 1; done"
        daemon = self.run_beside_healthy(
            f'interval = "1h"\ntimeout = "500ms"\nstop_grace = "500ms"\ncommand = ["/bin/sh", "-c", "{script}"]',
            r"warning\s+bad: has not ended on TERM, its process group gets KILL",
            r"error\s+bad: stopped after .*: it ran longer than its timeout of 500ms; runs again after its interval",
        )
        self.assertEqual(self.workers_of("bad"), [])
        self.assert_lives_and_stops(daemon)

    def test_command_that_forks_and_leaves(self):
        # A child in the same group, and one that leaves group and session and holds the output open.
        script = "sleep 1000 & setsid sleep 1000 & echo leaving"
        daemon = self.run_beside_healthy(f'interval = "1h"\ncommand = ["/bin/sh", "-c", "{script}"]', r"bad: ok after")
        harness.wait_until(
            lambda: self.workers_of("bad") == [], "something is left of the run"
        )
        self.assert_lives_and_stops(daemon)

    def test_exit_codes(self):
        daemon = self.daemon(
            '[tasks.fails]\ninterval = "1h"\ncommand = ["/bin/sh", "-c", "exit 3"]\n'
            '[tasks.skips]\ninterval = "1h"\ncommand = ["/bin/sh", "-c", "exit 77"]\n'
            '[tasks.dies]\ninterval = "1h"\ncommand = ["/bin/sh", "-c", "kill -SEGV $$"]\n'
        )
        daemon.wait_for(r"error\s+fails: failed after .*: exit code 3; runs again after its interval")
        daemon.wait_for(r"debug\s+skips: skipped, it had nothing to do")
        daemon.wait_for(r"error\s+dies: failed after .*: killed by signal 11; runs again after its interval")
        self.assert_lives_and_stops(daemon)

    def test_environment_of_a_run(self):
        variables = "$STARGAZER_TASK/$STARGAZER_NODE_ID/$STARGAZER_RUN_ID/$OWN/$NOTIFY_SOCKET"
        daemon = self.daemon(
            f'[tasks.env]\ninterval = "1h"\nenvironment = {{ OWN = "mine" }}\n'
            f'command = ["/bin/sh", "-c", "echo {variables}"]\n',
            environment={"NOTIFY_SOCKET": str(self.folder / "nobody-listens")},
        )
        daemon.wait_for(r"env \| env/[^/]+-[0-9a-f]{8}/[0-9a-f]{12}-1/mine/$")
        self.assert_lives_and_stops(daemon)


if __name__ == "__main__":
    unittest.main()
