"""What a worker may ask on its fd 3: whether its term still holds, and writes that are made only while it does."""

import json
import os
import sys
import unittest

import harness

KEY = "sg:leader:supervisor"
TERM_KEY = KEY + ":term"
# Asks what is written to a FIFO, a JSON array [method, params] a line, and prints each answer.
WORKER = """
import json, os, socket, sys
channel = socket.socket(fileno=int(os.environ["STARGAZER_FD"])).makefile("rw")
channel.readline()  # `run`
for question in open(sys.argv[1]):
    method, params = json.loads(question)
    channel.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) + "\\n")
    channel.flush()
    answer = json.loads(channel.readline())
    print("answer", json.dumps(answer.get("result", answer.get("error"))), flush=True)
"""


class WorkerRequests(harness.DaemonTest):
    def start(self, section="supervised.asker", more="", **options):
        """A daemon with one worker, which asks what `ask` tells it."""
        program, fifo = self.folder / "worker.py", self.folder / "questions"
        program.write_text(WORKER)
        os.mkfifo(fifo)
        # Opened both ways: it blocks neither us nor the worker, and never ends.
        self.questions = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
        self.addCleanup(os.close, self.questions)
        command = json.dumps([sys.executable, str(program), str(fifo)])
        self.running = self.daemon(
            f"[{section}]\ncommand = {command}\n{more}", lease='ttl = "30s"\nnodes = 1', **options
        )
        self.place = 0

    def ask(self, method, *params):
        os.write(self.questions, (json.dumps([method, params]) + "\n").encode())
        self.place = self.running.wait_for("answer ", start=self.place)
        return json.loads(self.running.lines[self.place - 1].partition("answer ")[2])

    def test_a_worker_of_the_lease_verifies_and_writes(self):
        server = self.redis()
        client = server.client()
        self.start(redis_url=server.url)
        self.assertEqual(self.ask("lease.verify"), {"epoch": int(client.hget(TERM_KEY, "epoch"))})
        entry = self.ask("lease.write", "XADD", "stream", "*", "field", "value")
        self.assertEqual(client.xrange("stream"), [(entry.encode(), {b"field": b"value"})])
        self.assertEqual(self.ask("lease.write", "set", "other", "1"), "OK")
        self.assertEqual(client.get("other"), b"1")

    def test_what_is_refused(self):
        server = self.redis()
        self.start(redis_url=server.url)
        for params, message in (
            (["FLUSHALL"], "the command must be one of PUBLISH, XADD"),
            (["DEL", KEY], "the keys of the lease are not for workers"),
            (["HSET", TERM_KEY, "epoch", "0"], "the keys of the lease are not for workers"),
            ([], "params must name a command"),
        ):
            answer = self.ask("lease.write", *params)
            self.assertEqual(answer["code"], -32602, params)
            self.assertIn(message, answer["message"])
        self.assertEqual(self.ask("lease.take")["code"], -32601)
        self.assertEqual(self.ask("lease.write", "INCRBY", "text", "no number")["code"], -32005)

    def test_a_run_of_every_node_is_not_of_the_lease(self):
        server = self.redis()
        self.start("tasks.asker", 'interval = "1h"\n', redis_url=server.url)
        refused = {"code": -32001, "message": "not flagged leader"}
        self.assertEqual(self.ask("lease.verify"), refused)
        self.assertEqual(self.ask("lease.write", "SET", "written", "1"), refused)
        self.assertIsNone(server.client().get("written"))

    def test_a_term_that_is_over_is_told_and_writes_nothing(self):
        """The daemon would learn of it at its next heartbeat only, in ten seconds."""
        server = self.redis()
        client = server.client()
        self.start(redis_url=server.url)
        epoch = self.ask("lease.verify")["epoch"]
        client.delete(KEY)
        self.assertEqual(self.ask("lease.verify"), {"code": -32002, "message": "lease expired"})
        self.assertEqual(self.ask("lease.write", "SET", "written", "1")["code"], -32004)
        client.hset(TERM_KEY, mapping={"epoch": epoch + 1, "holder": "other", "start": "x"})
        client.set(KEY, "other", px=30000)
        self.assertEqual(self.ask("lease.verify"), {"code": -32003, "message": "lease lost to other"})
        fenced = self.ask("lease.write", "SET", "written", "1")
        self.assertEqual(fenced["code"], -32004)
        self.assertIn(f"the term of epoch {epoch} is over", fenced["message"])
        self.assertIsNone(client.get("written"))

    def test_while_redis_is_away_nothing_can_be_verified(self):
        server = self.redis()
        self.start(redis_url=server.url)
        self.assertIn("epoch", self.ask("lease.verify"))
        server.kill()
        self.assertEqual(self.ask("lease.verify")["code"], -32005)
        self.assertEqual(self.ask("lease.write", "SET", "written", "1")["code"], -32005)

    def test_without_redis_the_node_is_leader_and_has_nothing_to_write_to(self):
        self.start()
        self.assertEqual(self.ask("lease.verify"), {"epoch": 0})
        self.assertEqual(self.ask("lease.write", "SET", "a", "1")["message"], "there is no Redis")


if __name__ == "__main__":
    unittest.main()
