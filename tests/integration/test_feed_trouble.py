"""What an operator sees of a feed that is behind, or that the journal has lost entries to."""

import json
import re
import socket
import time
import unittest

import harness
from test_feed_and_events import Journal, of_unit


# For the daemon to see a new file in the journal's directory: libsystemd watches it.
NOTICED_S = 2


class NotifySocket:
    """Takes what the daemon tells the service manager, as systemd would."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(0.1)

    def close(self):
        self.socket.close()

    def wait_for_status(self, pattern):
        """The match of the first STATUS= from now on in which the pattern is found."""
        deadline = time.monotonic() + harness.DEADLINE_S
        last = ""
        while time.monotonic() < deadline:
            try:
                message = self.socket.recv(65536).decode()
            except TimeoutError:
                continue
            for line in message.splitlines():
                if line.startswith("STATUS="):
                    last = line
                    match = re.search(pattern, line)
                    if match:
                        return match
        raise AssertionError(f"no STATUS= with {pattern!r}; the last one: {last}")


class FeedTrouble(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        self.server = self.redis()
        self.journal = Journal(self.folder)

    def start(self, feed="", **options):
        return self.daemon(
            '[tasks.journal_stream]\ninterval = "1s"\nrequires = ["redis"]\ntimeout = 0\nnative = "journal_feed"\n'
            f'[feed]\ndirectory = "{self.journal.folder}"\nunits = ["stargazer"]\nstream = "entries"\n{feed}',
            redis_url=self.server.url, **options)

    def published(self):
        return int(self.server.client().xlen("entries"))

    def test_the_status_says_how_far_it_is_behind(self):
        notify = NotifySocket(self.folder)
        self.addCleanup(notify.close)
        self.journal.append([of_unit("first")])
        daemon = self.start(environment={"NOTIFY_SOCKET": str(notify.path)})
        harness.wait_until(lambda: self.published() == 1, "the first entry is not there")
        self.server.pause()
        self.journal.append([of_unit(f"waiting {number}") for number in range(50)])
        match = notify.wait_for_status(r"feed (\d+) s behind \(at most (\d+) entries\)")
        self.assertGreater(int(match.group(1)), 1)
        self.assertLessEqual(int(match.group(2)), 51)
        self.assertGreater(int(match.group(2)), 0)
        self.server.resume()
        harness.wait_until(lambda: self.published() >= 51, "the entries that waited are not there")
        notify.wait_for_status(r"^(?!.*behind)")
        self.assertEqual(daemon.stop(), 0)
        self.assertRegex(daemon.log(), r"journal feed: stopped; published \d+ entries of .* the last one was s=")

    def test_what_the_journal_lost_is_a_record_and_a_line(self):
        self.journal.append([of_unit("first")])
        daemon = self.start()
        harness.wait_until(lambda: self.published() == 1, "the first entry is not there")
        self.server.kill()
        daemon.wait_for("trying again until it works")
        self.journal.append([of_unit(f"lost {number}") for number in range(20)], file="lost.journal")
        # Another new file makes it look at how far this one was written.
        self.journal.append([of_unit("of another", unit="other.service")], file="other.journal")
        time.sleep(NOTICED_S)
        (self.journal.folder / "lost.journal").unlink()
        self.journal.append([of_unit("last")])
        self.server.start()
        harness.wait_until(lambda: self.published() == 1, "the last entry is not there")
        line = daemon.lines[daemon.wait_for("journal feed: a gap") - 1]
        self.assertIn("at most 20 entries were lost before they were read", line)
        [(_, record)] = self.server.client().xrange("stargazer:journal:gaps")
        gap = json.loads(record[b"gap"])
        self.assertEqual(gap["entries_max"], 20)
        self.assertIn("lost.journal", gap["reason"])
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("gaps 1, failures of redis", daemon.log())


if __name__ == "__main__":
    unittest.main()
