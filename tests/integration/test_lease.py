"""Several daemons on one real Redis: one leader, its workers once, and a successor."""

import unittest

import harness

KEY = "sg:leader:supervisor"
TEXT = (
    '[supervised.worker]\ncommand = ["/bin/sleep", "1000"]\n'
    '[tasks.leaders]\ninterval = "200ms"\nrun_on = "leader"\ncommand = ["/bin/true"]\n'
    '[tasks.everyones]\ninterval = "200ms"\ncommand = ["/bin/true"]\n'
    '[tasks.daily]\ninterval = "1d"\nrun_on = "leader"\ncommand = ["/bin/true"]\n'
)
LEASE = 'ttl = "3s"'


class SeveralDaemons(harness.DaemonTest):
    def node(self, name, server):
        path = self.config(TEXT, name=f"{name}.toml", redis_url=server.url, lease=LEASE)
        text = path.read_text().replace("[node]\n", f'[node]\nid = "{name}"\n')
        path.write_text(text.replace("/state", f"/state-{name}"))
        daemon = harness.Daemon(path)
        self.addCleanup(self._end, daemon)
        return daemon

    def workers(self):
        return self.workers_of("worker")

    def test_one_leader_and_its_successor(self):
        server = self.redis()
        first = self.node("first", server)
        first.wait_for("worker: supervised worker started")
        first.wait_for("daily: started")
        first.wait_for("daily: ok")
        self.assertEqual(server.client().get(KEY), b"first")
        self.assertGreater(server.client().pttl(KEY), 0)
        self.assertLessEqual(server.client().pttl(KEY), 3000)

        second = self.node("second", server)
        second.wait_for("the lease is held by first: this node follows")
        place = second.wait_for("leaders: held back: this node is not the leader")
        second.wait_for("everyones: ok", start=place, count=3)
        self.assertEqual(len(self.workers()), 1)

        self.assertEqual(first.stop(), 0)
        self.assertIn("the lease is released", first.log())
        second.wait_for("worker: supervised worker started")
        # A change of leader is no reason to run again what the cluster has run today.
        second.wait_for("leaders: ok", count=3)
        self.assertNotIn("daily: started", second.log())
        self.assertEqual(server.client().get(KEY), b"second")
        self.assertEqual(len(self.workers()), 1)
        self.assertEqual(second.stop(), 0)
        self.assertIsNone(server.client().get(KEY))

    def test_successor_of_a_killed_leader(self):
        server = self.redis()
        first = self.node("first", server)
        first.wait_for("worker: supervised worker started")
        second = self.node("second", server)
        second.wait_for("the lease is held by first")
        orphans = self.workers()
        first.process.kill()
        second.wait_for("worker: supervised worker started")
        self.assertEqual(server.client().get(KEY), b"second")
        self.assertEqual(set(self.workers()) & set(orphans), set())
        self.assertEqual(second.stop(), 0)

    def test_shares_the_key_with_the_source(self):
        server = self.redis()
        client = server.client()
        # What the Python supervisor of the source does: SET NX EX 30.
        self.assertTrue(client.set(KEY, "python-node", nx=True, ex=30))
        daemon = self.node("first", server)
        daemon.wait_for("the lease is held by python-node: this node follows")
        self.assertEqual(client.get(KEY), b"python-node")
        client.delete(KEY)
        daemon.wait_for("the lease is held: this node is the leader")
        self.assertFalse(client.set(KEY, "python-node", nx=True, ex=30))
        client.set(KEY, "python-node", ex=30)
        place = daemon.wait_for(r"the lease is gone \(lost to python-node\)")
        daemon.wait_for("worker: stopped", start=place)
        self.assertEqual(self.workers(), [])
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(client.get(KEY), b"python-node")

    def test_standalone(self):
        daemon = self.daemon(TEXT)
        daemon.wait_for("no Redis is configured: this node is the permanent leader")
        daemon.wait_for("worker: supervised worker started")
        daemon.wait_for("leaders: ok")
        self.assert_lives_and_stops(daemon)

    def test_supervised_worker_comes_back_with_back_off(self):
        daemon = self.daemon('[supervised.crashes]\ncommand = ["/bin/sh", "-c", "exit 1"]\n')
        daemon.wait_for(r"crashes: crashed after .* \(exit code 1\), starts again in 1(\.\d+)? s")
        daemon.wait_for(r"crashes: crashed after .* \(exit code 1\), starts again in 2(\.\d+)? s")
        daemon.wait_for("crashes: supervised worker started", count=3)
        self.assert_lives_and_stops(daemon)


if __name__ == "__main__":
    unittest.main()
