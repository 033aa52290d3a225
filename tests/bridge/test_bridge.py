"""The bridge by itself: one process of it on a socket pair, with the test as its daemon."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import unittest

RUN_JOB = pathlib.Path(__file__).resolve().parent.parent.parent / "lib/bridge/run_job.py"
DEADLINE_S = 60
LOOP = {"redis": "made:loop"}


class Bridge:
    """A running bridge that was told what to run."""

    def __init__(self, root, target, arguments=(), providers=None, protocol=1, **setup):
        ours, theirs = socket.socketpair()
        with theirs:
            # The number 3 is what the daemon gives; any other does as well.
            self.process = subprocess.Popen(
                [sys.executable, "-u", RUN_JOB],
                cwd=root,
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "STARGAZER_FD": str(theirs.fileno()), "PYTHONDONTWRITEBYTECODE": "1"},
            )
        ours.settimeout(DEADLINE_S)
        self.socket = ours
        self.lines = ours.makefile("r")
        self.notes = []
        self.setup = {"root": str(root), "providers": providers or {}, **setup}
        params = {"protocol": protocol, "task": "a task", "run_id": "run-1", "attempt": 1, "deadline": None}
        params |= {"arguments": list(arguments), "flags": {"on": True}, "lease": None, "python": target}
        self.send({"id": 1, "method": "run", "params": {**params, "setup": self.setup}})

    def send(self, message):
        self.socket.sendall(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def read(self):
        line = self.lines.readline()
        return json.loads(line) if line else None

    def wait_for(self, method):
        """The params of the next message with that method; the others are noted."""
        while (message := self.read()) is not None:
            self.notes.append(message)
            if message.get("method") == method:
                return message.get("params")
        raise AssertionError(f"no {method}: {self.notes}")

    def end(self):
        """The answer to `run`, and the exit code; the answer is None without one."""
        answer = None
        while (message := self.read()) is not None:
            if "method" in message:
                self.notes.append(message)
            else:
                answer = message
        self.output, self.errors = self.process.communicate(timeout=DEADLINE_S)
        return answer, self.process.returncode

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        self.lines.close()
        self.socket.close()

    def logged(self):
        return [note["params"] for note in self.notes if note["method"] == "log"]


class BridgeTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="stargazer-bridge-"))
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, name, text):
        path = self.root / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def start(self, *arguments, **options):
        bridge = Bridge(self.root, *arguments, **options)
        self.addCleanup(bridge.close)
        return bridge

    def run_to_end(self, *arguments, **options):
        bridge = self.start(*arguments, **options)
        answer, code = bridge.end()
        self.assertIsNotNone(answer, bridge.errors)
        return bridge, answer, code

    def run_body(self, body, **options):
        """Runs `body` as a job that gets the handle."""
        head = "import asyncio, logging, sys\nasync def run(*, job):\n"
        self.write("work", head + textwrap.indent(textwrap.dedent(body), "    "))
        return self.run_to_end("work:run", **options)

    def assert_failed(self, answer, error, message):
        self.assertEqual(answer["error"]["data"], {"error": error})
        self.assertIn(message, answer["error"]["message"])


class Calls(BridgeTest):
    PROVIDERS = {name: f"made:{name}" for name in ("redis", "kg_manager", "openrouter", "config", "bot_runner")}

    def setUp(self):
        super().setUp()
        made = "".join(f"def {name}(): return 'the {name}'\n" for name in self.PROVIDERS)
        self.write("made", made + "async def adapters(redis, config='unused'): return ['of ' + redis]\n")

    def test_a_plain_and_an_async_function_get_what_is_required_in_that_order(self):
        self.write("work", "def plain(*all): print(*all, sep='|')\nasync def later(*all): print(*all, sep='|')\n")
        for function in ("plain", "later"):
            arguments = ["redis", "kg", "openrouter", "bot_runner", "config"]
            bridge, answer, code = self.run_to_end(f"work:{function}", arguments, providers=self.PROVIDERS)
            self.assertEqual((answer["result"]["status"], code), ("ok", 0))
            self.assertEqual(bridge.output, "the redis|the kg_manager|the openrouter|the bot_runner|the config\n")

    def test_without_requirements_there_is_no_argument(self):
        self.write("work", "def run(*all, config=1, **named): print(all, config, named)\n")
        bridge, _, _ = self.run_to_end("work:run", providers=self.PROVIDERS)
        self.assertEqual(bridge.output, "() 1 {}\n")

    def test_a_keyword_only_parameter_gets_what_it_names(self):
        self.write(
            "work", "def run(redis, *, adapters, job): print(redis, adapters, job.task, job.flag('on', False))\n"
        )
        providers = {**self.PROVIDERS, "adapters": "made:adapters"}
        bridge, _, _ = self.run_to_end("work:run", ["redis"], providers=providers)
        self.assertEqual(bridge.output, "the redis ['of the redis'] a task True\n")

    def test_objects_come_from_the_bot_runner_where_there_is_one(self):
        self.write("made", "class Runner: cfg, kg_manager = 'its cfg', 'its graph'\ndef runner(): return Runner\n")
        self.write("work", "def run(*all): print(*all)\n")
        bridge, _, _ = self.run_to_end("work:run", ["kg", "config"], providers={"bot_runner": "made:runner"})
        self.assertEqual(bridge.output, "its graph its cfg\n")

    def test_stargazers_own_config_is_the_default(self):
        self.write("config", "class Config:\n    @classmethod\n    def load(cls): return 'loaded'\n")
        self.write("work", "def run(config): print(config)\n")
        self.assertEqual(self.run_to_end("work:run", ["config"])[0].output, "loaded\n")

    def test_a_provider_that_fails_is_named_with_its_cause(self):
        self.write("made", "def broken(): raise OSError('no disk')\ndef loop(adapters): pass\n")
        self.write("work", "def run(*all): pass\n")
        for name, providers, message in (
            ("config", {"config": "made:broken"}, "provider config (made:broken): OSError: no disk"),
            ("config", {"config": "absent:make"}, "provider config (absent:make): the module absent is not installed"),
            ("config", {"config": "made:absent"}, "provider config (made:absent): AttributeError"),
            ("openrouter", {}, "provider openrouter: there is none; set python.providers.openrouter = "),
            ("redis", {}, "provider redis: [redis] is not configured"),
            ("redis", {**LOOP, "adapters": "made:broken"}, "provider adapters (made:broken): OSError: no disk"),
            ("redis", {**LOOP, "adapters": "made:loop"}, "it needs itself"),
        ):
            _, answer, _ = self.run_to_end("work:run", [name], providers=providers)
            error = "NoProvider" if "(" not in message and "itself" not in message else "ProviderError"
            self.assert_failed(answer, error, message)


class Ends(BridgeTest):
    def test_an_exception_is_a_typed_error_with_its_traceback_in_the_log(self):
        bridge, answer, code = self.run_body("raise LookupError('no such channel')")
        self.assert_failed(answer, "LookupError", "no such channel")
        self.assertEqual(code, 1)
        self.assertEqual(bridge.logged()[0]["level"], "error")
        self.assertIn("Traceback", bridge.logged()[0]["message"])

    def test_sys_exit_is_an_error_too(self):
        _, answer, _ = self.run_body("sys.exit('enough')")
        self.assert_failed(answer, "SystemExit", "enough")

    def test_a_missing_module_is_skipped_but_not_one_that_a_module_misses(self):
        self.write("package.__init__", "")
        self.write("needy", "import missing\n")
        for target, missing in (("absent", "absent"), ("absent.inner", "absent"), ("package.inner", "package.inner")):
            _, answer, code = self.run_to_end(target + ":run")
            message = f"the module {missing} is not installed"
            self.assertEqual(answer["result"], {"status": "skipped", "message": message})
            self.assertEqual(code, 77)
        self.assert_failed(self.run_to_end("needy:run")[1], "ModuleNotFoundError", "missing")
        self.assert_failed(self.run_to_end("package:absent")[1], "AttributeError", "absent")

    def test_a_job_may_say_that_it_has_nothing_to_do(self):
        _, answer, code = self.run_body("import stargazer_bridge\nraise stargazer_bridge.Skipped('all done')")
        self.assertEqual((answer["result"], code), ({"status": "skipped", "message": "all done"}, 77))

    def test_another_protocol_is_refused(self):
        self.write("work", "def run(): pass\n")
        _, answer, _ = self.run_to_end("work:run", protocol=2)
        self.assert_failed(answer, "ProtocolError", "speaks protocol 1, the daemon 2")

    def test_tasks_that_it_left_behind_end_before_the_run(self):
        bridge, answer, _ = self.run_body(
            """
            async def later():
                await asyncio.sleep(0)
                job.count("later")
            asyncio.create_task(later())
            """
        )
        self.assertEqual([note["params"]["name"] for note in bridge.notes], ["later"])
        self.assertEqual(answer["result"]["status"], "ok")

    def test_threads_that_it_left_behind_do_not_hold_up_the_end(self):
        _, answer, code = self.run_body("import threading\nthreading.Thread(target=threading.Event().wait).start()")
        self.assertEqual((answer["result"]["status"], code), ("ok", 0))


class Sayings(BridgeTest):
    def test_records_and_prints(self):
        bridge, _, _ = self.run_body(
            """
            logging.getLogger("its.name").warning("%d late", 3)
            logging.debug("not seen")
            print("printed")
            """
        )
        self.assertEqual(bridge.logged(), [{"level": "warning", "message": "3 late", "fields": {"LOGGER": "its.name"}}])
        self.assertEqual(bridge.output, "printed\n")

    def test_what_the_handle_says(self):
        bridge, _, _ = self.run_body(
            """
            job.log("notice", "m", FILES=3)
            job.event("e", status="ok", payload={"n": 1}, duration_ms=2)
            job.count("c", 4)
            job.progress(1, 2, "half")
            """
        )
        self.assertEqual(
            [(note["method"], note["params"]) for note in bridge.notes],
            [
                ("log", {"level": "notice", "message": "m", "fields": {"FILES": 3}}),
                (
                    "event",
                    {
                        "event_type": "e",
                        "source": "",
                        "phase": "",
                        "status": "ok",
                        "preview": "",
                        "payload": {"n": 1},
                        "duration_ms": 2,
                    },
                ),
                ("counter", {"name": "c", "value": 4}),
                ("progress", {"done": 1, "total": 2, "message": "half"}),
            ],
        )

    def test_the_lease_is_asked(self):
        self.write(
            "work",
            """
            import stargazer_bridge
            async def run(*, job):
                print(await job.verify_lease())
                try:
                    await job.lease_write("DEL", "key")
                except stargazer_bridge.LeaseError as error:
                    print(error.code, error)
            """,
        )
        bridge = self.start("work:run")
        bridge.wait_for("lease.verify")
        bridge.send({"id": 99, "result": "of nobody"})
        bridge.send({"id": 1, "result": {"epoch": 7}})
        self.assertEqual(bridge.wait_for("lease.write"), ["DEL", "key"])
        bridge.send({"id": 2, "error": {"code": -32004, "message": "FENCED"}})
        self.assertEqual(bridge.end()[0]["result"]["status"], "ok")
        self.assertEqual(bridge.output, "7\n-32004 FENCED\n")


class Stops(BridgeTest):
    ASYNC = """
        import asyncio
        async def run(*, job):
            try:
                job.count("running")
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                print("cleaned up")
    """
    PLAIN = """
        import threading
        def run(*, job):
            try:
                job.count("running")
                threading.Event().wait()
            finally:
                print("cleaned up")
    """

    def assert_stops(self, body, stop):
        self.write("work", body)
        bridge = self.start("work:run")
        bridge.wait_for("counter")
        stop(bridge)
        answer, code = bridge.end()
        self.assertEqual(bridge.output, "cleaned up\n", bridge.errors)
        self.assertEqual(code, 1)
        self.assertEqual(answer["error"]["message"], "stopped")

    def test_stop_cancels_a_coroutine_and_interrupts_a_plain_function(self):
        for body in (self.ASYNC, self.PLAIN):
            self.assert_stops(body, lambda bridge: bridge.send({"method": "stop", "params": {"reason": "enough"}}))

    def test_so_does_term(self):
        self.assert_stops(self.ASYNC, lambda bridge: bridge.process.send_signal(signal.SIGTERM))

    def test_so_does_the_end_of_the_daemon(self):
        for body in (self.ASYNC, self.PLAIN):
            self.assert_stops(body, lambda bridge: bridge.socket.shutdown(socket.SHUT_WR))

    def test_a_job_that_does_not_stop_leaves_after_the_daemon(self):
        self.write(
            "work",
            """
            import asyncio
            async def run(*, job):
                job.count("running")
                while True:
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        pass
            """,
        )
        bridge = self.start("work:run")
        bridge.wait_for("counter")
        bridge.socket.shutdown(socket.SHUT_WR)
        answer, code = bridge.end()
        self.assertEqual((answer, code), (None, 1))


class Start(unittest.TestCase):
    def test_without_a_daemon_it_says_what_it_is(self):
        environment = {name: value for name, value in os.environ.items() if name != "STARGAZER_FD"}
        command = [sys.executable, RUN_JOB]
        started = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        self.assertEqual(started.returncode, 2)
        self.assertIn("started by stargazer-scheduler", started.stderr)


if __name__ == "__main__":
    unittest.main()
