"""What arrives on stargazer:journal and stargazer:observability, entry by entry, at a real subscriber."""

import json
import subprocess
import time
import unittest

import harness

def export_entry(number, fields):
    """One entry in journal export format; values with newlines or bytes in its binary form."""
    lines = []
    stamp_us = 1_790_000_000_000_000 + number * 1000
    head = {"__REALTIME_TIMESTAMP": str(stamp_us), "__MONOTONIC_TIMESTAMP": str(1_000_000 + number * 1000),
            "_BOOT_ID": "0123456789abcdef0123456789abcdef", "_MACHINE_ID": "fedcba9876543210fedcba9876543210"}
    for name, value in list(head.items()) + fields:
        data = value if isinstance(value, bytes) else value.encode()
        if b"\n" in data or any(byte < 32 or byte > 126 for byte in data):
            lines.append(name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n")
        else:
            lines.append(name.encode() + b"=" + data + b"\n")
    return b"".join(lines) + b"\n"


class Journal:
    """A real journal file that grows, written by systemd-journal-remote."""

    def __init__(self, folder):
        self.folder = folder / "journal"
        self.folder.mkdir()
        self.count = 0
        self.writer = None

    def append(self, entries, file="test.journal"):
        data = b""
        for fields in entries:
            data += export_entry(self.count, fields)
            self.count += 1
        subprocess.run(
            ["/lib/systemd/systemd-journal-remote", "--split-mode=none", "-o", self.folder / file, "-"],
            input=data, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def journalctl(self, *units):
        arguments = [text for unit in units for text in ("-u", unit)]
        out = subprocess.run(["journalctl", "--directory", self.folder, "--output=json", *arguments],
                             check=True, capture_output=True).stdout
        return [json.loads(line) for line in out.splitlines()]


def of_unit(message, unit="stargazer.service", **more):
    fields = [("_SYSTEMD_UNIT", unit), ("MESSAGE", message), ("PRIORITY", "6"), ("_UID", "1000"), ("_PID", "42")]
    return fields + list(more.items())


ADVERSARIAL = [
    of_unit("plain"),
    of_unit(""),
    of_unit("two\nlines and\ttab"),
    of_unit(b"\xff\xfe not UTF-8"),
    of_unit("colour \x1b[31mred\x1b[0m"),
    of_unit('quotes " and \\ backslash / slash'),
    of_unit("ünïcödé \u2028 \U0001f680"),
    of_unit("x" * 4087),
    of_unit("x" * 4088),
    of_unit("y" * 100_000),
    of_unit("repeated") + [("TAG", "one"), ("TAG", "two"), ("TAG", b"\x01")],
    of_unit("another unit", unit="other.service"),
    # As systemd's own: journalctl 252 tells it by the pid, 257 by the control group.
    [("_PID", "1"), ("_SYSTEMD_CGROUP", "/init.scope"), ("UNIT", "stargazer.service"), ("MESSAGE", "Started it"),
     ("_UID", "0")],
    [("_PID", "77"), ("UNIT", "stargazer.service"), ("MESSAGE", "forged"), ("_UID", "1000")],
    of_unit("last"),
]


class WhatArrives(harness.DaemonTest):
    def subscribe(self, server, *channels):
        subscriber = server.client().pubsub()
        subscriber.subscribe(*channels)
        for _ in channels:
            self.assertEqual(subscriber.get_message(timeout=harness.DEADLINE_S)["type"], "subscribe")
        self.addCleanup(subscriber.close)
        return subscriber

    def receive(self, subscriber, count):
        messages = []
        deadline = time.monotonic() + harness.DEADLINE_S
        while len(messages) < count and time.monotonic() < deadline:
            message = subscriber.get_message(timeout=1)
            if message is not None and message["type"] == "message":
                messages.append(json.loads(message["data"]))
        self.assertEqual(len(messages), count)
        return messages

    def feed_config(self, journal, units='["stargazer"]', backlog=1000):
        return (f'[tasks.journal_stream]\ninterval = "1s"\nrequires = ["redis"]\ntimeout = 0\nnative = "journal_feed"\n'
                f'[feed]\ndirectory = "{journal.folder}"\nunits = {units}\nbacklog = {backlog}\n')

    def test_journal_equals_journalctl(self):
        server = self.redis()
        journal = Journal(self.folder)
        journal.append(ADVERSARIAL)
        expected = journal.journalctl("stargazer")
        self.assertGreater(len(expected), 10)
        subscriber = self.subscribe(server, "stargazer:journal")
        daemon = self.daemon(self.feed_config(journal), redis_url=server.url)
        received = self.receive(subscriber, len(expected))
        self.assertEqual(received, expected)

        journal.append([of_unit(f"live {number}") for number in range(20)])
        expected = journal.journalctl("stargazer")[len(expected):]
        self.assertEqual(self.receive(subscriber, 20), expected)
        self.assert_lives_and_stops(daemon)

    def test_backlog_is_the_last_entries(self):
        server = self.redis()
        journal = Journal(self.folder)
        journal.append([of_unit(f"entry {number}") for number in range(100)])
        subscriber = self.subscribe(server, "stargazer:journal")
        daemon = self.daemon(self.feed_config(journal, backlog=7), redis_url=server.url)
        self.assertEqual(self.receive(subscriber, 7), journal.journalctl("stargazer")[-7:])
        self.assert_lives_and_stops(daemon)

    def test_nothing_is_lost_while_redis_is_away(self):
        server = self.redis()
        journal = Journal(self.folder)
        journal.append([of_unit("before")])
        subscriber = self.subscribe(server, "stargazer:journal")
        daemon = self.daemon(self.feed_config(journal), redis_url=server.url)
        self.receive(subscriber, 1)
        server.pause()
        journal.append([of_unit(f"while away {number}") for number in range(50)])
        place = daemon.wait_for("redis is unreachable")
        server.resume()
        daemon.wait_for("redis is reachable", start=place)
        seen = []
        while len(set(seen)) < 50:
            seen += [entry["MESSAGE"] for entry in self.receive(subscriber, 1)]
        self.assertEqual(list(dict.fromkeys(seen)), [f"while away {number}" for number in range(50)])
        self.assert_lives_and_stops(daemon)

    def test_no_journal_then_one_that_appears(self):
        server = self.redis()
        missing = Journal.__new__(Journal)
        missing.folder, missing.count = self.folder / "journal", 0
        subscriber = self.subscribe(server, "stargazer:journal")
        daemon = self.daemon(self.feed_config(missing) + '[tasks.beat]\ninterval = "200ms"\ncommand = ["/bin/true"]\n',
                             redis_url=server.url)
        place = daemon.wait_for(r"warning .*journal.*")
        daemon.wait_for("beat: ok", start=place, count=3)
        missing.folder.mkdir()
        missing.append([of_unit("here at last")])
        self.assertEqual(self.receive(subscriber, 1)[0]["MESSAGE"], "here at last")
        self.assert_lives_and_stops(daemon)

    def test_events_equal_their_hashes(self):
        server = self.redis()
        subscriber = self.subscribe(server, "stargazer:observability")
        daemon = self.daemon(
            '[tasks.good]\ninterval = "1h"\ncommand = ["/bin/true"]\n'
            '[tasks.bad]\ninterval = "1h"\ncommand = ["/bin/sh", "-c", "exit 3"]\n'
            '[tasks.idle]\ninterval = "1h"\ncommand = ["/bin/sh", "-c", "exit 77"]\n'
            '[tasks.missing]\ninterval = "1h"\ncommand = ["/no/such/program"]\n',
            redis_url=server.url)
        messages = {}
        for message in self.receive(subscriber, 4):
            messages[message["payload"]["task"]] = message
        client = server.client()
        expected = {"good": ("ok", ""), "bad": ("error", "exit code 3"), "idle": ("ok", ""),
                    "missing": ("error", "/no/such/program: No such file or directory")}
        for name, (status, error) in expected.items():
            with self.subTest(task=name):
                message = messages[name]
                self.assertEqual(message["event_type"], "scheduler_task_run")
                self.assertEqual(message["source"], "scheduler")
                self.assertEqual(message["status"], status)
                self.assertEqual(message["preview"], f"task={name} status={status}")
                self.assertEqual(message["payload"], {"task": name, "error": error})
                self.assertGreaterEqual(float(message["duration_ms"]), 0)
                self.assertAlmostEqual(float(message["timestamp"]), time.time(), delta=600)
                identity = message["id"].removeprefix("obs:")
                stored = {key.decode(): value.decode() for key, value in client.hgetall(f"obs:{identity}").items()}
                self.assertEqual(json.loads(stored["payload"]), message["payload"])
                for field in ("event_type", "source", "phase", "status", "preview", "node_id", "run_id"):
                    self.assertEqual(stored[field], message[field])
                self.assertEqual(float(stored["duration_ms"]), float(message["duration_ms"]))
                self.assertEqual(float(stored["timestamp"]), float(message["timestamp"]))
                self.assertGreater(client.ttl(f"obs:{identity}"), 0)
        self.assert_lives_and_stops(daemon)

    def test_every_event_while_redis_was_away_comes_later(self):
        server = self.redis()
        daemon = self.daemon('[tasks.beat]\ninterval = "100ms"\ncommand = ["/bin/true"]\n', redis_url=server.url)
        place = daemon.wait_for("redis is reachable")
        server.kill()
        place = daemon.wait_for("redis is unreachable", start=place)
        place = daemon.wait_for("beat: ok", start=place, count=10)
        server.start()
        subscriber = self.subscribe(server, "stargazer:observability")
        daemon.wait_for("redis is reachable", start=place)
        daemon.wait_for("beat: ok", start=place, count=5)
        self.assertEqual(daemon.stop(), 0)
        ended = daemon.log().count("beat: ok")
        # Those before the restart went with the server's memory; each one since has its hash.
        hashes = list(server.client().scan_iter("obs:*"))
        self.assertGreaterEqual(len(hashes), 15)
        self.assertLessEqual(len(hashes), ended)


if __name__ == "__main__":
    unittest.main()
