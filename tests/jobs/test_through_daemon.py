"""The jobs in C++ as an operator has them: tasks of the daemon, which stargazer-worker runs out of the plugin."""

import contextlib
import json
import pathlib
import unittest

from job_harness import FALKORDB, FalkorServer, harness
from model_server import GOOD, ModelServer

KEY = "sg:leader:supervisor"
OTHER = "another-node"


class ThroughDaemon(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        if not (FALKORDB / "falkordb.so").exists():
            self.skipTest("FalkorDB could not be fetched: tests/jobs/falkordb says why")
        self.server = FalkorServer(self.folder)
        self.addCleanup(self.server.kill)
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def task(self, job, requires, settings="", interval="1h"):
        return (
            f'[tasks.{job}]\ninterval = "{interval}"\nrequires = {json.dumps(requires)}\nrun_on = "leader"\n'
            f'plugin = "stargazer-jobs"\njob = "{job}"\n[tasks.{job}.settings]\n{settings}\n'
        )

    def start(self, text, nodes=1):
        return self.daemon(text + "[kg]\n", redis_url=self.server.url, lease=f"nodes = {nodes}")

    def edges(self, count):
        self.server.graph(
            f"UNWIND range(1, {count}) AS i CREATE (:E)-[:R {{weight: 1.0, category: 'user', priority: 20}}]->(:E)"
        )

    def weights(self):
        found = self.server.graph("MATCH ()-[e]->() RETURN toString(e.weight), count(e)")
        return {round(float(weight), 9): count for weight, count in found}

    def event(self, event_type):
        """The one event of that type."""

        def found():
            hashes = [self.client.hgetall(key) for key in self.client.keys("obs:*")]
            return [each for each in hashes if each[b"event_type"] == event_type.encode()]

        harness.wait_until(found, f"no event {event_type}")
        [event] = found()
        return {key.decode(): value.decode() for key, value in event.items()}

    def test_kg_decay(self):
        self.edges(10)
        self.server.graph("CREATE (:E)-[:R {weight: 0.01, category: 'user'}]->(:E)")
        daemon = self.start(self.task("kg_decay", ["kg"]))
        daemon.wait_for("kg_decay: ok after")
        self.assertEqual(self.weights(), {0.95: 10})
        self.assertIn("kg_decay | KG decay removed 1 weak relationships", daemon.log())
        daemon.wait_for("kg_decay: counted")  # said after the end of the run
        event = self.event("kg_decay")
        self.assertEqual((event["source"], event["status"], event["preview"]), ("background_tasks", "ok", "removed=1"))
        self.assertEqual(json.loads(event["payload"]), {"removed": 1})
        self.assert_lives_and_stops(daemon)

    def test_settings_that_are_wrong_fail_the_run_and_say_so(self):
        self.edges(1)
        daemon = self.start(self.task("kg_decay", ["kg"], "factr = 0.5"))
        daemon.wait_for("kg_decay: failed .*settings.factr: is not a known key, allowed are graph, factor")
        self.assertEqual(self.weights(), {1.0: 1})
        self.assert_lives_and_stops(daemon)

    def test_never_as_a_non_leader(self):
        self.edges(10)
        self.client.set(KEY, OTHER, ex=3600)
        daemon = self.start(self.task("kg_decay", ["kg"]) + '[tasks.beside]\ninterval = "100ms"\ncommand = ["true"]\n')
        daemon.wait_for("beside: ok after", count=5)
        self.assertNotIn("kg_decay: started", daemon.log())
        self.assertEqual(self.weights(), {1.0: 10})
        self.assert_lives_and_stops(daemon)

    def test_a_lease_that_is_lost_on_the_way_ends_the_pass_and_another_node_finishes_it(self):
        self.edges(20_000)
        daemon = self.start(self.task("kg_decay", ["kg"], "batch = 10"))
        harness.wait_until(lambda: len(self.weights()) == 2, "the pass does not begin")
        self.client.set(KEY, OTHER, ex=3600)
        daemon.wait_for("kg_decay: (failed|stopped)")
        left = self.weights()
        self.assertEqual(sum(left.values()), 20_000)
        self.assertGreater(left[1.0], 0, "it went on without the lease")
        daemon.stop()
        self.assertEqual(self.weights(), left)
        self.client.delete(KEY)
        second = self.daemon(
            self.task("kg_decay", ["kg"], "batch = 1000") + "[kg]\n", redis_url=self.server.url, name="second.toml",
            lease="nodes = 1",
        )
        second.wait_for("kg_decay: ok after")
        self.assertIn("goes on with the pass that was interrupted", second.log())
        self.assertEqual(self.weights(), {0.95: 20_000})

    def test_limbic_maintenance(self):
        self.server.graph("CREATE (:E {category: 'user'}), (:E {category: 'core'})")
        daemon = self.start(self.task("limbic_maintenance", ["kg"], 'grace = "0s"'))
        daemon.wait_for("limbic_maintenance: ok after")
        self.assertEqual(self.server.graph("MATCH (n) RETURN n.category"), [[b"core"]])
        self.assert_lives_and_stops(daemon)

    def test_limbic_maintenance_behind_the_gate_of_the_catalogue(self):
        """Which is for the Python function: a bot runner. The job does with it what it does without."""
        self.server.graph("CREATE (:E {category: 'user'})")
        text = self.task("limbic_maintenance", ["bot_runner"], 'grace = "0s"')
        checked = harness.check("--config", self.config(text + "[kg]\n", redis_url=self.server.url))
        self.assertIn("requires bot_runner, which is not configured", checked.stdout)
        daemon = self.start(text + '[bot_runner]\nprovider = "stargazer:runner"\n')
        daemon.wait_for("limbic_maintenance: ok after")
        self.assertEqual(self.server.graph("MATCH (n) RETURN n.category"), [])
        self.assert_lives_and_stops(daemon)

    def test_scheduled_prompt_cleanup(self):
        self.client.set("prompt:1", json.dumps({"status": "executed", "created_at": 1}))
        self.client.set("prompt:2", json.dumps({"status": "active", "created_at": 1}))
        daemon = self.start(self.task("scheduled_prompt_cleanup", ["redis"], 'prefix = "prompt:"'))
        daemon.wait_for("scheduled_prompt_cleanup: ok after")
        self.assertEqual(self.client.keys("prompt:*"), [b"prompt:2"])
        self.assert_lives_and_stops(daemon)

    def test_channel_summarization(self):
        model = ModelServer()
        self.addCleanup(model.server_close)
        self.addCleanup(model.shutdown)
        secret = self.folder / "key"
        secret.write_text("sk-secret-of-the-test\n")
        self.client.hset("msg:1", mapping={"text": "hello", "user_id": "u", "timestamp": 1795430601})
        self.client.zadd("channel_msgs:discord:c", {"msg:1": 1795430601})
        daemon = self.start(
            self.task("channel_summarization", ["redis"])
            + f'[openrouter]\nbase_url = "{model.url}"\napi_key_file = "{secret}"\n'
        )
        daemon.wait_for("channel_summarization: ok after")
        self.assertEqual(json.loads(self.client.get("stargazer:last1k_summary:c"))["mood"], GOOD["mood"])
        self.assertEqual(model.asked[0][1]["Authorization"], "Bearer sk-secret-of-the-test")
        self.assertNotIn("sk-secret", daemon.log())
        self.assert_lives_and_stops(daemon)

    def test_the_secret_is_in_no_process(self):
        """While a question is under way."""
        seen = []

        def behave(handler, number):
            for entry in pathlib.Path("/proc").iterdir():
                if entry.name.isdigit():
                    with contextlib.suppress(OSError):
                        seen.append((entry / "cmdline").read_bytes() + (entry / "environ").read_bytes())
            handler.answer(401, b"no")

        model = ModelServer(behave)
        self.addCleanup(model.server_close)
        self.addCleanup(model.shutdown)
        secret = self.folder / "key"
        secret.write_text("sk-secret-of-the-test\n")
        self.client.hset("msg:1", mapping={"text": "hello", "user_id": "u", "timestamp": 1795430601})
        self.client.zadd("channel_msgs:discord:c", {"msg:1": 1795430601})
        daemon = self.start(
            self.task("channel_summarization", ["redis"])
            + f'[openrouter]\nbase_url = "{model.url}"\napi_key_file = "{secret}"\n'
        )
        daemon.wait_for("channel_summarization: failed .*HTTP 401: no")
        self.assertTrue(any(b"channel_summarization" in each for each in seen), "the worker was not looked at")
        self.assertFalse(any(b"sk-secret-of-the-test" in each for each in seen))
        self.assert_lives_and_stops(daemon)


if __name__ == "__main__":
    unittest.main()
