"""Plugins: jobs of shared libraries, run by stargazer-worker; those that end badly; the example of docs/workers.md."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import harness

HERE = pathlib.Path(__file__).resolve().parent
WORKER = harness.BUILD / "stargazer-worker"
KEY = "sg:leader:supervisor"
TERM_KEY = KEY + ":term"
# What would end a program by a signal ends one of the sanitizers by an exit code; here it is the signal that is tested.
SIGNALS = {"ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0"}


def compile_plugin(source, library, *options):
    compiler = ["g++", "-std=c++11"] if source.suffix == ".cc" else ["gcc", "-std=c99", "-D_POSIX_C_SOURCE=200809L"]
    command = [*compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC", "-fvisibility=hidden"]
    command += ["-I", harness.ROOT / "include", *options, "-o", library, source, "-pthread"]
    subprocess.run(command, check=True)
    return library


class PluginTest(harness.DaemonTest):
    @classmethod
    def setUpClass(cls):
        cls.libraries = pathlib.Path(tempfile.mkdtemp(prefix="stargazer-plugins-"))
        cls.addClassCleanup(shutil.rmtree, cls.libraries, ignore_errors=True)
        cls.jobs = compile_plugin(HERE / "plugin_jobs.c", cls.libraries / "jobs.so")
        cls.throws = compile_plugin(HERE / "plugin_throws.cc", cls.libraries / "throws.so")

    def start(self, job, more="", library=None, section='[tasks.job]\ninterval = "1h"\n', **options):
        text = f'{section}plugin = "{library or self.jobs}"\njob = "{job}"\n{more}'
        return self.daemon(text, environment=SIGNALS, **options)

    def assert_others_run(self, daemon):
        """Daemons of these tests that are not checked otherwise have a task beside."""
        daemon.wait_for("healthy: ok", count=3)
        self.assert_lives_and_stops(daemon)


HEALTHY = '[tasks.healthy]\ninterval = "100ms"\ncommand = ["true"]\n'


class Runs(PluginTest):
    def test_all_that_a_job_can_say(self):
        server = self.redis()
        client = server.client()
        self.addCleanup(client.close)
        daemon = self.start(
            "talk",
            'timeout = "90s"\nrequires = ["redis", "config"]\nenvironment = {VARIABLE = "value"}\n'
            "[flags]\nka_enabled = false\n[kg]\ngraph = \"g\"\n",
            redis_url=server.url,
        )
        daemon.wait_for("job: ok after")
        daemon.wait_for("job: counted files=3.5")
        for line in (
            r"info +job \| printed",
            r"job \| complained",
            r"warning job \| look here",
            r"job \| told task=job attempt=1 timeout=90 epoch=0 variable=value",
        ):
            self.assertRegex(daemon.log(), line)
        self.assertNotIn("refused", daemon.log())
        params = json.loads(re.search(r"job \| params (.*)", daemon.log())[1])
        self.assertRegex(params.pop("run_id"), "^[0-9a-f]{12}-1$")
        self.assertGreater(params.pop("deadline"), time.time())
        self.assertEqual(params["setup"]["redis"]["url"], server.url)
        self.assertEqual(params["setup"]["kg"], {"url": "", "graph": "g"})
        self.assertEqual(params["arguments"], ["redis", "config"])
        self.assertEqual((params["lease"], params["flags"]), (None, {"ka_enabled": False}))

        def event():
            events = [client.hgetall(key) for key in client.scan_iter("obs:*")]
            return [found for found in events if found.get(b"event_type") == b"talked"]

        harness.wait_until(event, "no event of the job")
        [found] = event()
        self.assertEqual((found[b"source"], found[b"duration_ms"]), (b"job", b"5.0"))
        self.assertEqual(json.loads(found[b"payload"]), {"n": [1, "ü"]})

    def test_how_a_run_can_end(self):
        for job, words in (
            ("skip", "job: skipped, it had nothing to do after .*: there is nothing new"),
            ("fail", "job: failed after .*: KeyError: no such channel; runs again"),
            ("silent_failure", "job: failed after .*: the job returned STARGAZER_FAILED and did not say why"),
            ("seven", "job: failed after .*: PluginError: the job returned 7, which is no result of a run"),
            ("leave_a_thread", "job: ok after"),
        ):
            with self.subTest(job):
                daemon = self.start(job)
                daemon.wait_for(words)
                self.assert_lives_and_stops(daemon)

    def test_misuse_is_answered_and_told(self):
        daemon = self.start("misuse")
        daemon.wait_for(r"warning job \| a call of the plugin was refused: counter: the name must be 1 to 128 of")
        daemon.wait_for(r"job \| answered 1 1 \(the command must be one of PUBLISH, ")
        daemon.wait_for("job: ok after")
        self.assertEqual(daemon.log().count("was refused"), 1)

    def test_a_stop_is_seen_while_it_runs(self):
        for job, begun, ended in (
            ("wait_for_stop", "waits, asked=0", "leaves, asked=1"),
            ("sleep_until_stop", "sleeps", "woke up"),
        ):
            with self.subTest(job):
                daemon = self.start(job, 'stop_grace = "15s"\n')
                daemon.wait_for(rf"job \| {begun}")
                self.assertEqual(daemon.stop(), 0)
                self.assertRegex(daemon.log(), rf"job \| {ended}")
                self.assertNotIn("KILL", daemon.log())

    def test_a_job_of_a_plugin_that_lies_beside_the_daemon(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="test-plugins-", dir=harness.BUILD))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        for program in ("stargazer-scheduler", "stargazer-worker"):
            os.link(harness.BUILD / program, folder / program)
        shutil.copy(self.jobs, folder / "my-jobs.so")
        config = self.config('[tasks.job]\ninterval = "1h"\nplugin = "my-jobs"\njob = "fail"\n')
        checked = subprocess.run(
            [folder / "stargazer-scheduler", "--check", "--config", config], capture_output=True, text=True, check=True
        )
        self.assertRegex(checked.stdout, r"task job: every 1h .*: plugin my-jobs fail\n")
        binary, harness.BINARY = harness.BINARY, folder / "stargazer-scheduler"
        try:
            daemon = self.daemon('[tasks.job]\ninterval = "1h"\nplugin = "my-jobs"\njob = "fail"\n')
        finally:
            harness.BINARY = binary
        daemon.wait_for("job: failed after .*: KeyError: no such channel")


class EndsBadly(PluginTest):
    def fails(self, words, job, library=None, more="", section='[tasks.job]\ninterval = "1h"\n'):
        daemon = self.start(job, more + HEALTHY, library, section)
        daemon.wait_for("job: " + words)
        self.assert_others_run(daemon)

    def test_signals(self):
        for job, number in (("crash", 11), ("abort", 6)):
            with self.subTest(job):
                self.fails(
                    f"failed after .*: job {job} of plugin {self.jobs} ended without a result: "
                    f"killed by signal {number};",
                    job,
                )

    def test_an_exit_without_a_result(self):
        self.fails("failed after .*: job exit of plugin .* ended without a result: exit code 0;", "exit")

    def test_exceptions(self):
        self.fails("failed after .*: sample::NoSuchChannel: there is no channel 7;", "throw", self.throws)
        self.fails("failed after .*: int: an exception left the job;", "throw_number", self.throws)
        self.fails("failed after .* ended without a result: killed by signal 6;", "throw_in_thread", self.throws)

    def test_an_endless_loop(self):
        daemon = self.start("loop", 'timeout = "1s"\nstop_grace = "500ms"\n' + HEALTHY)
        daemon.wait_for(r"job \| loops")
        daemon.wait_for("job: stopped after .*: it ran longer than its timeout of 1s")
        self.assertFalse(self.processes_of("job"))
        self.assert_others_run(daemon)

    def test_a_crash_of_a_supervised_worker(self):
        daemon = self.start("crash", section="[supervised.job]\n")
        words = r"job: crashed .*job crash of plugin .* ended without a result: killed by signal 11\), starts again"
        daemon.wait_for(words, count=2)
        self.assert_lives_and_stops(daemon)


class CannotBeUsed(PluginTest):
    def test_what_keeps_a_plugin_from_being_used(self):
        jobs = HERE / "plugin_jobs.c"
        empty = self.libraries / "empty.c"
        empty.write_text("int unused_symbol;\n")
        garbage = self.libraries / "garbage.so"
        garbage.write_text("no library")
        unresolved = self.libraries / "unresolved.c"
        unresolved.write_text("extern int nowhere(void);\nint call(void);\nint call(void) { return nowhere(); }\n")
        version_2 = compile_plugin(jobs, self.libraries / "version2.so", "-DABI_VERSION=2")
        null = compile_plugin(jobs, self.libraries / "null.so", "-DNULL_PLUGIN", "-Wno-unused")
        no_symbol = compile_plugin(empty, self.libraries / "empty.so")
        needs = compile_plugin(unresolved, self.libraries / "needs.so", "-fvisibility=default")
        for library, job, words in (
            (version_2, "talk", f"{version_2}: it is built for version 2 of stargazer/plugin.h, "
                                "this stargazer-worker knows version 1"),
            (null, "talk", f"{null}: its stargazer_plugin_entry returned null"),
            (no_symbol, "talk", f"{no_symbol}: it is no plugin: it exports no stargazer_plugin_entry"),
            (garbage, "talk", f"the plugin cannot be loaded: {garbage}: .*"),
            (needs, "talk", f"the plugin cannot be loaded: {needs}: undefined symbol: nowhere"),
            (self.jobs, "tolk", f'{self.jobs}: the plugin "sample" has no job "tolk"; there are: talk, skip, fail, .*'),
            (self.jobs, "no_function", f'{self.jobs}: its job "no_function" has no run function'),
        ):
            with self.subTest(words):
                daemon = self.start(job, library=library)
                daemon.wait_for(f"job: failed after .*: PluginError: {words}; runs again")
                self.assert_lives_and_stops(daemon)

    def test_a_library_that_is_not_there_is_seen_before_it_runs(self):
        for library, reason in (
            ("/nonexistent/a.so", 'the plugin "/nonexistent/a.so" is missing: there is no file /nonexistent/a.so'),
            ("no-such", f'the plugin "no-such" is missing: there is no file {harness.BUILD.resolve()}/no-such.so, '),
        ):
            for section, key in (('[tasks.job]\ninterval = "1h"\n', "tasks"), ("[supervised.job]\n", "supervised")):
                config = self.config(f'{section}plugin = "{library}"\njob = "a"\n')
                checked = harness.check("--json", "--config", config)
                [job] = json.loads(checked.stdout)[key]
                self.assertFalse(job["scheduled"])
                self.assertTrue(job["reason"].startswith("skipped: " + reason), job["reason"])

    def test_a_library_that_goes_is_a_run_that_fails(self):
        library = self.folder / "goes.so"
        shutil.copy(self.jobs, library)
        daemon = self.start("skip", 'initial_delay = "2s"\n' + HEALTHY, library)
        daemon.wait_for("healthy: ok")
        library.unlink()
        daemon.wait_for(f'job: .*the plugin "{library}" is missing: there is no file {library}')
        self.assert_others_run(daemon)

    def test_which_implementation_is_used(self):
        both = f'[tasks.job]\ninterval = 1\npython = "a:b"\nplugin = "{self.jobs}"\njob = "skip"\n'
        python = '[python]\ninterpreter = "/bin/true"\nroot = "/"\n'
        for text, kind in (
            (both, "plugin"),
            (both + python, "python"),
            (both + 'implementation = "native"\n' + python, "plugin"),
            (both + 'implementation = "python"\n', "python"),
        ):
            checked = harness.check("--json", "--config", self.config(text))
            [job] = json.loads(checked.stdout)["tasks"]
            self.assertEqual(job["job"]["kind"], kind, text)
            self.assertEqual(job["scheduled"], kind == "plugin" or python in text)

    def test_a_relative_path_is_refused(self):
        checked = harness.check("--config", self.config('[tasks.a]\ninterval = 1\nplugin = "a/b.so"\njob = "x"\n'))
        self.assertEqual(checked.returncode, 78)
        self.assertRegex(checked.stderr, r'tasks\.a\.plugin: .*absolute path')


class OfTheLease(PluginTest):
    def questions(self):
        fifo = self.folder / "questions"
        os.mkfifo(fifo)
        # Opened both ways: it blocks neither us nor the worker, and never ends.
        self.pipe = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
        self.addCleanup(os.close, self.pipe)
        self.place = 0
        return f'environment = {{QUESTIONS = "{fifo}"}}\n'

    def ask(self, daemon):
        os.write(self.pipe, b"?\n")
        self.place = daemon.wait_for("answer ", start=self.place)
        answer = re.search(r"answer verify=(\d) \((.*)\) write=(\d) \((.*)\)", daemon.lines[self.place - 1])
        return (int(answer[1]), answer[2]), (int(answer[3]), answer[4])

    def test_a_supervised_worker_that_loses_its_term(self):
        server = self.redis()
        client = server.client()
        self.addCleanup(client.close)
        lease = 'ttl = "30s"\nnodes = 1'
        daemon = self.start("lease", self.questions(), section="[supervised.job]\n", redis_url=server.url, lease=lease)
        self.assertEqual(self.ask(daemon), ((0, ""), (0, "1")))
        self.assertIn("stargazer-keeper"[:15], [harness.name_of(pid) for pid in self.processes_of("job")])
        client.delete(KEY)
        verified, wrote = self.ask(daemon)
        self.assertEqual(verified, (6, "lease expired"))
        self.assertEqual(wrote[0], 8)
        epoch = int(client.hget(TERM_KEY, "epoch"))
        client.hset(TERM_KEY, mapping={"epoch": epoch + 1, "holder": "other", "start": "x"})
        client.set(KEY, "other", px=30000)
        self.assertEqual(self.ask(daemon)[0], (7, "lease lost to other"))
        server.kill()
        self.assertEqual(self.ask(daemon)[0][0], 3)

    def test_a_task_of_the_leader_and_one_of_every_node(self):
        server = self.redis()
        lease = 'ttl = "30s"\nnodes = 1'
        environment = self.questions()
        daemon = self.start("lease", 'run_on = "leader"\n' + environment, redis_url=server.url, lease=lease)
        self.assertEqual(self.ask(daemon), ((0, ""), (0, "1")))
        self.assertEqual(daemon.stop(), 0)
        self.place = 0
        daemon = self.start("lease", environment, redis_url=server.url, lease=lease)
        self.assertEqual(self.ask(daemon), ((4, "not flagged leader"), (4, "not flagged leader")))

    def test_without_redis_the_node_is_leader(self):
        daemon = self.start("lease", self.questions())
        self.assertEqual(self.ask(daemon), ((0, ""), (4, "there is no Redis")))

    def test_many_threads_at_once(self):
        server = self.redis()
        daemon = self.start("crowd", 'run_on = "leader"\n', redis_url=server.url, lease="nodes = 1")
        daemon.wait_for("job: (ok|failed) after")
        self.assertRegex(daemon.log(), "job: ok after")
        daemon.wait_for("job: counted verified=800")


class Alone(PluginTest):
    """stargazer-worker by itself, and with this test in the place of the daemon."""

    def listed(self, *arguments):
        return subprocess.run([WORKER, *arguments], capture_output=True, text=True, timeout=harness.DEADLINE_S)

    def test_the_list(self):
        listed = self.listed("--list", self.throws)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual(
            listed.stdout,
            "plugin throws\n"
            "  throw            lets an exception out\n"
            "  throw_number     lets an int out\n"
            "  throw_in_thread  lets an exception out of a thread\n",
        )
        missing = self.listed("--list", "no-such")
        self.assertEqual(missing.returncode, 1)
        self.assertIn('stargazer-worker: the plugin "no-such" is missing', missing.stderr)

    def test_wrong_arguments(self):
        for arguments in ((), ("--list",), ("-x", "y"), ("a", "b", "c")):
            self.assertEqual(self.listed(*arguments).returncode, 64, arguments)
        by_hand = self.listed(self.jobs, "talk")
        self.assertEqual(by_hand.returncode, 64)
        self.assertIn("a job is started by stargazer-scheduler", by_hand.stderr)

    def worker(self, job, *lines):
        """Starts a job, and says these lines to it."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        environment = {**os.environ, **SIGNALS, "STARGAZER_FD": str(theirs.fileno())}
        process = subprocess.Popen(
            [WORKER, self.jobs, job],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        ours.settimeout(harness.DEADLINE_S)
        ours.sendall(b"".join(line + b"\n" for line in lines))
        return ours, process

    RUN = b'{"jsonrpc":"2.0","id":1,"method":"run","params":{"protocol":1,"task":"t","run_id":"r"}}'

    def test_it_passes_over_what_it_does_not_understand(self):
        noise = [b"", b"{", b"\xff\x00", b"[" * 100000, b"x" * (2 << 20), b'{"jsonrpc":"2.0","id":77,"result":1}']
        ours, process = self.worker("skip", *noise, self.RUN)
        answer = json.loads(ours.makefile("rb").readline())
        self.assertEqual(answer["result"], {"status": "skipped", "message": "there is nothing new"})
        self.assertEqual(process.wait(timeout=harness.DEADLINE_S), 77)

    def test_a_protocol_that_it_does_not_know(self):
        ours, process = self.worker("skip", self.RUN.replace(b'"protocol":1', b'"protocol":2'))
        answer = json.loads(ours.makefile("rb").readline())
        self.assertEqual(answer["error"]["message"], "stargazer-worker speaks protocol 1, the scheduler 2")
        self.assertEqual(process.wait(timeout=harness.DEADLINE_S), 1)

    def test_a_daemon_that_is_gone_before_it_said_anything(self):
        ours, process = self.worker("skip")
        ours.close()
        self.assertEqual(process.wait(timeout=harness.DEADLINE_S), 2)

    def test_a_daemon_that_goes_while_the_job_runs(self):
        ours, process = self.worker("wait_for_stop", self.RUN)
        self.assertIn(b"waits", process.stdout.readline())
        ours.close()
        self.assertIn(b"leaves, asked=1", process.stdout.readline())
        self.assertEqual(process.wait(timeout=harness.DEADLINE_S), 77)

    def test_a_job_that_does_not_leave_with_the_daemon(self):
        ours, process = self.worker("loop", self.RUN)
        self.assertIn(b"loops", process.stdout.readline())
        began = time.monotonic()
        ours.close()
        self.assertEqual(process.wait(timeout=harness.DEADLINE_S), 1)
        self.assertGreater(time.monotonic() - began, 4)


class Example(harness.DaemonTest):
    def test_the_example_of_the_document(self):
        document = (harness.ROOT / "docs/workers.md").read_text()
        source = self.folder / "sweeper.cc"
        source.write_text(re.search(r"```cpp\n(.*?)```", document, re.DOTALL)[1])
        command = re.search(r"^(c\+\+ .*sweeper\.cc)", document, re.MULTILINE)[1]
        subprocess.run(
            command.replace("c++ ", f"c++ -Wall -Wextra -Werror -I {harness.ROOT}/include ", 1),
            cwd=self.folder, shell=True, check=True,
        )
        section = re.search(r"```toml\n(\[tasks\.sweep\]\n.*?)```", document, re.DOTALL)[1]
        library = re.search(r'plugin = "(/.*?)"', section)[1]
        server = self.redis()
        client = server.client()
        self.addCleanup(client.close)
        client.mset({"old:1": 1, "old:3": 3, "new:1": 1})
        daemon = self.daemon(
            section.replace(library, str(self.folder / "sweeper.so")), redis_url=server.url, lease="nodes = 1"
        )
        daemon.wait_for("sweep: ok after")
        daemon.wait_for("sweep: counted deleted=2")
        self.assertEqual(client.keys("*:[0-9]"), [b"new:1"])
        self.assertNotIn("refused", daemon.log())


if __name__ == "__main__":
    unittest.main()
