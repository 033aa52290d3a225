"""kg_decay on a real FalkorDB: weights, tiers, pruning, stops, what must never happen twice."""

import unittest

from job_harness import HELD, HELD_BUT_STOP, Job, JobTest

PASS_KEY = "stargazer:kg_decay:knowledge"


class DecayTest(JobTest):
    job = "kg_decay"

    def setUp(self):
        super().setUp()
        self.start_falkordb()

    def edge(self, name, **properties):
        text = ", ".join(f"{key}: {value!r}" for key, value in {"name": name, **properties}.items())
        self.server.graph(f"CREATE (:Entity)-[:KNOWS {{{text}}}]->(:Entity)")

    def pass_state(self):
        number, state = self.client.get(PASS_KEY).decode().split()
        self.assertGreater(int(number), 1_700_000_000_000)
        return state

    def weights(self):
        found = self.server.graph("MATCH ()-[e]->() RETURN e.name, e.weight")
        return {name.decode(): self.number(weight) for name, weight in found}

    @staticmethod
    def number(value):
        return float(value) if isinstance(value, (bytes, int)) else value

    def assert_weights(self, expected, digits=9):
        found = self.weights()
        self.assertEqual(found.keys(), expected.keys())
        for name, weight in expected.items():
            self.assertAlmostEqual(found[name], weight, digits, name)

    def tiers(self):
        self.edge("core", weight=1.0, category="core", priority=100)
        self.edge("guild", weight=1.0, category="guild", priority=80)
        self.edge("channel", weight=1.0, category="channel", priority=60)
        self.edge("user", weight=1, category="user", priority=20)

    def test_weights_after_1_2_and_30_passes(self):
        self.tiers()
        for passes in range(1, 31):
            job = self.assert_ok(self.run_job())
            self.assertEqual(job.counters, {"weakened": 3, "removed": 0, "core": 1})
            if passes in (1, 2, 30):
                full, half = 0.95**passes, 0.975**passes
                self.assert_weights({"core": 1.0, "guild": half, "channel": full, "user": full})
            self.assertEqual(self.pass_state(), "done")

    def test_tier_by_category_or_by_priority_alone(self):
        self.edge("core by priority", weight=1.0, priority=100)
        self.edge("core by category", weight=1.0, category="core")
        self.edge("core against its priority", weight=1.0, category="core", priority=20)
        self.edge("above core", weight=1.0, category="odd", priority=250)
        self.edge("guild by priority", weight=1.0, priority=80)
        self.edge("guild by category", weight=1.0, category="guild")
        self.edge("user by priority", weight=1.0, priority=20.0)
        self.edge("basic", weight=1.0, category="basic")
        self.assert_ok(self.run_job())
        self.assert_weights(
            {
                "core by priority": 1.0,
                "core by category": 1.0,
                "core against its priority": 1.0,
                "above core": 1.0,
                "guild by priority": 0.975,
                "guild by category": 0.975,
                "user by priority": 0.95,
                "basic": 0.95,
            }
        )

    def test_what_falls_below_the_threshold_is_removed(self):
        self.edge("stays", weight=0.2, category="user")
        self.edge("falls", weight=0.105, category="user")
        self.edge("guild stays at half the rate", weight=0.105, category="guild")
        self.edge("core stays", weight=0.001, category="core", priority=100)
        job = self.assert_ok(self.run_job(prune_below=0.1))
        self.assert_weights({"stays": 0.19, "guild stays at half the rate": 0.102375, "core stays": 0.001})
        self.assertEqual(job.logged, ["KG decay removed 1 weak relationships"])
        [event] = job.events
        self.assertEqual(
            (event["event"], event["source"], event["status"], event["preview"], event["payload"]),
            ("kg_decay", "background_tasks", "ok", "removed=1", {"removed": 1}),
        )
        # Nodes are no concern of the decay.
        self.assertEqual(self.server.graph("MATCH (n) RETURN count(n)"), [[8]])

    def test_wrong_and_missing_properties_are_left_and_counted(self):
        self.edge("text", weight="heavy", category="user")
        self.edge("none", category="user")
        self.edge("no tier", weight=1.0)
        self.edge("tier of another type", weight=1.0, category=5, priority="high")
        self.edge("list", weight=[1.0], category="user")
        self.edge("good", weight=1.0, category="user")
        job = self.assert_ok(self.run_job())
        self.assertEqual(job.counters, {"weakened": 1, "removed": 0, "core": 0, "unusable": 5})
        self.assertIn("5 relationships were left as they are", job.logged[0])
        stamped = self.server.graph("MATCH ()-[e]->() WHERE e.decay_pass IS NOT NULL RETURN e.name")
        self.assertEqual(stamped, [[b"good"]])

    def test_parallel_edges_loops_and_hubs_count_once_each(self):
        self.server.graph(
            "CREATE (hub:Entity), (other:Entity) WITH hub, other UNWIND range(1, 50) AS i "
            "CREATE (hub)-[:R {weight: 1.0, category: 'user'}]->(other), (hub)-[:S {weight: 1.0, priority: 5}]->(hub)"
        )
        job = self.assert_ok(self.run_job(batch=7))
        self.assertEqual(job.counters["weakened"], 100)
        self.assertEqual(self.server.graph("MATCH ()-[e]->() RETURN DISTINCT e.weight"), [[b"0.95"]])

    def many(self, count):
        """`count` relationships in five kinds, each fifth of them core."""
        self.server.graph(
            f"UNWIND range(1, {count // 5}) AS i CREATE (a:Entity), (b:Entity), "
            "(a)-[:R {weight: 1.0, category: 'core', priority: 100}]->(b), "
            "(a)-[:R {weight: 1.0, category: 'guild', priority: 80}]->(b), "
            "(b)-[:S {weight: 1.0, category: 'user', priority: 20}]->(a), "
            "(a)-[:S {weight: 0.05, category: 'user', priority: 20}]->(b), "
            "(b)-[:S {weight: 2, category: 'general', priority: 10}]->(b)"
        )

    def distribution(self):
        found = self.server.graph("MATCH ()-[e]->() RETURN toString(e.weight), count(e)")
        return {round(float(weight), 9): count for weight, count in found}

    def test_100000_edges_in_batches_with_a_stop_in_the_middle(self):
        self.many(100_000)
        begun = {1.0: 60_000, 0.05: 20_000, 2.0: 20_000}
        self.assertEqual(self.distribution(), begun)
        # Stopped while it is about to make its 30th change, which it still makes.
        job = self.run_job(lambda n: HELD_BUT_STOP if n == 30 else HELD, batch=1000)
        self.assertEqual((job.outcome, job.error), ("failed", "Stopped"))
        self.assertEqual(job.verifications, 30)
        first = job.counters
        self.assertGreater(first["weakened"], 10_000)
        self.assertLess(first["weakened"], 40_000)
        self.assertEqual(self.pass_state(), "open")
        self.assertEqual(job.events, [], "a stop is no error")
        done, total, message = job.progress[-1]
        self.assertTrue(0 <= done < total == 40_000, job.progress[-1])
        self.assertIn("relationships weakened", message)

        second = self.assert_ok(self.run_job(batch=1000))
        self.assertIn("goes on with the pass that was interrupted", second.logged)
        self.assertEqual(second.counters["weakened"] + first["weakened"], 60_000)
        self.assertEqual(second.counters["removed"] + first["removed"], 20_000)
        self.assertEqual(self.distribution(), {1.0: 20_000, 0.975: 20_000, 0.95: 20_000, 1.9: 20_000})
        self.assertEqual(self.pass_state(), "done")

        third = self.assert_ok(self.run_job())
        self.assertEqual(third.counters["weakened"], 60_000)
        self.assertEqual(self.distribution(), {1.0: 20_000, 0.950625: 20_000, 0.9025: 20_000, 1.805: 20_000})

    def test_no_more_than_one_batch_between_two_questions_for_the_lease(self):
        self.many(1000)
        changes = []

        def verify(number):
            changes.append(sum(self.server.graph("MATCH ()-[e]->() RETURN count(e.decay_pass), 1000 - count(e)")[0]))
            return HELD

        self.assert_ok(self.run_job(verify, batch=50))
        steps = [after - before for before, after in zip(changes, changes[1:])]
        self.assertLessEqual(max(steps), 50)
        self.assertEqual(changes[-1], 800)

    def test_nothing_changes_without_the_lease(self):
        self.tiers()
        for why in ["not flagged leader", "lease expired", "lease lost to other-node"]:
            job = self.run_job(lambda n: why)
            self.assertEqual((job.outcome, job.error, job.message), ("failed", "LeaseError", why))
            self.assertEqual(job.events[0]["status"], "error")
            self.assertEqual(job.events[0]["preview"], f"error={why}")
        self.assert_weights({"core": 1.0, "guild": 1.0, "channel": 1.0, "user": 1.0})
        self.assertEqual(self.client.keys("*"), [b"knowledge"])

    def test_a_lease_lost_on_the_way_ends_the_pass_there(self):
        self.many(1000)
        job = self.run_job(lambda n: "lease expired" if n > 3 else HELD, batch=20)
        self.assertEqual((job.outcome, job.message), ("failed", "lease expired"))
        # 40 of the first 20 nodes are to change: 10 to be removed, then 20 of 30 to be weakened, then it may no more.
        self.assertEqual((job.counters["removed"], job.counters["weakened"]), (10, 20))
        self.assertEqual(self.server.graph("MATCH ()-[e]->() RETURN count(e.decay_pass), count(e)"), [[20, 990]])

    def test_a_killed_job_is_finished_by_the_next(self):
        self.many(2000)
        job = Job(self.job, self.params({"batch": 100}))
        for line in job.process.stdout:
            if '"verify":5}' in line:
                break  # it waits for our answer, four batches or fewer are done
            if "verify" in line:
                job._write(HELD)
        job.process.kill()
        job.process.wait()
        job.process.stdin.close()
        job.process.stdout.close()
        self.assert_ok(self.run_job())
        self.assertEqual(self.distribution(), {1.0: 400, 0.975: 400, 0.95: 400, 1.9: 400})

    def test_numbers_of_passes_rise_whatever_the_clock_says(self):
        self.edge("user", weight=1.0, category="user")
        self.client.set(PASS_KEY, "9000000000000 done")
        for passes in (1, 2):
            self.assert_ok(self.run_job())
            self.assertEqual(self.client.get(PASS_KEY), f"{9_000_000_000_000 + passes} done".encode())
            self.assert_weights({"user": 0.95**passes})

    def test_a_run_that_was_left_behind_changes_nothing(self):
        """It waits for the lease while another run completes its pass, and a further one."""
        self.edge("user", weight=1.0, category="user")

        def verify(number):
            if number == 2:
                self.assert_ok(self.run_job())
                self.assert_ok(self.run_job())
            return HELD

        late = self.run_job(verify)
        self.assertEqual(late.counters["weakened"], 0)
        self.assert_weights({"user": 0.95**2})
        self.assertEqual(self.pass_state(), "done")

    def test_no_graph_is_nothing_to_do(self):
        job = self.run_job()
        self.assertEqual((job.outcome, job.message), ("skipped", "there is no graph knowledge"))
        self.assertEqual(self.client.keys("*"), [])

    def test_an_empty_graph(self):
        self.server.graph("CREATE (n) DELETE n")
        self.assert_ok(self.run_job())

    def test_another_key_in_the_place_of_the_graph(self):
        self.client.set("knowledge", "text")
        job = self.run_job()
        self.assertEqual((job.outcome, job.error), ("failed", "GraphError"))
        self.assertIn("the key holds no graph but a string", job.message)

    def test_another_key_in_the_place_of_the_pass(self):
        self.tiers()
        self.client.set(PASS_KEY, "a text")
        job = self.run_job()
        self.assertIn(f"the key {PASS_KEY} holds no pass; delete it to begin a new one", job.message)
        self.client.delete(PASS_KEY)
        self.client.lpush(PASS_KEY, "a list")
        self.assertIn("WRONGTYPE", self.run_job().message)

    def test_settings_are_used(self):
        self.server.graph("CREATE (:E)-[:R {strength: 8.0, tier: 'eternal'}]->(:E)", name="other")
        self.server.graph("CREATE (:E)-[:R {strength: 8.0, tier: 'club'}]->(:E)", name="other")
        self.server.graph("CREATE (:E)-[:R {strength: 8.0, tier: 'x'}]->(:E)", name="other")
        self.assert_ok(
            self.run_job(
                graph="other",
                factor=0.5,
                weight_property="strength",
                category_property="tier",
                core_category="eternal",
                guild_category="club",
                pass_property="stamp",
                prune_below=0,
            )
        )
        found = self.server.graph("MATCH ()-[e]->() RETURN e.tier, e.strength ORDER BY e.tier", name="other")
        self.assertEqual(found, [[b"club", b"6"], [b"eternal", b"8"], [b"x", b"4"]])

    def test_hostile_texts_in_settings_stay_values(self):
        self.edge("user", weight=1.0, category="user")
        hostile = "x' RETURN 1 //\\' OR 1=1 `"
        job = self.assert_ok(self.run_job(core_category=hostile, guild_category="\\"))
        self.assertEqual(job.counters["weakened"], 1)
        self.edge("hostile", weight=1.0, category=hostile)
        self.assert_ok(self.run_job(core_category=hostile))
        self.assertEqual(self.weights()["hostile"], 1.0)

    def test_wrong_settings_change_nothing(self):
        self.tiers()
        wrong = {
            "factor": (1.5, "allowed is a number from 0 to 1"),
            "prune_below": ("low", "allowed is a number"),
            "batch": (0, "allowed is a whole number from 1 to 100000"),
            "weight_property": ("weight) DELETE (n", "allowed is a letter or _"),
            "graph": ("", "allowed is a text of 1 to 512 bytes"),
            "pass_property": ("weight", "must be another one than weight_property"),
            "factr": (0.9, "is not a known key, allowed are graph, factor"),
        }
        for key, (value, expected) in wrong.items():
            with self.subTest(key):
                job = self.run_job(**{key: value})
                self.assertEqual((job.outcome, job.error), ("failed", "SettingsError"))
                self.assertIn(f"settings.{key}: ", job.message)
                self.assertIn(expected, job.message)
        job = self.run_job(**{key: value for key, (value, _) in wrong.items()})
        for key in wrong:
            self.assertIn(f"settings.{key}: ", job.message)
        self.assert_weights({"core": 1.0, "guild": 1.0, "channel": 1.0, "user": 1.0})

    def test_a_server_without_graphs(self):
        self.server.kill()
        self.start_redis()
        self.setup = {"redis": {"url": self.server.url}, "kg": {"url": "", "graph": "knowledge"}}
        self.assertEqual(self.run_job().outcome, "skipped")

    def test_no_server(self):
        self.server.kill()
        job = self.run_job()
        self.assertEqual((job.outcome, job.error), ("failed", "RedisError"))
        self.assertIn("kg.url: redis ", job.message)


if __name__ == "__main__":
    unittest.main()
