"""Redis that is down, lost, hanging, refusing or talking nonsense: one clear line, gates that hold and open again."""

import os
import threading
import unittest

import harness

TASKS = (
    '[tasks.free]\ninterval = "200ms"\ncommand = ["/bin/true"]\n'
    '[tasks.needy]\ninterval = "200ms"\nrequires = ["redis"]\ncommand = ["/bin/true"]\n'
)
LEASE = 'ttl = "3s"'


class RedisThatMisbehaves(harness.DaemonTest):
    def assert_held_and_free(self, daemon, start=0):
        """The task that needs Redis is held back with the reason, the other one runs."""
        place = daemon.wait_for(r"needy: held back: redis has been unreachable for", start=start)
        return daemon.wait_for("free: ok", start=place, count=3)

    def test_down_at_start_and_there_later(self):
        daemon = self.daemon(TASKS, redis_url=f"unix://{self.folder}/redis.sock", lease=LEASE)
        daemon.wait_for(r"warning\s+redis is unreachable: .*[Nn]o such file or directory.*; tasks that need it wait")
        place = self.assert_held_and_free(daemon)
        self.redis()
        place = daemon.wait_for(r"notice\s+redis is reachable", start=place)
        daemon.wait_for("needy: ok", start=place, count=2)
        daemon.wait_for("this node is the leader")
        self.assert_lives_and_stops(daemon)

    def test_lost_and_back(self):
        server = self.redis()
        daemon = self.daemon(TASKS, redis_url=server.url, lease=LEASE)
        place = daemon.wait_for("needy: ok")
        server.kill()
        place = daemon.wait_for(r"redis is unreachable: ", start=place)
        place = self.assert_held_and_free(daemon, start=place)
        server.start()
        place = daemon.wait_for("redis is reachable", start=place)
        daemon.wait_for("needy: ok", start=place, count=2)
        self.assert_lives_and_stops(daemon)

    def test_hanging_and_back(self):
        server = self.redis()
        daemon = self.daemon(TASKS, redis_url=server.url, lease=LEASE)
        place = daemon.wait_for("needy: ok")
        server.pause()
        place = daemon.wait_for(r"redis is unreachable: ", start=place)
        place = self.assert_held_and_free(daemon, start=place)
        server.resume()
        place = daemon.wait_for("redis is reachable", start=place)
        daemon.wait_for("needy: ok", start=place, count=2)
        self.assert_lives_and_stops(daemon)

    def test_wrong_password(self):
        server = self.redis("--requirepass", "right-secret")
        secret = self.folder / "password"
        secret.write_text("wrong-secret\n")
        daemon = self.daemon(
            TASKS + f'[redis]\nurl = "{server.url}"\npassword_file = "{secret}"\n', lease=LEASE
        )
        daemon.wait_for(r"redis is unreachable: .*WRONGPASS")
        self.assert_held_and_free(daemon)
        self.assertNotIn("wrong-secret", daemon.log())
        self.assert_lives_and_stops(daemon)

    def test_password_from_file(self):
        server = self.redis("--requirepass", "right-secret")
        secret = self.folder / "password"
        secret.write_text("right-secret\n")
        daemon = self.daemon(
            TASKS + f'[redis]\nurl = "{server.url}"\npassword_file = "{secret}"\n', lease=LEASE
        )
        daemon.wait_for("needy: ok", count=2)
        daemon.wait_for("this node is the leader")
        self.assertNotIn("right-secret", daemon.log())
        self.assert_lives_and_stops(daemon)

    def test_garbage(self):
        server = self.raw_server(lambda connection: connection.sendall(os.urandom(4096) + b"\r\n" * 100))
        daemon = self.daemon(TASKS, redis_url=server.url, lease=LEASE)
        daemon.wait_for("redis is unreachable: ")
        self.assert_held_and_free(daemon)
        self.assert_lives_and_stops(daemon)

    def test_errors_to_everything(self):
        def refuse(connection):
            while connection.recv(65536):
                connection.sendall(b"-ERR the house is on fire\r\n" * 3)

        daemon = self.daemon(TASKS, redis_url=self.raw_server(refuse).url, lease=LEASE)
        daemon.wait_for(r"the house is on fire")
        daemon.wait_for("free: ok", count=3)
        self.assert_lives_and_stops(daemon)

    def test_accepts_and_never_answers(self):
        never = threading.Event()
        self.addCleanup(never.set)
        daemon = self.daemon(TASKS, redis_url=self.raw_server(lambda _: never.wait()).url, lease=LEASE)
        daemon.wait_for("redis is unreachable: ")
        self.assert_held_and_free(daemon)
        self.assert_lives_and_stops(daemon)

    def test_leader_without_redis_stops_its_workers_in_time(self):
        server = self.redis()
        daemon = self.daemon(
            '[supervised.long]\ncommand = ["/bin/sleep", "1000"]\n', redis_url=server.url, lease=LEASE
        )
        place = daemon.wait_for("long: supervised worker started")
        server.pause()
        place = daemon.wait_for(r"the lease is gone \(not renewed for 1\.8", start=place)
        place = daemon.wait_for("long: stopped", start=place)
        self.assertEqual(self.workers_of("long"), [])
        server.resume()
        place = daemon.wait_for("this node is the leader", start=place)
        daemon.wait_for("long: supervised worker started", start=place)
        self.assert_lives_and_stops(daemon)


if __name__ == "__main__":
    unittest.main()
