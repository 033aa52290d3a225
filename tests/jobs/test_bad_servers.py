"""Servers that answer badly: a proxy before a real FalkorDB spoils the answers to one command at a time. Whatever
comes, the job ends with an outcome of its own, and soon."""

import json
import socket
import threading
import time
import unittest

import job_harness
from job_harness import Job, JobTest, harness

CLOSE = None
ANSWERS = {
    "a number": b":-7\r\n",
    "a number that is none": b":seven\r\n",
    "nothing": b"$-1\r\n",
    "an array of nothing": b"*-1\r\n",
    "an empty array": b"*0\r\n",
    "an array of arrays": b"*3\r\n*0\r\n*1\r\n*1\r\n$2\r\nxx\r\n*0\r\n",
    "an array of three arrays of numbers": b"*3\r\n:1\r\n:2\r\n:3\r\n",
    "two texts": b"*2\r\n$1\r\n0\r\n$3\r\nabc\r\n",
    "a status": b"+fine\r\n",
    "an error": b"-ERR spoilt\r\n",
    "an error that forges a line": b"-ERR a\x1b[2J\x00b\r\n",
    "no RESP": b"HTTP/1.1 200 OK\r\n\r\n",
    "a huge array": b"*1000000000\r\n",
    "a huge text": b"$1000000000\r\n" + b"x" * 2_000_000,
    "deep arrays": b"*1\r\n" * 100,
    "half an answer, and the end": b"*2\r\n$5\r\nab",
    "the end": CLOSE,
}


class Commands:
    """Reads what one side of a connection sends in RESP, a value at a time, with its bytes."""

    def __init__(self, connection):
        self.file = connection.makefile("rb")

    def next(self):
        """(the bytes, the first text in them); (b"", "") at the end."""
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            return b"", ""
        kind, rest = line[:1], line[1:-2]
        if kind == b"$" and int(rest) >= 0:
            text = self.file.read(int(rest) + 2)
            return line + text, text[:-2].decode(errors="replace")
        if kind != b"*":
            return line, ""
        parts = [self.next() for _ in range(max(0, int(rest)))]
        return line + b"".join(part for part, _ in parts), parts[0][1] if parts else ""


class BadServers(JobTest):
    def setUp(self):
        super().setUp()
        self.start_falkordb()
        self.spoilt, self.answer = "", b""
        self.proxy = harness.RawServer(self.folder, self.serve)
        self.addCleanup(self.proxy.close)
        self.setup = {"redis": {"url": self.proxy.url}, "kg": {"url": "", "graph": "knowledge"}}

    def serve(self, connection):
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(str(self.server.socket))
            asked, answered = Commands(connection), Commands(upstream)
            while True:
                command, name = asked.next()
                if not command:
                    return
                upstream.sendall(command)
                answer, _ = answered.next()
                if name == self.spoilt:
                    answer = self.answer
                if answer is CLOSE:
                    return
                connection.sendall(answer)
                if answer.startswith(b"*2\r\n$5\r\nab") and name == self.spoilt:
                    return

    def fill(self):
        self.client.flushall()
        self.server.graph("CREATE (:E {category: 'user'}), (:E)-[:R {weight: 1.0, category: 'user'}]->(:E)")
        self.client.set("scheduled_prompt:json", json.dumps({"status": "executed", "created_at": 1}))
        self.client.hset("scheduled_prompt:hash", mapping={"status": "executed", "created_at": 1})
        self.client.sadd("ids", "json")

    def check(self, name, commands, **settings):
        self.job = name
        for command in commands:
            for kind, answer in ANSWERS.items():
                with self.subTest(command=command, kind=kind):
                    self.fill()
                    self.spoilt, self.answer = command, answer
                    begun = time.monotonic()
                    job = Job(name, self.params(settings)).finish()
                    self.assertLess(time.monotonic() - begun, 30)
                    self.assertIn(job.outcome, job_harness.OUTCOMES)
                    self.assertTrue(job.message.isprintable(), job.message)
                    self.assertLess(len(job.message), 1000)
        self.spoilt = ""
        self.fill()
        self.assert_ok(Job(name, self.params(settings)).finish())

    def test_login(self):
        self.job = "kg_decay"
        for kind, answer in ANSWERS.items():
            with self.subTest(kind):
                self.fill()
                self.spoilt, self.answer = "PING", answer
                self.assertIn(self.run_job().outcome, job_harness.OUTCOMES)

    def test_kg_decay(self):
        self.check("kg_decay", ["TYPE", "EVAL", "GRAPH.RO_QUERY", "GRAPH.QUERY"])

    def test_limbic_maintenance(self):
        self.check("limbic_maintenance", ["TIME", "GRAPH.RO_QUERY", "GRAPH.QUERY"], grace="0s")

    def test_scheduled_prompt_cleanup(self):
        commands = ["TIME", "TYPE", "SCAN", "GETRANGE", "HMGET", "WATCH", "MULTI", "DEL", "EXEC"]
        self.check("scheduled_prompt_cleanup", commands, indexes=["ids"])

    def test_a_silent_server_is_left_in_time(self):
        self.job = "kg_decay"
        over = threading.Event()
        self.addCleanup(over.set)
        folder = self.folder / "silent"
        folder.mkdir()
        silent = harness.RawServer(folder, lambda connection: over.wait(60))
        self.addCleanup(silent.close)
        self.setup = {"kg": {"url": silent.url, "graph": "knowledge"}}
        begun = time.monotonic()
        job = self.run_job()
        self.assertEqual((job.outcome, job.error), ("failed", "RedisError"))
        self.assertIn("no answer in time", job.message)
        self.assertTrue(4 < time.monotonic() - begun < 30)


if __name__ == "__main__":
    unittest.main()
