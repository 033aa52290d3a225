"""The counters of supervised workers, as an observer on Redis sees them (SPEC section 4)."""

import json
import sys
import unittest

import harness
from test_worker_messages import result

# Fails in another way at each start, then ends well.
WORKER = """
import os, pathlib, signal, sys
count = pathlib.Path(sys.argv[1])
number = int(count.read_text()) if count.exists() else 0
count.write_text(str(number + 1))
if number in (0, 1):
    os.write(3, sys.argv[2].encode() + b"\\n")
    sys.exit(1)
if number == 2: os.kill(os.getpid(), signal.SIGKILL)
signal.pause() if number == 3 else None
"""


class Counters(harness.DaemonTest):
    def test_starts_and_crashes(self):
        server = self.redis()
        client = server.client()
        self.addCleanup(client.close)
        listener = client.pubsub()
        self.addCleanup(listener.close)
        listener.subscribe("stargazer:observability")
        listener.get_message(timeout=harness.DEADLINE_S)
        program = self.folder / "worker.py"
        program.write_text(WORKER)
        answer = result(error={"code": -32000, "message": "no such channel", "data": {"error": "KeyError"}})
        command = json.dumps([sys.executable, str(program), str(self.folder / "count"), answer])
        daemon = self.daemon(
            f'[supervised.worker]\ncommand = {command}\n[supervised.lost]\ncommand = ["/no/such/program"]\n',
            redis_url=server.url,
            lease="nodes = 1",
        )

        def next_of(name):
            while True:
                message = listener.get_message(timeout=harness.DEADLINE_S)
                self.assertIsNotNone(message, daemon.log()[-4000:])
                event = json.loads(message["data"])
                if event["payload"].get("task_name") == name:
                    self.assertEqual(event["source"], "supervisor")
                    self.assertEqual(event["status"], "ok" if event["event_type"] == "task_started" else "error")
                    payload = dict(event["payload"])
                    payload.pop("task_name")
                    return event["event_type"], payload

        crashed = {"error": "KeyError"}
        self.assertEqual(next_of("worker"), ("task_started", {"count": 1}))
        self.assertEqual(next_of("worker"), ("task_crash", {**crashed, "count": 1}))
        self.assertEqual(next_of("worker"), ("task_started", {"count": 2}))
        self.assertEqual(next_of("worker"), ("task_crash", {**crashed, "count": 2}))
        self.assertEqual(next_of("worker"), ("task_started", {"count": 3}))
        self.assertEqual(next_of("worker"), ("task_crash", {"error": "killed by signal 9", "count": 1}))
        self.assertEqual(next_of("worker"), ("task_started", {"count": 4}))
        lost = [json.loads(client.hget(key, "payload")) for key in client.scan_iter("obs:*")
                if client.hget(key, "event_type") == b"task_crash"]
        self.assertIn("/no/such/program: No such file or directory",
                      [payload["error"] for payload in lost if payload["task_name"] == "lost"])
        # Stopped, it has not crashed.
        self.assert_lives_and_stops(daemon)
        left = [json.loads(client.hget(key, "payload")) for key in client.scan_iter("obs:*")
                if client.hget(key, "event_type") == b"task_crash"]
        self.assertEqual(sum(payload["task_name"] == "worker" for payload in left), 3)


if __name__ == "__main__":
    unittest.main()
