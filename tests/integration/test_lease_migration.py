"""Our daemon beside the source's supervisor on one key; and the source's supervisor alone, which cannot pass."""

import pathlib
import subprocess
import sys
import unittest

LEASE = pathlib.Path(__file__).resolve().parent.parent / "lease"
sys.path.insert(0, str(LEASE))
import nodes
import parts
import stage as stages
import stores


class Migration(unittest.TestCase):
    def test_each_takes_over_from_the_other(self):
        done = subprocess.run(
            [sys.executable, LEASE / "migration", "--kills", "5", "--every", "0", "--ttl", "3"],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class NaiveSupervisor(unittest.TestCase):
    def test_the_overlap_is_found(self):
        """Its worker goes on while the supervisor is stopped, and another takes over: the analyser must see it."""
        with stages.Stage("naive") as stage:
            store = stores.Single(stage.folder)
            for name in ("a", "b"):
                stage.add(nodes.PythonNode(name, stage.folder, store.server.socket, stage.lines.path, ttl_s=1))
            stage.start_all()
            leader = stage.leader()
            self.assertTrue(stage.lines.verdict().good)
            stage.nodes[leader.node].program.pause()
            stage.wait_for_worker("the other one's worker", others_than=leader.node)
            taken_over_ns = parts.now_ns()
            stage.lines.wait_for(
                lambda line: line.node == leader.node and line.at_ns > taken_over_ns, "the first one's worker"
            )
            verdict = stage.lines.verdict()
        self.assertFalse(verdict.good)
        self.assertIn("overlap for", verdict.overlaps[0])


if __name__ == "__main__":
    unittest.main()
