"""The examples of docs/feed.md work as they stand there; only the address of Redis is put in."""

import json
import re
import subprocess
import sys
import unittest

import harness
from test_feed_and_events import Journal, of_unit

GUIDE = harness.ROOT / "docs/feed.md"
CHANNEL = "stargazer:journal"
STREAM = "stargazer:journal:stream"
COUNT = 5


def examples(language):
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


class Examples(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        self.server = self.redis()
        self.journal = Journal(self.folder)
        self.journal.append([of_unit(f"entry {number}") for number in range(COUNT)])

    def start_feed(self):
        return self.daemon(
            '[tasks.journal_stream]\ninterval = "1s"\nrequires = ["redis"]\ntimeout = 0\nnative = "journal_feed"\n'
            f'[feed]\ndirectory = "{self.journal.folder}"\nstream = "{STREAM}"\n', redis_url=self.server.url)

    def run_example(self, language, text):
        address = f'redis.Redis(unix_socket_path="{self.server.socket}")'
        argv = {
            "python": [sys.executable, "-u", "-c", text.replace("redis.Redis()", address)],
            "sh": ["bash", "-c", "exec " + text.replace("redis-cli", f"redis-cli -s {self.server.socket}")],
        }[language]
        program = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

        def end():
            program.kill()
            program.wait()
            program.stdout.close()

        self.addCleanup(end)
        return program

    def listeners(self):
        return self.server.client().pubsub_numsub(CHANNEL)[0][1]

    def items(self):
        return self.server.client().xlen(STREAM)

    def test_the_subscribers(self):
        shell = self.run_example("sh", next(text for text in examples("sh") if " SUBSCRIBE " in text))
        python = self.run_example("python", next(text for text in examples("python") if "pubsub" in text))
        harness.wait_until(lambda: self.listeners() == 2, "the examples do not subscribe")
        daemon = self.start_feed()
        for number in range(COUNT):
            self.assertEqual(python.stdout.readline(), f"stargazer.service entry {number}\n")
        heard = []
        while len(heard) < COUNT:
            line = shell.stdout.readline()
            if line.startswith("{"):
                heard.append(json.loads(line))
        self.assertEqual(heard, self.journal.journalctl("stargazer"))
        self.assert_lives_and_stops(daemon)

    def test_the_readers_of_the_stream(self):
        daemon = self.start_feed()
        harness.wait_until(lambda: self.items() == COUNT, "the stream is not written")
        listed = self.run_example("sh", next(text for text in examples("sh") if " XRANGE " in text)).communicate()[0]
        for entry in self.journal.journalctl("stargazer"):
            self.assertIn(f'"__CURSOR":"{entry["__CURSOR"]}"', listed)
        # What comes twice, as after a failure, is told once.
        fields = self.server.client().xrange(STREAM)[0][1]
        self.server.client().xadd(STREAM, fields)
        python = self.run_example("python", next(text for text in examples("python") if "xread" in text))
        for number in range(COUNT):
            self.assertEqual(python.stdout.readline(), f"entry {number}\n")
        self.journal.append([of_unit("later")])
        self.assertEqual(python.stdout.readline(), "later\n")
        self.assert_lives_and_stops(daemon)

    def test_the_reader_of_gap_records(self):
        self.server.client().xadd(f"{CHANNEL}:gaps", {"gap": json.dumps({"entries_max": 3})})
        shell = self.run_example("sh", next(text for text in examples("sh") if " XREVRANGE " in text))
        self.assertIn('"entries_max": 3', shell.communicate()[0])


if __name__ == "__main__":
    unittest.main()
