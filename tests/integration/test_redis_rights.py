"""The rights that docs/operating.md lists for the daemon's user of Redis are all that it needs."""

import re
import unittest

import harness

GUIDE = harness.ROOT / "docs/operating.md"


class Rights(harness.DaemonTest):
    def test_the_listed_rights_are_enough(self):
        rule = re.search(r"^user stargazer (on .*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)[1]
        server = self.redis("--user", "stargazer", *rule.replace("PASSWORD", "secret").split())
        password = self.folder / "password"
        password.write_text("secret\n")
        path = self.config(
            '[tasks.leaders]\ninterval = "200ms"\nrun_on = "leader"\npersist = true\ncommand = ["/bin/true"]\n',
            redis_url=server.url, lease='ttl = "3s"')
        login = f'[redis]\nusername = "stargazer"\npassword_file = "{password}"\n'
        path.write_text(path.read_text().replace("[redis]\n", login))
        daemon = harness.Daemon(path)
        self.addCleanup(self._end, daemon)
        daemon.wait_for("leaders: ok", count=3)
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("the lease is released", daemon.log())
        self.assertEqual(server.client().acl_log(), [])
        self.assertGreater(len(list(server.client().scan_iter("obs:*"))), 0)

    def test_a_missing_right_is_named(self):
        server = self.redis("--user", "stargazer", "on", "nopass", "~*", "&*", "+@all", "-info")
        path = self.config("", redis_url=server.url, lease='ttl = "3s"')
        path.write_text(path.read_text().replace("[redis]\n", '[redis]\nusername = "stargazer"\n'))
        daemon = harness.Daemon(path)
        self.addCleanup(self._end, daemon)
        daemon.wait_for("the ACL of the Redis user must allow the commands EVAL, INFO, TIME")
        self.assert_lives_and_stops(daemon)


if __name__ == "__main__":
    unittest.main()
