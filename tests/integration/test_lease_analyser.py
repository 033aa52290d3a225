"""The analyser of tests/lease must find what it is there to find."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lease"))
import analyser


def life(node, epoch, pid, first_ms, last_ms):
    """The lines of one process, a tick each 20 ms."""
    times = [*range(first_ms, last_ms, 20), last_ms]
    whats = ["start"] + ["tick"] * (len(times) - 1)
    return [f"{epoch} {pid} {node} {first_ms * 1_000_000} {at * 1_000_000} {what}" for at, what in zip(times, whats)]


class Verdicts(unittest.TestCase):
    def test_terms_one_after_another(self):
        verdict = analyser.judge_lines(
            life("a", 1, 10, 0, 1000) + life("a", 1, 11, 5, 990) + life("b", 2, 12, 1500, 2000)
        )
        self.assertTrue(verdict.good)
        self.assertEqual((verdict.processes, verdict.sets), (3, 2))
        self.assertEqual(verdict.longest_gap_s, 0.5)
        self.assertEqual(verdict.changes, [("a", "b")])

    def test_two_nodes_at_once(self):
        verdict = analyser.judge_lines(life("a", 1, 10, 0, 1000) + life("b", 2, 12, 900, 2000))
        self.assertEqual(len(verdict.overlaps), 1)
        self.assertEqual(verdict.longest_overlap_ns, 100_000_000)
        self.assertFalse(verdict.good)

    def test_two_terms_of_one_node_at_once(self):
        self.assertFalse(analyser.judge_lines(life("a", 1, 10, 0, 1000) + life("a", 2, 12, 900, 2000)).good)

    def test_an_early_line_of_another_hides_nothing(self):
        # The long-lived grandchild of the first term overlaps with the second, though its parent has long gone.
        verdict = analyser.judge_lines(
            life("a", 1, 10, 0, 100)
            + life("a", 1, 11, 10, 5000)
            + life("a", 1, 12, 20, 90)
            + life("b", 2, 13, 4000, 4100)
        )
        self.assertEqual(len(verdict.overlaps), 1)
        self.assertIn("pid 11", verdict.overlaps[0])

    def test_a_paused_worker_that_goes_on(self):
        # No line while it is stopped, and one after the other node has begun.
        verdict = analyser.judge_lines(["1 10 a 0 0 start", "2 12 b 50 50 start", "1 10 a 0 51 tick"])
        self.assertEqual(len(verdict.overlaps), 1)

    def test_lines_of_different_processes_need_not_stand_in_order(self):
        verdict = analyser.judge_lines(life("b", 2, 12, 900, 2000) + life("a", 1, 10, 0, 1000))
        self.assertEqual(len(verdict.overlaps), 1)

    def test_epochs_that_do_not_rise(self):
        for node, epoch in (("b", 4), ("b", 5), ("a", 4)):
            verdict = analyser.judge_lines(life("a", 5, 10, 0, 100) + life(node, epoch, 12, 200, 300))
            self.assertEqual(verdict.overlaps, [])
            self.assertEqual(len(verdict.fallen_epochs), 1)
            self.assertFalse(verdict.good)

    def test_a_term_may_start_further_processes(self):
        self.assertTrue(analyser.judge_lines(life("a", 5, 10, 0, 100) + life("a", 5, 11, 400, 500)).good)

    def test_a_term_does_not_come_back(self):
        turns = life("a", 5, 10, 0, 100) + life("b", 6, 11, 200, 300) + life("a", 5, 12, 400, 500)
        self.assertEqual(len(analyser.judge_lines(turns).fallen_epochs), 1)

    def test_nodes_without_epochs(self):
        turns = life("python", 0, 1, 0, 100) + life("ours", 3, 2, 200, 300) + life("python", 0, 3, 400, 500)
        verdict = analyser.judge_lines(turns)
        self.assertTrue(verdict.good)
        self.assertEqual(verdict.changes, [("python", "ours"), ("ours", "python")])
        self.assertFalse(analyser.judge_lines(turns + life("ours", 4, 4, 450, 460)).good)

    def test_a_process_id_in_two_namespaces(self):
        # The first one's end must not be forgotten over the other's.
        lines = life("a", 1, 2, 0, 1000) + life("a", 1, 2, 5, 100) + life("b", 2, 2, 900, 2000)
        self.assertEqual(len(analyser.judge_lines(lines).overlaps), 1)

    def test_a_process_id_that_is_used_again(self):
        verdict = analyser.judge_lines(life("a", 1, 10, 0, 100) + life("a", 1, 10, 400, 500))
        self.assertEqual(verdict.processes, 2)
        self.assertEqual(verdict.longest_gap_s, 0.3)

    def test_nothing_is_no_proof(self):
        self.assertFalse(analyser.judge_lines([]).good)

    def test_what_no_worker_writes(self):
        for text in ("", "1 2 a 3 3", "1 2 a 3 3 tick4", "1 2 a 3 x tick", "1 2 a 3 3 tick 1 2 a 3 4 tick"):
            with self.assertRaises(ValueError):
                analyser.parse(text)


if __name__ == "__main__":
    unittest.main()
