"""One round of everything that can befall a lease, on real daemons, Redis, Sentinels and networks.

All kinds are played at once, each in a process and a folder of its own: they mostly wait. tests/lease/rounds plays
many.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lease"))
import kinds
import runner


class Rounds(unittest.TestCase):
    players = {}

    @classmethod
    def setUpClass(cls):
        for name in kinds.KINDS:
            cls.players[name] = runner.Player(name, 1)
            cls.addClassCleanup(cls.players[name].stop)

    def judge(self, name):
        result = self.players[name].result()
        if result.skipped:
            self.skipTest(result.skipped)
        self.assertTrue(result.good, result.trouble())


def test_of(name):
    def test(self):
        self.judge(name)

    test.__doc__ = kinds.KINDS[name].what
    return test


for kind in kinds.KINDS:
    setattr(Rounds, f"test_{kind}", test_of(kind))


if __name__ == "__main__":
    unittest.main()
