"""How the jobs in C++ reach a Redis: over TCP, with a user, another database, and where a sentinel says that it is."""

import json
import unittest

from job_harness import JobTest
from test_sentinel import MASTER, Server, free_port

RECORD = json.dumps({"status": "executed", "created_at": 1})


class WhereRedisIs(JobTest):
    job = "scheduled_prompt_cleanup"

    def server_of(self, name, lines, *arguments):
        server = Server(self.folder, name, ['save ""', *lines], *arguments)
        self.addCleanup(server.kill)
        return server

    def assert_cleans(self, client, **redis):
        self.addCleanup(client.close)
        client.set("scheduled_prompt:1", RECORD)
        self.setup["redis"] = redis
        self.assert_ok(self.run_job())
        self.assertEqual(client.keys("*"), [])

    def test_tcp_by_name_and_by_address(self):
        port = self.server_of("main", []).port
        import redis

        for host in ["localhost", "127.0.0.1"]:
            self.assert_cleans(redis.Redis(port=port), url=f"redis://{host}:{port}")
        self.assert_cleans(redis.Redis(port=port, db=3), url=f"redis://127.0.0.1:{port}/3")

    def test_a_user(self):
        server = self.server_of("main", ["user jobs on >secret ~* +@all", "user default on nopass ~* +@all"])
        secret = self.folder / "password"
        secret.write_text("secret\n")
        url = f"redis://127.0.0.1:{server.port}"
        self.assert_cleans(server.client(), url=url, username="jobs", password_file=str(secret))
        self.setup["redis"]["username"] = "nobody"
        self.assertIn("refuses the user name or the password (WRONGPASS)", self.run_job().message)

    def test_a_user_who_may_do_nothing_changes_nothing(self):
        server = self.server_of("main", ["user jobs on >secret ~* +@read", "user default on nopass ~* +@all"])
        secret = self.folder / "password"
        secret.write_text("secret\n")
        url = f"redis://127.0.0.1:{server.port}"
        self.setup["redis"] = {"url": url, "username": "jobs", "password_file": str(secret)}
        with server.client() as client:
            client.set("scheduled_prompt:1", RECORD)
            job = self.run_job()
            self.assertEqual((job.outcome, job.error), ("failed", "RedisError"))
            self.assertIn("NOPERM", job.message)
            self.assertEqual(client.keys("*"), [b"scheduled_prompt:1"])

    def sentinel_of(self, port, name="sentinel"):
        lines = [f"sentinel monitor {MASTER} 127.0.0.1 {port} 1"]
        server = Server(self.folder, name, lines, "--sentinel")
        self.addCleanup(server.kill)
        return f"127.0.0.1:{server.port}"

    def test_where_a_sentinel_says(self):
        server = self.server_of("main", [])
        sentinels = [f"127.0.0.1:{free_port()}", self.sentinel_of(server.port)]
        redis = {"url": "redis://nowhere.invalid", "sentinels": sentinels, "master_name": MASTER}
        self.assert_cleans(server.client(), **redis)
        self.setup["redis"]["master_name"] = "other"
        job = self.run_job()
        self.assertEqual((job.outcome, job.error), ("failed", "RedisError"))
        self.assertIn("sentinel 127.0.0.1:", job.message)
        self.setup["redis"]["sentinels"] = sentinels[:1]
        self.assertIn("Connection refused", self.run_job().message)

    def test_urls_that_lead_nowhere(self):
        for url, expected in {
            f"redis://127.0.0.1:{free_port()}": "connect: Connection refused",
            "redis://nowhere.invalid": "lookup: ",
            "unix:///nowhere": "connect: No such file or directory",
            "rediss://127.0.0.1": "TLS",
            "": "redis.url: ",
        }.items():
            with self.subTest(url):
                self.setup["redis"] = {"url": url}
                job = self.run_job()
                self.assertEqual((job.outcome, job.error), ("failed", "RedisError"))
                self.assertIn(expected, job.message)
        self.setup = {}
        self.assertEqual(self.run_job().message, "[redis] is not configured")

    def test_the_jobs_of_the_graph_are_skipped_without_one(self):
        """Whatever the gates of their task let through."""
        self.start_redis()
        for self.job in ["kg_decay", "limbic_maintenance"]:
            with self.subTest(self.job):
                job = self.run_job()
                self.assertEqual(
                    (job.outcome, job.message), ("skipped", "there is no knowledge graph: [kg] is not configured")
                )
                self.assertEqual((job.verifications, job.events), (0, []))


if __name__ == "__main__":
    unittest.main()
