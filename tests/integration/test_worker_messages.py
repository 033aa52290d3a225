"""What a worker says on its fd 3, well-behaved and not, and the examples of docs/workers.md as they are written."""

import json
import re
import sys
import unittest

import harness

# Says each line of its arguments, in turn, and ends with the exit code that comes first.
WORKER = """
import os, socket, sys
channel = socket.socket(fileno=int(os.environ["STARGAZER_FD"])).makefile("r")
print("told", channel.readline().strip(), flush=True)
for line in sys.argv[2:]:
    os.write(3, line.encode() + b"\\n")
sys.exit(int(sys.argv[1]))
"""
DOCUMENT = harness.ROOT / "docs/workers.md"


def note(method, **params):
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params})


def result(**rest):
    return json.dumps({"jsonrpc": "2.0", "id": 1, **rest})


class WorkerMessages(harness.DaemonTest):
    def start(self, *lines, code=0, section='[tasks.talker]\ninterval = "1h"\n', healthy=False, **options):
        program = self.folder / "worker.py"
        program.write_text(WORKER)
        command = json.dumps([sys.executable, str(program), str(code), *lines])
        more = '[tasks.healthy]\ninterval = "100ms"\ncommand = ["true"]\n' if healthy else ""
        return self.daemon(f"{section}command = {command}\n{more}", **options)

    def test_what_it_is_told_first(self):
        section = (
            '[flags]\nka_enabled = false\nstarwiki_lint_interval_minutes = 7\n'
            '[tasks.talker]\ninterval = "1h"\ntimeout = "90s"\nrequires = ["config"]\n'
            'settings = {day = "monday", steps = [1, 2.5]}\n'
        )
        daemon = self.start(section=section)
        place = daemon.wait_for("told ")
        told = json.loads(daemon.lines[place - 1].partition("told ")[2])
        self.assertEqual((told["id"], told["method"]), (1, "run"))
        params = told["params"]
        self.assertIsInstance(params.pop("deadline"), float)
        self.assertRegex(params.pop("run_id"), "^[0-9a-f]{12}-1$")
        self.assertEqual(
            params,
            {
                "protocol": 1,
                "task": "talker",
                "attempt": 1,
                "timeout_s": 90.0,
                "arguments": ["config"],
                "lease": None,
                "settings": {"day": "monday", "steps": [1, 2.5]},
                "flags": {"ka_enabled": False, "starwiki_lint_interval_minutes": 7},
            },
        )

    def test_lines_counters_and_the_cause_of_a_failure(self):
        daemon = self.start(
            note("log", message="look here", level="warning"),
            note("counter", name="files"),
            note("counter", name="files", value=2.5),
            result(error={"code": -32000, "message": "no such channel", "data": {"error": "KeyError"}}),
            code=3,
        )
        daemon.wait_for(r"warning talker \| look here")
        daemon.wait_for(r"talker: counted files=3.5")
        daemon.wait_for(r"talker: failed after .*: KeyError: no such channel; runs again")
        self.assertNotIn("refused", daemon.log())

    def test_a_commands_exit_code_decides(self):
        daemon = self.start(result(error={"code": -32000, "message": "not so"}))
        daemon.wait_for("talker: ok after")

    def test_events_reach_redis(self):
        server = self.redis()
        client = server.client()
        self.addCleanup(client.close)
        listener = client.pubsub()
        self.addCleanup(listener.close)
        listener.subscribe("stargazer:observability")
        listener.get_message(timeout=harness.DEADLINE_S)
        texts = {"event_type": "report", "phase": "p", "status": "ok", "preview": "v"}
        self.start(note("event", **texts, payload={"n": [1, "ü"]}, duration_ms=5), redis_url=server.url)
        event = json.loads(listener.get_message(timeout=harness.DEADLINE_S)["data"])
        expected = {**texts, "source": "talker"}
        self.assertEqual({name: event[name] for name in expected}, expected)
        self.assertEqual((event["payload"], event["duration_ms"]), ({"n": [1, "ü"]}, 5.0))
        self.assertRegex(event["run_id"], "-1$")

    def test_what_is_refused_is_said_once_and_counted(self):
        to_nothing = json.dumps({"jsonrpc": "2.0", "id": 9, "result": 1})
        bad = ["half {", "[]", note("log"), note("counter", name="a b"), to_nothing]
        daemon = self.start(*bad, note("log", message="still heard"), healthy=True)
        daemon.wait_for(r"warning talker: what it wrote to its fd 3 was refused: this line is not JSON")
        daemon.wait_for(r"talker \| still heard")
        daemon.wait_for(r"warning talker: 5 of the lines that it wrote to its fd 3 were refused")
        daemon.wait_for(r"talker: ok after")
        self.assertEqual(daemon.log().count("was refused"), 1)
        daemon.wait_for("healthy: ok", count=3)
        self.assert_lives_and_stops(daemon)

    def test_the_first_result_counts_and_nothing_comes_after_it(self):
        daemon = self.start(
            result(error={"code": -32000, "message": "the first"}),
            result(error={"code": -32000, "message": "the second"}),
            note("log", message="too late"),
            code=1,
        )
        daemon.wait_for("was refused: a second result of run")
        daemon.wait_for("2 of the lines")
        daemon.wait_for(r"talker: failed after .*: the first;")
        self.assertNotIn("talker | too late", daemon.log())

    def test_a_line_of_two_mebibytes(self):
        program = "import os; [os.write(3, b'x' * 65536) for _ in range(32)]; os.write(3, b'\\n')"
        command = json.dumps([sys.executable, "-c", program])
        daemon = self.daemon(f'[tasks.long]\ninterval = "1h"\ncommand = {command}\n')
        daemon.wait_for("long: what it wrote to its fd 3 was refused: this line is too long")
        daemon.wait_for("long: ok after")

    def test_one_that_closes_its_channel_goes_on(self):
        daemon = self.daemon(
            '[tasks.deaf]\ninterval = "1h"\ncommand = ["/bin/sh", "-c", "exec 3>&-; echo goes on; exit 4"]\n'
        )
        daemon.wait_for(r"deaf \| goes on")
        daemon.wait_for("deaf: failed after .*: exit code 4")

    def test_a_flood_harms_nobody_and_can_be_stopped(self):
        line = note("log", message="x" * 200)
        program = f"import os\nline = {line!r}.encode() + b'\\n'\nwhile True: os.write(3, line * 50)"
        command = json.dumps([sys.executable, "-c", program])
        daemon = self.daemon(
            f'[tasks.flood]\ninterval = "1h"\ntimeout = "1s"\ncommand = {command}\n'
            '[tasks.healthy]\ninterval = "100ms"\ncommand = ["true"]\n'
        )
        daemon.wait_for("flood: stopped after .*: it ran longer than its timeout")
        daemon.wait_for("healthy: ok", count=3)
        self.assert_lives_and_stops(daemon)

    def test_more_names_than_it_may_count(self):
        daemon = self.start(*[note("counter", name=f"n{number:02}") for number in range(65)])
        daemon.wait_for("was refused: counter: more than 64 names")
        daemon.wait_for(r"counted n00=1, .*n63=1$")

    def test_progress_and_stop_in_a_worker_that_listens(self):
        program = (
            "import json, os, signal, socket\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "lines = socket.socket(fileno=3).makefile('rw')\n"
            "lines.readline()\n"
            "print('listens', flush=True)\n"
            "print('reason:', json.loads(lines.readline())['params']['reason'], flush=True)\n"
        )
        command = json.dumps([sys.executable, "-c", program])
        daemon = self.daemon(f'[tasks.listener]\ninterval = "1h"\ncommand = {command}\n')
        daemon.wait_for("listens")
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("listener | reason: the scheduler is stopping", daemon.log())


