"""A small round of tests/feed/endurance, and that its judge finds what it is there to find."""

import pathlib
import random
import shutil
import sys
import tempfile
import unittest

import harness

sys.path[:0] = [str(harness.ROOT / "tests" / name) for name in ("lease", "feed")]
import endured
import exactly


class Endurance(unittest.TestCase):
    def test_nothing_is_lost_or_doubled(self):
        seed = random.SystemRandom().randrange(1_000_000)
        options = endured.Options(harness.BUILD, 20_000, daemon_kills=3, redis_kills=2, rotations=6, seed=seed)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="stargazer-test-"))
        self.addCleanup(shutil.rmtree, folder)
        with self.subTest(seed=seed):
            outcome = endured.run(options, folder)
            self.assertEqual(outcome.troubles(), [])
            self.assertEqual((outcome.daemon_kills, outcome.redis_kills), (3, 2))
            self.assertGreater(outcome.vacuumed_files, 0)
            self.assertGreater(outcome.sessions, 2)
            self.assertGreater(outcome.channel.messages, 0)


class Judge(unittest.TestCase):
    def troubles(self, numbers, *kept, first=0):
        return exactly.judge(numbers, [exactly.Strike("daemon", number) for number in kept], first).troubles

    def test_one_by_one_is_fine(self):
        self.assertEqual(self.troubles([0, 1, 2, 3]), [])

    def test_what_is_left_out_is_found(self):
        self.assertEqual(self.troubles([0, 1, 4, 5]), ["2 entries after 1 are left out"])
        self.assertEqual(self.troubles([1, 2]), ["begins with 1, not with 0"])
        self.assertEqual(self.troubles([]), ["begins with nothing, not with 0"])

    def test_what_is_left_out_after_a_repetition_is_found(self):
        self.assertEqual(self.troubles([0, 1, 2, 1, 2, 4], 0), ["1 entries after 2 are left out"])

    def test_a_strike_excuses_what_had_not_been_kept(self):
        self.assertEqual(self.troubles([0, 1, 2, 1, 2, 3], 0), [])

    def test_a_strike_does_not_excuse_what_had_been_kept(self):
        self.assertEqual(self.troubles([0, 1, 2, 1, 2, 3], 1), ["entries 1 to 2 are repeated without a reason"])

    def test_a_strike_excuses_once(self):
        self.assertEqual(self.troubles([0, 1, 0, 1, 0, 1], -1), ["entries 0 to 1 are repeated without a reason"])

    def test_an_entry_that_comes_twice_in_a_row_is_found(self):
        self.assertEqual(self.troubles([0, 1, 1, 2]), ["entries 1 to 1 are repeated without a reason"])

    def test_repetitions_are_counted(self):
        verdict = exactly.judge([0, 1, 2, 1, 2, 2], [exactly.Strike("redis", -1), exactly.Strike("redis", 1)])
        self.assertEqual((verdict.repeated, verdict.longest, verdict.troubles), (3, 2, []))


if __name__ == "__main__":
    unittest.main()
