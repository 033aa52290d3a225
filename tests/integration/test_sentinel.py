"""A primary, its replica and a real Sentinel: the daemon follows a failover without a restart, on all connections."""

import json
import signal
import socket
import subprocess
import unittest

import harness
import test_feed_and_events

KEY = "sg:leader:supervisor"
MASTER = "mymaster"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A redis-server or a sentinel on a TCP port of the loopback."""

    def __init__(self, folder, name, lines, *arguments):
        self.port = free_port()
        self.path = folder / f"{name}.conf"
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {folder}", *lines]
        self.path.write_text("".join(f"{line}\n" for line in lines))
        self.process = subprocess.Popen(["redis-server", self.path, *arguments], stdout=subprocess.DEVNULL)
        harness.wait_until(self._answers, f"{name} does not start")

    def client(self):
        import redis

        return redis.Redis(port=self.port)

    def _answers(self):
        import redis

        try:
            return self.client().ping()
        except redis.exceptions.ConnectionError:
            return False

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Failover(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        redis_lines = ['save ""', "repl-diskless-sync-delay 0"]
        self.primary = self.server("primary", redis_lines)
        self.replica = self.server("replica", redis_lines + [f"replicaof 127.0.0.1 {self.primary.port}"])
        self.sentinel = self.server(
            "sentinel",
            [f"sentinel monitor {MASTER} 127.0.0.1 {self.primary.port} 1",
             f"sentinel down-after-milliseconds {MASTER} 2000", f"sentinel failover-timeout {MASTER} 3000"],
            "--sentinel")
        harness.wait_until(lambda: self.sentinel.client().sentinel_slaves(MASTER), "the sentinel finds no replica")
        harness.wait_until(lambda: self.replica.client().info()["master_link_status"] == "up", "no replication")

    def server(self, name, lines, *arguments):
        server = Server(self.folder, name, lines, *arguments)
        self.addCleanup(server.kill)
        return server

    def subscribe(self, server, *channels):
        subscriber = server.client().pubsub()
        subscriber.subscribe(*channels)
        for _ in channels:
            self.assertEqual(subscriber.get_message(timeout=harness.DEADLINE_S)["type"], "subscribe")
        self.addCleanup(subscriber.close)
        return subscriber

    def expect(self, subscriber, good):
        """Waits for a message that is `good`."""
        def arrived():
            message = subscriber.get_message(timeout=1)
            return message is not None and message["type"] == "message" and good(json.loads(message["data"]))
        harness.wait_until(arrived, "the message does not arrive")

    def start_daemon(self, text, name="main", lease='ttl = "4s"'):
        # The first sentinel is not there.
        path = self.config(text, name=f"{name}.toml", redis_url="redis://127.0.0.1:1/0", lease=lease)
        sentinels = f'["127.0.0.1:{free_port()}", "127.0.0.1:{self.sentinel.port}"]'
        table = f'[redis]\nsentinels = {sentinels}\nmaster_name = "{MASTER}"\n'
        node = f'[node]\nid = "{name}"\n'
        text = path.read_text().replace("[redis]\n", table).replace("[node]\n", node)
        path.write_text(text.replace("/state", f"/state-{name}"))
        daemon = harness.Daemon(path)
        self.addCleanup(self._end, daemon)
        return daemon

    def fail_over(self):
        """Asks the sentinel for an orderly failover and waits until it says that it is done."""
        listener = self.subscribe(self.sentinel, "+switch-master")
        self.assertTrue(self.sentinel.client().execute_command("SENTINEL", "FAILOVER", MASTER))
        harness.wait_until(lambda: (listener.get_message(timeout=1) or {}).get("type") == "message", "no failover")

    def journal_text(self, journal):
        return ('[tasks.beat]\ninterval = "200ms"\ncommand = ["/bin/true"]\n'
                '[tasks.journal_stream]\ninterval = "1s"\nrequires = ["redis"]\ntimeout = 0\nnative = "journal_feed"\n'
                f'[feed]\ndirectory = "{journal.folder}"\n'
                '[supervised.worker]\ncommand = ["/bin/sleep", "1000"]\n')

    def test_everything_follows_an_orderly_failover(self):
        journal = test_feed_and_events.Journal(self.folder)
        journal.append([test_feed_and_events.of_unit("before")])
        daemon = self.start_daemon(self.journal_text(journal))
        place = daemon.wait_for("worker: supervised worker started")
        self.assertEqual(self.primary.client().get(KEY), b"main")

        self.fail_over()
        place = daemon.wait_for("redis is reachable", start=daemon.wait_for("redis is unreachable", start=place))
        listener = self.subscribe(self.replica, "stargazer:journal", "stargazer:observability")
        self.assertEqual(self.replica.client().info()["role"], "master")
        journal.append([test_feed_and_events.of_unit("after")])
        self.expect(listener, lambda entry: entry.get("MESSAGE") == "after")
        self.expect(listener, lambda event: event.get("payload", {}).get("task") == "beat")
        harness.wait_until(lambda: self.replica.client().get(KEY) == b"main", "the lease is not on the new master")
        # The listener for releases has followed as well.
        harness.wait_until(lambda: self.replica.client().pubsub_numsub(f"{KEY}:released")[0][1] == 1, "no listener")
        self.assert_lives_and_stops(daemon)
        self.assertIsNone(self.replica.client().get(KEY))

    def test_a_master_that_hangs_is_left(self):
        daemon = self.start_daemon('[tasks.beat]\ninterval = "200ms"\ncommand = ["/bin/true"]\n')
        place = daemon.wait_for("the lease is held: this node is the leader")
        # What is granted on a master that is about to vanish must be on the one that follows.
        self.assertEqual(self.primary.client().wait(1, 10_000), 1)
        self.primary.pause()
        place = daemon.wait_for(rf"redis is unreachable.*{MASTER}/0", start=place)
        place = daemon.wait_for("redis is reachable", start=place)
        self.assertEqual(self.replica.client().info()["role"], "master")
        daemon.wait_for("beat: ok", start=place, count=3)
        # The old one returns, is made a replica, and is not taken for the master again.
        self.primary.resume()
        harness.wait_until(lambda: self.primary.client().info()["role"] == "slave", "the old master is not demoted")
        harness.wait_until(lambda: self.replica.client().get(KEY) == b"main", "nobody leads on the new master")
        self.assert_lives_and_stops(daemon)

    def test_a_follower_hears_of_a_release_on_the_new_master(self):
        lease = 'ttl = "5s"'
        first = self.start_daemon("", name="first", lease=lease)
        first.wait_for("the lease is held: this node is the leader")
        second = self.start_daemon("", name="second", lease=lease)
        second.wait_for("the lease is held by first: this node follows")
        self.fail_over()
        key = f"{KEY}:released"
        harness.wait_until(lambda: self.replica.client().pubsub_numsub(key)[0][1] == 2, "the listeners are elsewhere")
        place = second.wait_for("redis is reachable")
        harness.wait_until(lambda: self.replica.client().get(KEY) == b"first", "the leader has not followed")
        heard = self.subscribe(self.replica, key)
        self.assertEqual(first.stop(), 0)
        self.assertEqual(heard.get_message(timeout=harness.DEADLINE_S)["data"], b"first")
        second.wait_for("the lease is held: this node is the leader", start=place)
        self.assertEqual(second.stop(), 0)

    def test_grants_wait_for_the_replica(self):
        daemon = self.start_daemon("", lease='ttl = "6s"\nreplicas = 1')
        place = daemon.wait_for("the lease is held: this node is the leader")
        self.replica.pause()
        place = daemon.wait_for(r"written, but only 0 of 1 replicas confirmed it", start=place)
        place = daemon.wait_for("the lease is gone", start=place)
        self.replica.resume()
        daemon.wait_for("the lease is held: this node is the leader", start=place)
        self.assert_lives_and_stops(daemon)

    def test_eviction_is_warned_of_once_for_each_server(self):
        for server in (self.primary, self.replica):
            server.client().config_set("maxmemory", "1gb")
            server.client().config_set("maxmemory-policy", "allkeys-lru")
        warning = "Redis may evict the lease: maxmemory is set and maxmemory-policy is allkeys-lru"
        daemon = self.start_daemon("")
        place = daemon.wait_for(warning)
        # The same server again: nothing new.
        self.primary.client().client_kill_filter(_type="normal", skipme=True)
        place = daemon.wait_for("redis is reachable", start=daemon.wait_for("redis is unreachable", start=place))
        self.fail_over()
        daemon.wait_for(warning, start=place)
        self.assertEqual(daemon.log().count(warning), 2)
        self.assert_lives_and_stops(daemon)

    def test_no_sentinel_knows_the_master(self):
        self.sentinel.client().sentinel_remove(MASTER)
        daemon = self.start_daemon('[tasks.beat]\ninterval = "200ms"\ncommand = ["/bin/true"]\n')
        daemon.wait_for(f'redis is unreachable.*it knows no master named "{MASTER}"')
        daemon.wait_for("beat: ok", count=3)
        self.sentinel.client().sentinel_monitor(MASTER, "127.0.0.1", self.primary.port, 1)
        daemon.wait_for("redis is reachable")
        self.assert_lives_and_stops(daemon)


if __name__ == "__main__":
    unittest.main()
