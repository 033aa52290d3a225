"""Python jobs beyond the catalogue: how their runs end, what they are told, and why they are not scheduled."""

import json
import textwrap
import unittest

import harness


class PythonJobs(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        self.root = self.folder / "root"
        self.root.mkdir()

    def section(self, root=None, interpreter="/usr/bin/python3"):
        return f'[python]\ninterpreter = "{interpreter}"\nroot = "{root or self.root}"\n'

    def start(self, body, task="", head="", **options):
        (self.root / "work.py").write_text(textwrap.dedent(body))
        text = f'{head}{self.section()}[tasks.job]\ninterval = "1h"\npython = "work:run"\n{task}'
        environment = {"PYTHONDONTWRITEBYTECODE": "1"}
        return self.daemon(text, environment=environment, **options)

    def test_it_runs_in_the_root_with_its_environment(self):
        body = """
            import os
            def run():
                print(os.getcwd(), os.environ["OWN"], os.environ["STARGAZER_TASK"])
        """
        daemon = self.start(body, 'environment = { OWN = "mine" }\n')
        daemon.wait_for(rf"job \| {self.root} mine job$")
        daemon.wait_for("job: ok after")
        self.assert_lives_and_stops(daemon)

    def test_one_that_leaves_without_a_result_has_failed(self):
        daemon = self.start("import os\ndef run(): os._exit(0)\n")
        daemon.wait_for("job: failed after .*: it ended without a result: exit code 0; runs again")

    def test_so_has_one_that_is_killed(self):
        daemon = self.start("import os\ndef run(): os.kill(os.getpid(), 9)\n")
        daemon.wait_for("job: failed after .*: it ended without a result: killed by signal 9; runs again")

    def test_a_result_counts_though_the_process_dies_of_something_else(self):
        body = """
            import os
            def run(*, job):
                job._channel.succeed()
                os.abort()
        """
        self.start(body).wait_for("job: ok after")

    def test_its_timeout_cancels_it(self):
        body = """
            import asyncio
            async def run():
                try:
                    await asyncio.Event().wait()
                finally:
                    print("cleaned up")
        """
        daemon = self.start(body, 'timeout = "2s"\n')
        daemon.wait_for("job: stopped after .*: it ran longer than its timeout of 2s")
        self.assertIn("job | cleaned up", daemon.log())

    def test_flags_and_the_lease_reach_it(self):
        body = """
            async def run(*, job):
                print("flags", job.flag("a", False), job.flag("b", True), job.flag("c", True))
                print("same", job.lease["token"] == await job.verify_lease(), job.lease["holder"])
                print("wrote", await job.lease_write("SET", "written", "1"))
        """
        server = self.redis()
        head = "[flags]\na = 1\nb = false\n"
        daemon = self.start(body, 'run_on = "leader"\n', head, redis_url=server.url, lease="nodes = 1")
        daemon.wait_for(r"job \| flags True False True")
        daemon.wait_for(r"job \| same True \S")
        daemon.wait_for(r"job \| wrote OK")
        client = server.client()
        self.addCleanup(client.close)
        self.assertEqual(client.get("written"), b"1")

    def test_flags_that_are_too_many_are_left_out_and_it_is_said(self):
        flags = "".join(f'flag{number} = "{"x" * 100}"\n' for number in range(1000))
        daemon = self.start("def run(*, job): print('flags', job.flags)\n", head="[flags]\n" + flags)
        daemon.wait_for(r"warning \[flags\] is so large that workers are not told of it")
        daemon.wait_for(r"job \| flags \{\}")

    def test_why_it_is_not_scheduled(self):
        task = '[tasks.job]\ninterval = "1h"\npython = "work:run"\n'
        for section, reason in (
            ("", "[python] is not configured"),
            (self.section(root="/nonexistent"), "python.root cannot be entered: /nonexistent"),
            (self.section(interpreter="/nonexistent"), "python.interpreter cannot be executed: /nonexistent"),
        ):
            checked = harness.check("--json", "--config", self.config(section + task))
            [job] = json.loads(checked.stdout)["tasks"]
            self.assertEqual((job["scheduled"], job["reason"]), (False, "skipped: " + reason))


if __name__ == "__main__":
    unittest.main()
