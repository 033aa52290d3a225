"""Further attempts after a failure, as the job and the operator see them."""

import json
import unittest

import harness

# Fails twice, and then does not; says each time which attempt it is, as its environment and its `run` say.
REPORT = (
    "import json, os, socket, sys\n"
    "channel = socket.socket(fileno=3).makefile('r')\n"
    "attempt = os.environ['STARGAZER_ATTEMPT']\n"
    "print('attempt', attempt, json.loads(channel.readline())['params']['attempt'], flush=True)\n"
    "sys.exit(0 if attempt == '3' else 1)\n"
)


def task(keys, script=REPORT):
    return f"[tasks.report]\n{keys}\ncommand = {json.dumps(['/usr/bin/python3', '-c', script])}\n"


class Retries(harness.DaemonTest):
    def test_attempts_until_one_succeeds(self):
        daemon = self.daemon(task('interval = "1h"\nretries = 5\nretry_backoff = "200ms"\n'))
        for attempt in (1, 2):
            daemon.wait_for(rf"report \| attempt {attempt} {attempt}$")
            next_one = f"attempt {attempt + 1} in {200 * attempt} ms"
            daemon.wait_for(rf"error\s+report: failed after .*: exit code 1; {next_one}")
        daemon.wait_for(r"report \| attempt 3 3$")
        daemon.wait_for("report: ok after")
        self.assert_lives_and_stops(daemon)
        self.assertEqual(daemon.log().count("report: started"), 3)

    def test_the_last_attempt_ends_them_and_each_has_a_run_id_of_its_own(self):
        script = "import os; print('run', os.environ['STARGAZER_RUN_ID'], flush=True); os._exit(1)"
        daemon = self.daemon(task('interval = "1h"\nretries = 1\nretry_backoff = "100ms"\n', script))
        daemon.wait_for(r"report: failed after .*: exit code 1; attempt 2 in ")
        daemon.wait_for(r"report: failed after .*: exit code 1; that was attempt 2; runs again after its interval")
        self.assert_lives_and_stops(daemon)
        runs = [line.split()[-1] for line in daemon.log().splitlines() if "| run " in line]
        self.assertEqual(len(runs), 2)
        self.assertEqual(len(set(runs)), 2)

    def test_a_timeout_is_a_failure_and_a_skip_is_none(self):
        script = "import os, time; time.sleep(1000 if os.environ['STARGAZER_ATTEMPT'] == '1' else 0); os._exit(77)"
        daemon = self.daemon(task('interval = "1h"\ntimeout = "500ms"\nretries = 3\nretry_backoff = "100ms"\n', script))
        daemon.wait_for(r"report: stopped after .*: it ran longer than its timeout of 500ms; attempt 2 in 100 ms")
        daemon.wait_for("report: skipped")
        self.assert_lives_and_stops(daemon)
        self.assertEqual(daemon.log().count("report: started"), 2)

    def test_only_the_last_end_is_remembered(self):
        memory = self.folder / "state/last_ends.json"
        keys = 'interval = "1d"\npersist = true\nretries = 1\n'
        failing = "import os; os._exit(1)"
        first = self.daemon(task(keys + 'retry_backoff = "1h"\n', failing))
        first.wait_for("report: failed after .*; attempt 2 in ")
        self.assertEqual(first.stop(), 0)
        self.assertNotIn("report", memory.read_text() if memory.exists() else "")
        # So a restart does not put it off for a day.
        second = self.daemon(task(keys + 'retry_backoff = "100ms"\n', failing))
        second.wait_for("report: failed after .*; attempt 2 in 100 ms")
        second.wait_for("report: failed after .*; that was attempt 2; runs again after its interval")
        self.assertEqual(second.stop(), 0)
        self.assertIn("report", memory.read_text())

    def test_leader_tasks_remember_in_redis_only_the_last_end(self):
        server = self.redis()
        keys = 'interval = "1d"\nrun_on = "leader"\nretries = 1\nretry_backoff = "1s"\n'
        daemon = self.daemon(task(keys, "import os; os._exit(1)"), redis_url=server.url, lease='ttl = "3s"\nnodes = 1')
        ends = "sg:leader:supervisor:last_ends"
        place = daemon.wait_for("report: failed after .*; attempt 2 in 1 s")
        self.assertIsNone(server.client().hget(ends, "report"))
        daemon.wait_for("report: failed after .*; that was attempt 2", start=place)
        harness.wait_until(lambda: server.client().hget(ends, "report") is not None, "the last end is not shared")
        self.assert_lives_and_stops(daemon)


if __name__ == "__main__":
    unittest.main()
