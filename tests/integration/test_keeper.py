"""Workers of the lease when their daemon is stopped or killed: gone in time, with everything that they started."""

import signal
import unittest

import harness

KEY = "sg:leader:supervisor"
# A worker that ignores TERM, and a descendant that left its group and session and lost its parent.
TEXT = (
    "[supervised.worker]\n"
    'command = ["/bin/sh", "-c", "trap : TERM; (setsid sleep 1000 >/dev/null 2>&1 3>&- &); '
    'while :; do sleep 1000; done"]\n'
)
LEASE = 'ttl = "3s"\nnodes = 1'


class Fuse(harness.DaemonTest):
    def leader(self):
        server = self.redis()
        daemon = self.daemon(TEXT, redis_url=server.url, lease=LEASE)
        daemon.wait_for(r"the fuse of workers of the lease \(.*\) ends their ")
        self.wait_for_worker(daemon, 0)
        return server.client(), daemon

    def workers(self):
        return self.workers_of("worker")

    def assert_nothing_is_left(self):
        self.assertEqual(self.processes_of("worker"), [])

    def wait_for_worker(self, daemon, start):
        daemon.wait_for("worker: supervised worker started", start=start)
        # The shell, what it waits for, and what it detached, each once it is what it is to become.
        there = ["sh", "sleep", "sleep"]
        harness.wait_until(
            lambda: sorted(map(harness.name_of, self.workers())) == there, "the worker does not start its descendants"
        )

    def test_stopped_daemon(self):
        client, daemon = self.leader()
        epoch = client.hget(f"{KEY}:term", "epoch")
        place = len(daemon.lines)
        daemon.process.send_signal(signal.SIGSTOP)
        harness.wait_until(lambda: self.processes_of("worker") == [], "the workers of a stopped daemon do not end")
        # What matters: nobody else could have become leader yet.
        self.assertGreater(client.pttl(KEY), 0)
        self.assertEqual(client.hget(f"{KEY}:term", "epoch"), epoch)
        daemon.process.send_signal(signal.SIGCONT)
        self.wait_for_worker(daemon, place)
        self.assert_lives_and_stops(daemon)
        self.assert_nothing_is_left()

    def test_stopped_daemon_and_keeper(self):
        client, daemon = self.leader()
        for pid in harness.children_of(daemon.pid):
            harness.os.kill(pid, signal.SIGSTOP)
        daemon.process.send_signal(signal.SIGSTOP)
        shells = [pid for pid in self.workers() if harness.name_of(pid) == "sh"]
        self.assertEqual(len(shells), 1)
        harness.wait_until(lambda: shells[0] not in self.workers(), "the worker of a stopped keeper does not end")
        self.assertGreater(client.pttl(KEY), 0)
        daemon.process.send_signal(signal.SIGCONT)
        self.assert_lives_and_stops(daemon)
        harness.wait_until(lambda: self.processes_of("worker") == [], "something outlives the daemon")

    def test_killed_daemon(self):
        client, daemon = self.leader()
        daemon.process.kill()
        # The second that is promised, and what a loaded machine may add; the fuse itself would burn later.
        harness.wait_until(lambda: self.processes_of("worker") == [], "the workers of a killed daemon do not end", 2)
        self.assertGreater(client.pttl(KEY), 0)

    def test_long_life_under_renewals(self):
        client, daemon = self.leader()
        before = self.workers()
        start = client.time()
        # Three times the hard-kill time, on the clock of Redis.
        harness.wait_until(lambda: client.time()[0] > start[0] + 8, "time stands still")
        self.assertEqual(self.workers(), before)
        self.assertGreater(client.pttl(KEY), 0)
        self.assert_lives_and_stops(daemon)
        self.assert_nothing_is_left()

    def test_worker_knows_its_epoch(self):
        server = self.redis()
        text = '[supervised.worker]\ncommand = ["/bin/sh", "-c", "echo epoch $STARGAZER_EPOCH; sleep 1000"]\n'
        daemon = self.daemon(text, redis_url=server.url, lease=LEASE)
        daemon.wait_for(r"worker \| epoch " + server_epoch(server, daemon) + "$")
        self.assert_lives_and_stops(daemon)

    def test_program_that_is_not_there(self):
        text = '[supervised.worker]\ncommand = ["/nonexistent/program"]\n'
        daemon = self.daemon(text, redis_url=self.redis().url, lease=LEASE)
        daemon.wait_for("worker: .*/nonexistent/program: No such file or directory")
        self.assert_lives_and_stops(daemon)

    def test_standalone_has_no_keeper(self):
        daemon = self.daemon(TEXT)
        self.wait_for_worker(daemon, 0)
        self.assertNotIn("fuse", daemon.log())
        names = {harness.name_of(pid) for pid in self.processes_of("worker")}
        self.assertIn("sh", names)
        self.assertNotIn("stargazer-keeper"[:15], names)
        self.assert_lives_and_stops(daemon)


def server_epoch(server, daemon):
    daemon.wait_for("the lease is held: this node is the leader")
    return server.client().hget(f"{KEY}:term", "epoch").decode()


if __name__ == "__main__":
    unittest.main()
