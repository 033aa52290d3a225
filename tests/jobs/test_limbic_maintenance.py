"""limbic_maintenance on a real FalkorDB: what counts as an orphan, what protects it, how long it is left."""

import unittest

from job_harness import HELD, HELD_BUT_STOP, JobTest


class MaintenanceTest(JobTest):
    job = "limbic_maintenance"

    def setUp(self):
        super().setUp()
        self.start_falkordb()

    def node(self, name, **properties):
        text = ", ".join(f"{key}: {value!r}" for key, value in {"name": name, **properties}.items())
        self.server.graph(f"CREATE (:Entity {{{text}}})")

    def connect(self, one, other):
        self.server.graph(f"MATCH (a {{name: {one!r}}}), (b {{name: {other!r}}}) CREATE (a)-[:KNOWS]->(b)")

    def names(self, condition="true"):
        found = self.server.graph(f"MATCH (n) WHERE {condition} RETURN n.name ORDER BY n.name")
        return [name.decode() for [name] in found]

    def age_marks(self, days):
        milliseconds = round(days * 86_400_000)
        self.server.graph(
            f"MATCH (n) WHERE n.orphan_since IS NOT NULL SET n.orphan_since = n.orphan_since - {milliseconds}"
        )

    def test_orphans_without_grace_are_removed(self):
        for name in ["lonely", "pointed at", "points"]:
            self.node(name, category="user")
        self.connect("points", "pointed at")
        self.node("core", category="core")
        self.node("loop", category="user")
        self.connect("loop", "loop")
        job = self.assert_ok(self.run_job(grace="0s"))
        self.assertEqual(self.names(), ["core", "loop", "pointed at", "points"])
        self.assertEqual(
            job.counters, {"orphans": 2, "protected": 1, "marked": 0, "unmarked": 0, "removed": 1}
        )
        self.assertEqual(job.logged, ["removed 1 orphans"])
        self.assertEqual(job.progress[-1][:2], (5, 5))

    def test_grace_counts_from_when_it_was_first_seen_to_be_an_orphan(self):
        self.node("early", category="user")
        job = self.assert_ok(self.run_job())
        self.assertEqual((job.counters["marked"], job.counters["removed"]), (1, 0))
        self.age_marks(6.9)
        self.node("late", category="user")
        job = self.assert_ok(self.run_job())
        self.assertEqual((job.counters["marked"], job.counters["removed"]), (1, 0))
        self.age_marks(0.2)
        job = self.assert_ok(self.run_job())
        self.assertEqual((job.counters["marked"], job.counters["removed"]), (0, 1))
        self.assertEqual(self.names(), ["late"])

    def test_one_that_is_no_orphan_any_more_begins_anew(self):
        self.node("a", category="user")
        self.node("b", category="core")
        self.assert_ok(self.run_job())
        self.age_marks(30)
        self.connect("a", "b")
        job = self.assert_ok(self.run_job())
        self.assertEqual((job.counters["unmarked"], job.counters["removed"]), (1, 0))
        self.assertEqual(self.names("n.orphan_since IS NOT NULL"), [])
        self.server.graph("MATCH ()-[e]->() DELETE e")
        job = self.assert_ok(self.run_job())
        self.assertEqual((job.counters["marked"], job.counters["removed"]), (1, 0))

    def test_protected_categories(self):
        for category in ["core", "guild", "user"]:
            self.node(category, category=category)
        self.node("none")
        self.node("number", category=5)
        job = self.assert_ok(self.run_job(grace="0s", protected_categories=["core", "guild"]))
        self.assertEqual(self.names(), ["core", "guild", "none", "number"])
        self.assertEqual(job.counters["protected"], 4)
        self.assert_ok(self.run_job(grace="0s", protect_uncategorised=False))
        self.assertEqual(self.names(), ["core"])

    def test_a_dry_run_writes_nothing(self):
        self.node("lonely", category="user")
        job = self.assert_ok(self.run_job(grace="0s", dry_run=True))
        self.assertEqual(job.logged, ["dry run: 1 orphans would be removed"])
        self.assert_ok(self.run_job(dry_run=True))
        self.assertEqual(self.names("n.orphan_since IS NULL"), ["lonely"])
        self.assertEqual(job.verifications, 0)

    def test_a_query_of_the_operators_own(self):
        self.server.graph("CREATE (:Draft {name: 'draft', category: 'user'}), (:Entity {name: 'e', category: 'user'})")
        query = "MATCH (n:Draft) WHERE id(n) >= $from AND id(n) < $to RETURN id(n)"
        self.connect("e", "draft")
        self.assert_ok(self.run_job(grace="0s", orphans=query))
        self.assertEqual(self.names(), ["draft", "e"], "it has a relationship")
        self.assert_ok(self.run_job(grace="0s", orphans=query, detached_only=False))
        self.assertEqual(self.names(), ["e"])

    def test_queries_that_are_refused(self):
        self.node("lonely", category="user")
        self.node("other", category="user")
        for query, expected in {
            "MATCH (n) WHERE id(n) >= $from RETURN id(n), n.name": "something else than ids",
            "MATCH (n) RETURN n.name": "something else than ids",
            "RETURN 77": "the id 77, which is not at least $from and below $to",
            "MATCH (n) DELETE n": "settings.orphans: ",
            "nonsense": "settings.orphans: ",
            "MATCH (n) SET n.name = 'x' RETURN id(n)": "settings.orphans: ",
        }.items():
            with self.subTest(query):
                job = self.run_job(grace="0s", batch=1, orphans=query)
                self.assertEqual((job.outcome, job.error), ("failed", "GraphError"))
                self.assertIn(expected, job.message)
        self.assertEqual(self.names(), ["lonely", "other"])

    def many(self, count):
        self.server.graph(f"UNWIND range(1, {count}) AS i CREATE (:Entity {{category: 'user', i: i}})")

    def count(self):
        return self.server.graph("MATCH (n) RETURN count(n)")[0][0]

    def test_batches_a_stop_between_them_and_a_second_run(self):
        self.many(20_000)
        job = self.run_job(lambda n: HELD_BUT_STOP if n == 7 else HELD, grace="0s", delete_max=100_000)
        self.assertEqual((job.outcome, job.error), ("failed", "Stopped"))
        self.assertEqual(job.counters["removed"], 7000)
        self.assertEqual(self.count(), 13_000)
        job = self.assert_ok(self.run_job(grace="0s", delete_max=100_000))
        self.assertEqual(job.counters["removed"], 13_000)
        self.assertEqual(self.count(), 0)

    def test_a_limit_of_one_run(self):
        self.many(250)
        job = self.assert_ok(self.run_job(grace="0s", batch=100, delete_max=120))
        self.assertEqual(job.counters["removed"], 120)
        self.assertIn("130 orphans that are due wait for the next run", job.logged[-1])
        self.assertEqual(self.count(), 130)

    def test_nothing_changes_without_the_lease(self):
        self.node("lonely", category="user")
        for settings in [{}, {"grace": "0s"}]:
            job = self.run_job(lambda n: "lease lost to other", **settings)
            self.assertEqual((job.outcome, job.error, job.message), ("failed", "LeaseError", "lease lost to other"))
        self.assertEqual(self.names("n.orphan_since IS NULL"), ["lonely"])

    def test_what_becomes_connected_between_the_look_and_the_act_stays(self):
        self.node("a", category="user")
        self.node("b", category="user")

        def verify(number):
            self.connect("a", "b")
            return HELD

        job = self.assert_ok(self.run_job(verify, grace="0s"))
        self.assertEqual(job.counters["removed"], 0)
        self.assertEqual(self.names(), ["a", "b"])

    def test_ka_enabled_false_is_nothing_to_do(self):
        self.node("lonely", category="user")
        self.flags = {"ka_enabled": False}
        job = self.run_job(grace="0s")
        self.assertEqual((job.outcome, job.message), ("skipped", "ka_enabled is false"))
        self.assertEqual(self.names(), ["lonely"])

    def test_no_graph_is_nothing_to_do(self):
        self.assertEqual(self.run_job().outcome, "skipped")

    def test_wrong_settings(self):
        job = self.run_job(grace="soon", batch=5000, protected_categories="core", dry=True)
        self.assertEqual((job.outcome, job.error), ("failed", "SettingsError"))
        for key in ["grace: allowed is a duration", "batch: allowed is a whole", "protected_categories", "dry: is not"]:
            self.assertIn(f"settings.{key}", job.message)


if __name__ == "__main__":
    unittest.main()