class Examples(harness.DaemonTest):
    def example(self, language, name):
        """The first program of that language in the document, as a file."""
        program = self.folder / name
        program.write_text(re.search(rf"```{language}\n(#!.*?)```", DOCUMENT.read_text(), re.DOTALL)[1])
        program.chmod(0o755)
        return program

    def test_the_one_in_shell(self):
        daemon = self.daemon(f'[tasks.shell]\ninterval = "1h"\ncommand = ["{self.example("sh", "job.sh")}"]\n')
        daemon.wait_for(r"shell \| three files to go")
        daemon.wait_for(r"shell: counted files=3")
        daemon.wait_for(r"shell: failed after .*: Damaged: the third file is damaged")
        self.assertNotIn("refused", daemon.log())

    def test_the_one_in_python(self):
        server = self.redis()
        client = server.client()
        self.addCleanup(client.close)
        client.set("old:keys", "1")
        daemon = self.daemon(
            f'[tasks.python]\ninterval = "1h"\nrun_on = "leader"\ncommand = ["{self.example("python", "job.py")}"]\n',
            redis_url=server.url,
            lease="nodes = 1",
        )
        daemon.wait_for("python: ok after")
        self.assertFalse(client.exists("old:keys"))
        self.assertNotIn("refused", daemon.log())

        def event():
            events = [client.hgetall(key) for key in client.scan_iter("obs:*")]
            return [found for found in events if found.get(b"event_type") == b"cleanup"]

        harness.wait_until(event, "no event of the example")
        self.assertEqual(json.loads(event()[0][b"payload"]), {"deleted": 1})


if __name__ == "__main__":
    unittest.main()
