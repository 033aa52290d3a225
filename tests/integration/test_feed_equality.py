"""One run of tests/feed/equality, with this build and this machine's systemd."""

import subprocess
import unittest

import harness


class Equality(unittest.TestCase):
    def test_the_feed_publishes_what_journalctl_prints(self):
        command = [harness.ROOT / "tests/feed/equality"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr[-4000:])
        self.assertRegex(done.stdout, r"(?m)^[1-9]\d* passed, 0 failed$")


if __name__ == "__main__":
    unittest.main()
