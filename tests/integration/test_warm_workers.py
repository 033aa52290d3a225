"""Processes that are kept between runs: what they keep, what ends them, and that none costs a run."""

import contextlib
import json
import os
import pathlib
import re
import signal
import textwrap
import time
import unittest

import harness
from test_plugins import compile_plugin

HERE = pathlib.Path(__file__).resolve().parent
# A worker that is no Python job and no plugin: what docs/workers.md asks of it.
COMMAND = """
import json, os
for line in os.fdopen(os.dup(3)):
    run = json.loads(line)
    if run["method"] != "run":
        continue
    def say(**message):
        os.write(3, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\\n")
    if run["id"] > 1:
        say(method="started")
    print("pid", os.getpid(), "run", run["id"], "keep", run["params"].get("keep"), flush=True)
    say(id=run["id"], result={"status": "ok", "keep": True})
"""


class WarmTest(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        self.root = self.folder / "root"
        self.root.mkdir()

    def write(self, body, name="work"):
        (self.root / f"{name}.py").write_text(textwrap.dedent(body))

    def section(self):
        return f'[python]\ninterpreter = "/usr/bin/python3"\nroot = "{self.root}"\n'

    def task(self, name="job", function="work:run", interval="100ms", keys=""):
        return f'[tasks.{name}]\ninterval = "{interval}"\nwarm = true\npython = "{function}"\n{keys}\n'

    def start(self, body, keys="", interval="100ms", more="", head="", **options):
        self.write(body)
        text = head + self.section() + self.task(keys=keys, interval=interval) + more
        return self.daemon(text, environment={"PYTHONDONTWRITEBYTECODE": "1"}, **options)

    def values(self, daemon, pattern):
        """What the first group of `pattern` was in every line so far."""
        return re.findall(pattern, daemon.log(), re.MULTILINE)

    def stop_and_find_nothing(self, daemon):
        self.assert_lives_and_stops(daemon)
        self.assertEqual(self.processes_of("job"), [])

    def assert_no_failure(self, daemon):
        self.assertNotRegex(daemon.log(), r"job: (failed|stopped)")


PIDS = """
    import os
    count = 0
    async def run():
        global count
        count += 1
        print("pid", os.getpid(), "count", count)
"""
PID = r"job \| pid (\d+)"


class Kept(WarmTest):
    def test_one_process_has_all_runs_and_its_modules_keep_what_they_hold(self):
        daemon = self.start(PIDS, interval="500ms")
        place = daemon.wait_for(r"job \| pid \d+ count 5$")
        # A process that is busy when the scheduler stops ends with its run, and is none of the kept ones.
        daemon.wait_for("job: ok after", start=place)
        self.assertEqual(len(set(self.values(daemon, PID))), 1)
        self.assert_no_failure(daemon)
        self.stop_and_find_nothing(daemon)
        self.assertRegex(daemon.log(), r"warm workers: \d+ runs in kept processes; 1 ended: the scheduler is stopping")

    def test_without_it_each_run_has_a_process(self):
        self.write(PIDS)
        text = self.section() + '[tasks.job]\ninterval = "100ms"\npython = "work:run"\n'
        daemon = self.daemon(text, environment={"PYTHONDONTWRITEBYTECODE": "1"})
        place = daemon.wait_for(r"job \| pid \d+ count 1$", count=3)
        self.assertEqual(len(set(self.values(daemon, PID))), 3, daemon.lines[:place])

    def test_the_loop_and_the_objects_stay(self):
        body = """
            import asyncio
            seen = set()
            def make():
                print("made")
                return asyncio.Event()
            async def run(redis):
                seen.add((id(asyncio.get_running_loop()), id(redis)))
                print("seen", len(seen))
        """
        redis = self.redis()
        head = f'[redis]\nurl = "{redis.url}"\n'
        daemon = self.start(
            body, keys='requires = ["redis"]', head=head, more='[python.providers]\nredis = "work:make"\n'
        )
        daemon.wait_for(r"job \| seen 1$", count=5)
        self.assertEqual(daemon.log().count("| made"), 1)

    def test_a_real_client_of_redis_works_in_each_run(self):
        redis = self.redis()
        client = redis.client()
        self.addCleanup(client.close)
        body = """
            async def run(redis):
                print("now", await redis.incr("count"))
        """
        daemon = self.start(body, keys='requires = ["redis"]', head=f'[redis]\nurl = "{redis.url}"\n')
        daemon.wait_for(r"job \| now 5$")
        # One connection, opened once; the daemon's own are not called redis-py.
        names = [entry.get("lib-name", "") + entry["cmd"] for entry in client.client_list()]
        self.assertEqual(sum("incr" in name for name in names), 1, names)

    def test_each_run_is_told_its_own_things(self):
        body = """
            def run(*, job):
                print("run", job.run_id, job.attempt, job.deadline)
                job.count("runs")
                job.progress(1, 2)
        """
        daemon = self.start(body, keys='timeout = "1h"')
        daemon.wait_for("job: counted runs=1", count=4)
        runs = self.values(daemon, r"job \| run (\S+) 1 [\d.]+$")
        self.assertEqual(len(set(runs)), len(runs))
        self.assertNotIn("refused", daemon.log())
        self.assertEqual(len({pid for pid in self.workers_of("job")}), 1)

    def test_two_tasks_of_a_group_share_a_process(self):
        self.write(PIDS)
        self.write("from work import run as other\n", "more")
        keys = 'warm_group = "both"\n'
        text = self.section() + self.task(keys=keys) + self.task("job2", "more:other", keys=keys)
        text += self.task("apart")
        # One at a time, so that one process is enough.
        text = text.replace("warm = true", 'warm = true\npool = "one"') + "[pools.one]\nlimit = 1\n"
        daemon = self.daemon(text, environment={"PYTHONDONTWRITEBYTECODE": "1"})
        for name in ("job", "job2", "apart"):
            daemon.wait_for(rf"\b{name} \| pid ", count=3)
        pids = {name: set(self.values(daemon, rf"\b{name} \| pid (\d+)")) for name in ("job", "job2", "apart")}
        self.assertEqual(len(pids["job"]), 1)
        self.assertEqual(pids["job"], pids["job2"])
        self.assertNotEqual(pids["job"], pids["apart"])

    def test_a_skipped_run_keeps_it_too(self):
        body = """
            import os
            from stargazer_bridge import Skipped
            def run():
                print("pid", os.getpid())
                raise Skipped("there is nothing new")
        """
        daemon = self.start(body)
        daemon.wait_for("job: skipped, .*: there is nothing new", count=4)
        self.assertEqual(len(set(self.values(daemon, PID))), 1)

    def test_a_command_that_speaks_the_protocol(self):
        command = json.dumps(["/usr/bin/python3", "-c", COMMAND])
        daemon = self.daemon(f'[tasks.job]\ninterval = "100ms"\nwarm = true\ncommand = {command}\n')
        daemon.wait_for(r"job \| pid \d+ run 4 keep True$")
        daemon.wait_for("job: ok after", count=4)
        self.assertEqual(len(set(self.values(daemon, PID))), 1)
        self.stop_and_find_nothing(daemon)

    def test_one_that_breaks_the_protocol_is_not_kept(self):
        script = COMMAND.replace("    say(id=run", "    os.write(3, b'half {\\n')\n    say(id=run")
        command = json.dumps(["/usr/bin/python3", "-c", script])
        daemon = self.daemon(f'[tasks.job]\ninterval = "100ms"\nwarm = true\ncommand = {command}\n')
        daemon.wait_for("warning job: its warm worker .* it wrote to its fd 3 what was refused", count=2)
        daemon.wait_for("job: ok after", count=2)
        self.assertNotIn("run 2", daemon.log())

    def test_a_command_that_does_not_is_run_as_ever(self):
        command = json.dumps(["/bin/sh", "-c", "echo pid $$"])
        daemon = self.daemon(f"[tasks.job]\ninterval = \"100ms\"\nwarm = true\ncommand = {command}\n")
        daemon.wait_for("job: ok after", count=4)
        self.assertGreaterEqual(len(set(self.values(daemon, PID))), 4)

    def test_a_worker_of_the_lease_is_kept_while_the_term_lasts(self):
        redis = self.redis()
        body = """
            import os
            async def run(*, job):
                print("pid", os.getpid(), "epoch", await job.verify_lease(), job.lease["token"])
        """
        # The fuse of a term of 3 s burns after 2.5 s unless it is moved.
        daemon = self.start(
            body, keys='run_on = "leader"', interval="4s", redis_url=redis.url, lease='ttl = "3s"\nnodes = 1'
        )
        daemon.wait_for(r"job \| pid \d+ epoch (\d+) \1$", count=2)
        self.assertEqual(len(set(self.values(daemon, PID))), 1, daemon.log()[-3000:])
        # With the term it goes, at once, though it has no run.
        self.assertNotEqual(self.processes_of("job"), [])
        redis.kill()
        daemon.wait_for("job: its warm worker .* the term of the lease that it was started in is over")
        harness.wait_until(lambda: not self.processes_of("job"), "the worker outlives its term", 20)
        self.stop_and_find_nothing(daemon)


class Ended(WarmTest):
    def test_after_so_many_runs(self):
        daemon = self.start(PIDS, keys="warm_max_runs = 3")
        daemon.wait_for(r"job \| pid \d+ count 3$", count=2)
        daemon.wait_for(r"job \| pid \d+ count 1$", start=len(daemon.lines))
        self.assertNotIn("count 4", daemon.log())
        self.assertRegex(daemon.log(), r"job: its warm worker \(process \d+\) is ended: it has had its warm_max_runs")
        self.assert_no_failure(daemon)
        self.stop_and_find_nothing(daemon)

    def test_when_it_was_idle_for_long(self):
        daemon = self.start(PIDS, keys='warm_idle_timeout = "300ms"', interval="1h")
        place = daemon.wait_for("job: its warm worker .* it was idle for its warm_idle_timeout")
        harness.wait_until(lambda: not self.processes_of("job"), "the worker is still there", 20)
        self.assertIn("job: ok after", "\n".join(line or "" for line in daemon.lines[:place]))

    def test_when_it_holds_too_much_memory(self):
        body = PIDS + "        globals().setdefault('held', []).append(b'x' * (30 << 20))\n"
        daemon = self.start(body, keys='warm_max_memory = "100M"')
        daemon.wait_for("job: its warm worker .* it holds more memory than its warm_max_memory")
        daemon.wait_for(r"job \| pid \d+ count 1$", start=len(daemon.lines) - 1)
        self.assertGreaterEqual(max(int(count) for count in self.values(daemon, r"count (\d+)$")), 2)
        self.assert_no_failure(daemon)

    def test_by_an_exception(self):
        body = PIDS + "        if count == 3: raise ValueError('three')\n"
        daemon = self.start(body)
        place = daemon.wait_for("job: failed after .*: ValueError: three")
        daemon.wait_for(r"job \| pid \d+ count 1$", start=place)

    def test_by_its_timeout(self):
        body = """
            import os, time
            count = 0
            def run():
                global count
                count += 1
                print("pid", os.getpid(), "count", count)
                if count == 2:
                    time.sleep(1000)
        """
        daemon = self.start(body, keys='timeout = "1s"')
        place = daemon.wait_for("job: stopped after .*: it ran longer than its timeout")
        daemon.wait_for(r"job \| pid \d+ count 1$", start=place)
        self.assertEqual(daemon.log().count("job: stopped"), 1)

    def test_when_its_module_was_changed(self):
        daemon = self.start(PIDS)
        place = daemon.wait_for(r"job \| pid \d+ count 3$")
        self.write(PIDS.replace('"pid"', '"new pid"'))
        place = daemon.wait_for(r"job \| new pid \d+ count 3$", start=place)
        self.assertIn("it did not begin with the run that it was given", daemon.log())
        self.assert_no_failure(daemon)
        self.stop_and_find_nothing(daemon)

    def test_by_what_it_leaves_behind(self):
        body = PIDS + "        import subprocess\n        subprocess.Popen(['sleep', '1000'])\n"
        daemon = self.start(body)
        daemon.wait_for("warning job: its warm worker .* its run has left a process behind", count=2)
        self.assertNotIn("count 2", daemon.log())
        self.assert_no_failure(daemon)
        self.stop_and_find_nothing(daemon)

    def test_when_there_are_too_many(self):
        self.write(PIDS)
        path = self.config(self.section() + "".join(self.task(f"job{number}", interval="1h") for number in range(4)))
        path.write_text(path.read_text().replace("[scheduler]\n", "[scheduler]\nmax_warm_workers = 2\n"))
        daemon = harness.Daemon(path, environment={"PYTHONDONTWRITEBYTECODE": "1"})
        self.addCleanup(self._end, daemon)
        daemon.wait_for("there are more than scheduler.max_warm_workers", count=2)
        self.assert_lives_and_stops(daemon)
        self.assertNotRegex(daemon.log(), "job.: failed")


class NoRunIsLost(WarmTest):
    def one_idle(self, daemon, start=0):
        """The pid of the worker once its run is over."""
        place = daemon.wait_for(PID, start=start)
        pid = int(re.search(PID, daemon.lines[place - 1])[1])
        return pid, daemon.wait_for("job: ok after", start=place)

    def test_killed_while_it_is_idle(self):
        daemon = self.start(PIDS, interval="1s")
        place = 0
        for _ in range(3):
            pid, place = self.one_idle(daemon, place)
            os.kill(pid, signal.SIGKILL)
            place = daemon.wait_for(rf"warning job: its warm worker \(process {pid}\) is ended: it ended while", place)
        self.assertEqual(len(set(self.values(daemon, PID))), len(self.values(daemon, PID)))
        self.assert_no_failure(daemon)
        self.stop_and_find_nothing(daemon)

    def test_killed_when_it_was_given_a_run_and_had_not_begun(self):
        daemon = self.start(PIDS, interval="1s")
        pid, place = self.one_idle(daemon)
        os.kill(pid, signal.SIGSTOP)
        place = daemon.wait_for("job: started", start=place)
        os.kill(pid, signal.SIGKILL)
        place = daemon.wait_for(r"its warm worker .* it did not begin with the run that it was given", start=place)
        place = daemon.wait_for(r"job \| pid \d+ count 1$", start=place)
        daemon.wait_for("job: ok after", start=place)
        self.assert_no_failure(daemon)
        self.stop_and_find_nothing(daemon)
        self.assertIn("1 of them started again in another", daemon.log())

    def test_stopped_for_ever(self):
        daemon = self.start(PIDS, interval="1s")
        pid, place = self.one_idle(daemon)
        os.kill(pid, signal.SIGSTOP)
        begin = time.monotonic()
        place = daemon.wait_for(r"job \| pid \d+ count 1$", start=place)
        self.assertLess(time.monotonic() - begin, 30)
        daemon.wait_for("job: ok after", start=place)
        self.assert_no_failure(daemon)
        self.stop_and_find_nothing(daemon)

    def test_killed_in_a_run_that_it_had_begun(self):
        body = PIDS + "        if count == 2: os.kill(os.getpid(), 9)\n"
        daemon = self.start(body)
        place = daemon.wait_for("job: failed after .*: it ended without a result: killed by signal 9")
        # It is not started again by itself: the next one comes after the interval.
        daemon.wait_for("job: ok after", start=place)
        self.assertEqual(self.values(daemon, r"count (\d+)$")[:3], ["1", "2", "1"])

    def test_killed_at_random(self):
        """Whatever the moment: a run that had not begun is not lost, and one that had is told as what it was."""
        daemon = self.start(PIDS + "        import time; time.sleep(0.02)\n")
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            for pid in self.workers_of("job"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.23)
        place = len(daemon.lines)
        daemon.wait_for("job: ok after", start=place, count=3)
        self.assertNotRegex(daemon.log(), "job: spawn|cannot be started")
        for cause in self.values(daemon, r"job: failed after [^:]*: (.*); runs again"):
            self.assertEqual(cause, "it ended without a result: killed by signal 9")
        self.stop_and_find_nothing(daemon)
        ended = self.values(daemon, r"(job: (?:ok|failed|stopped|cancelled))")
        self.assertEqual(len(ended), daemon.log().count("job: started"))


class Output(WarmTest):
    def test_each_line_belongs_to_its_run(self):
        body = """
            import logging, os, sys
            count = 0
            def run(*, job):
                global count
                count += 1
                print("out", count, job.run_id)
                sys.stdout.write(f"half {count} {job.run_id}")
                os.write(2, f"err {count} {job.run_id}".encode())
                logging.info("log %d %s", count, job.run_id)
        """
        daemon = self.start(body)
        daemon.wait_for("job: ok after", count=5)
        self.assert_no_failure(daemon)
        run = None
        for line in daemon.log().splitlines():
            if "job: started" in line:
                run = None
            if match := re.search(r"job \| (?:out|half|err|log) (\d+) (\S+)$", line):
                run = run or match[2]
                self.assertEqual(match[2], run, line)
        for what in ("out", "half", "err", "log"):
            self.assertRegex(daemon.log(), rf"job \| {what} 3 ")

    def test_a_job_that_prints_when_it_has_no_run_has_its_process_ended(self):
        body = PIDS + (
            "        import threading\n        threading.Timer(0.3, print, ['late']).start()\n"
        )
        daemon = self.start(body, interval="2s")
        daemon.wait_for("warning job: its warm worker .* it wrote something while it had no run")
        daemon.wait_for(r"job \| pid \d+ count 1$", count=2)
        self.assertIn("job | late", daemon.log())
        self.assert_no_failure(daemon)


class Plugins(WarmTest):
    def setUp(self):
        super().setUp()
        self.plugin = compile_plugin(HERE / "plugin_warm.c", self.folder / "warm.so")

    def start_plugin(self, keys="", more="", interval="100ms"):
        text = f'[tasks.job]\ninterval = "{interval}"\nwarm = true\nplugin = "{self.plugin}"\njob = "count"\n{keys}\n'
        return self.daemon(text + more)

    def test_one_process_has_all_runs_and_the_library_is_loaded_once(self):
        daemon = self.start_plugin()
        daemon.wait_for(r"job \| count 5 loaded 1 ")
        self.assertEqual(len(set(self.values(daemon, r"job \| count .* pid (\d+)"))), 1)
        runs = self.values(daemon, r"job \| count \d+ loaded 1 run (\S+) pid")
        self.assertEqual(len(set(runs)), len(runs))
        self.stop_and_find_nothing(daemon)

    def test_other_jobs_of_the_library_share_it_in_a_group(self):
        more = self.start_plugin_task("other", "count_twice")
        daemon = self.start_plugin(keys='warm_group = "g"\npool = "one"', more=more + "[pools.one]\nlimit = 1\n")
        daemon.wait_for(r"\bother \| count \d\d loaded 1 ")
        pids = set(self.values(daemon, r"\| count .* pid (\d+)"))
        self.assertEqual(len(pids), 1)

    def start_plugin_task(self, name, job):
        return (
            f'[tasks.{name}]\ninterval = "100ms"\nwarm = true\nwarm_group = "g"\npool = "one"\n'
            f'plugin = "{self.plugin}"\njob = "{job}"\n'
        )

    def test_a_library_that_was_replaced_is_loaded_anew(self):
        daemon = self.start_plugin()
        place = daemon.wait_for(r"job \| count 3 ")
        new = compile_plugin(HERE / "plugin_warm.c", self.folder / "new.so")
        os.rename(new, self.plugin)
        daemon.wait_for(r"job \| count 1 ", start=place)
        self.assert_no_failure(daemon)

    def test_a_failure_ends_it(self):
        daemon = self.start_plugin(keys="environment = {FAIL_AT = \"3\"}")
        place = daemon.wait_for("job: failed after .*: Third: the third run fails")
        daemon.wait_for(r"job \| count 1 ", start=place)


class Bad(WarmTest):
    def test_tasks_of_a_group_that_differ(self):
        text = (
            '[tasks.a]\ninterval = "1h"\nwarm = true\nwarm_group = "g"\ncommand = ["true"]\n'
            '[tasks.b]\ninterval = "1h"\nwarm = true\nwarm_group = "g"\ncommand = ["true"]\nenvironment = {A = "1"}\n'
        )
        found = harness.check("--config", str(self.config(text)))
        self.assertEqual(found.returncode, 78)
        self.assertRegex(
            found.stderr + found.stdout,
            r"tasks\.b\.warm_group: is that of tasks\.a as well, whose environment differs; allowed are tasks that one",
        )

    def test_what_check_says_of_a_warm_task(self):
        text = (
            '[tasks.a]\ninterval = "1h"\nwarm = true\nwarm_group = "g"\nwarm_max_runs = 7\ncommand = ["true"]\n'
            '[tasks.b]\ninterval = "1h"\ncommand = ["true"]\n'
        )
        path = self.config(text)
        self.assertIn("warm in group g", harness.check("--config", str(path)).stdout)
        tasks = json.loads(harness.check("--config", str(path), "--json").stdout)["tasks"]
        self.assertEqual(tasks[0]["warm"], {"group": "g", "idle_timeout_s": 300, "max_runs": 7, "max_memory": 0})
        self.assertIsNone(tasks[1]["warm"])


if __name__ == "__main__":
    unittest.main()
