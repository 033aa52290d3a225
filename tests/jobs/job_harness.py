"""The jobs in C++ with the test as their host, a real Redis and a real FalkorDB.

STARGAZER_BUILD names the build folder (default: build/dev), STARGAZER_FALKORDB where tests/jobs/falkordb has left
FalkorDB (default: build/falkordb).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/integration"))

import harness  # noqa: E402

FALKORDB = pathlib.Path(os.environ.get("STARGAZER_FALKORDB", ROOT / "build/falkordb"))
OUTCOMES = ["ok", "skipped", "failed"]
HELD = "held"
HELD_BUT_STOP = "held stop"


class FalkorServer(harness.RedisServer):
    """A server with graphs on a Unix socket in `folder`."""

    def start(self):
        self.log = open(self.folder / "falkordb.log", "ab")
        self.process = subprocess.Popen(
            [FALKORDB / "server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self.folder]
            + ["--loadmodule", FALKORDB / "falkordb.so"]
            + list(self.arguments),
            stdout=self.log,
            stderr=self.log,
        )
        harness.wait_until(self._answers, "the server of FalkorDB does not start")

    def kill(self):
        super().kill()
        self.log.close()

    def graph(self, query, name="knowledge"):
        """The rows of a query's result."""
        with self.client() as client:
            reply = client.execute_command("GRAPH.QUERY", name, query)
        return reply[1] if len(reply) == 3 else []


class Job:
    """A job while it runs. `verify(n)` answers its n-th question for the lease: HELD, HELD_BUT_STOP or why not."""

    def __init__(self, name, params, verify=lambda n: HELD):
        self.said = []
        self.process = subprocess.Popen(
            [harness.BUILD / "play_host", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.verify = verify
        self._write(json.dumps(params))

    def _write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self):
        """Plays the host to the job's end."""
        for line in self.process.stdout:
            saying = json.loads(line)
            self.said.append(saying)
            if "verify" in saying:
                self._write(self.verify(saying["verify"]))
        self.process.stdin.close()
        self.process.stdout.close()
        code = self.process.wait(timeout=harness.DEADLINE_S)
        assert code == 0, f"play_host ended with {code} after {self.said[-3:]}"
        return self

    def _last(self):
        return self.said[-1]

    @property
    def outcome(self):
        return OUTCOMES[self._last()["outcome"]]

    @property
    def error(self):
        return self._last()["error"]

    @property
    def message(self):
        return self._last()["message"]

    @property
    def logged(self):
        return [saying["log"] for saying in self.said if "log" in saying]

    @property
    def events(self):
        return [saying for saying in self.said if "event" in saying]

    @property
    def counters(self):
        return {saying["counter"]: saying["value"] for saying in self.said if "counter" in saying}

    @property
    def progress(self):
        return [(saying["done"], saying["total"], saying["progress"]) for saying in self.said if "progress" in saying]

    @property
    def verifications(self):
        return sum("verify" in saying for saying in self.said)


class JobTest(unittest.TestCase):
    """A temporary folder, and servers that end with the test."""

    job = ""  # the name of the job under test

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stargazer-jobs-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.setup = {}
        self.flags = {}

    def start_redis(self, *arguments):
        self.server = harness.RedisServer(self.folder, *arguments)
        self.addCleanup(self.server.kill)
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.setup["redis"] = {"url": self.server.url}

    def start_falkordb(self):
        if not (FALKORDB / "falkordb.so").exists():
            self.skipTest("FalkorDB could not be fetched: tests/jobs/falkordb says why")
        self.server = FalkorServer(self.folder)
        self.addCleanup(self.server.kill)
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.setup["kg"] = {"url": self.server.url, "graph": "knowledge"}

    def params(self, settings):
        return {"protocol": 1, "task": self.job, "settings": settings, "setup": self.setup, "flags": self.flags}

    def run_job(self, verify=lambda n: HELD, **settings):
        return Job(self.job, self.params(settings), verify).finish()

    def assert_ok(self, job):
        self.assertEqual((job.outcome, job.message), ("ok", ""), job.said[-5:])
        return job
