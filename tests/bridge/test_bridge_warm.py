"""Several runs in one process of the bridge, with the test as its daemon."""

import signal
import time
import unittest

from test_bridge import Bridge, BridgeTest


class WarmBridge(Bridge):
    """A bridge that was told that it may be kept."""

    def __init__(self, root, target, **options):
        self.last_id = 0
        self.target = target
        super().__init__(root, target, **options)

    def send(self, message):
        if message.get("method") == "run":
            self.last_id = message["id"]
            message["params"]["keep"] = True
            self.params = message["params"]
        super().send(message)

    def run_again(self, target=None, **changed):
        params = {**self.params, **changed, "python": target or self.target}
        self.send({"id": self.last_id + 1, "method": "run", "params": params})

    def answer(self):
        """The answer to the run that was told last, without waiting for the end of the process."""
        while (message := self.read()) is not None:
            if "method" not in message:
                return message
            self.notes.append(message)
        return None

    def methods(self):
        return [note["method"] for note in self.notes]


class WarmTest(BridgeTest):
    def start_warm(self, body, target="work:run", **options):
        self.write("work", body)
        # A file that is as new as the process cannot be told from one that was changed meanwhile.
        time.sleep(0.05)
        bridge = WarmBridge(self.root, target, **options)
        self.addCleanup(bridge.close)
        return bridge

    def assert_kept(self, answer, status="ok"):
        self.assertEqual((answer["result"]["status"], answer["result"].get("keep")), (status, True))

    def assert_leaves(self, bridge, code):
        """Nothing more is said."""
        self.assertIsNone(bridge.read())
        self.assertEqual(bridge.process.wait(timeout=60), code)


COUNT = """
    count = 0
    async def run(*, job):
        global count
        count += 1
        job.count(f"run{count}")
"""


class Kept(WarmTest):
    def test_run_after_run_with_the_module_as_it_was_left(self):
        bridge = self.start_warm(COUNT)
        self.assert_kept(bridge.answer())
        self.assertNotIn("started", bridge.methods())
        for count in (2, 3):
            bridge.notes.clear()
            bridge.run_again()
            answer = bridge.answer()
            self.assert_kept(answer)
            self.assertEqual(answer["id"], count)
            self.assertEqual(bridge.methods(), ["started", "counter"])
            self.assertEqual(bridge.notes[1]["params"]["name"], f"run{count}")

    def test_without_being_asked_it_leaves(self):
        self.write("work", COUNT)
        _, answer, code = self.run_to_end("work:run")
        self.assertNotIn("keep", answer["result"])
        self.assertEqual(code, 0)

    def test_another_function_with_arguments_of_its_own(self):
        body = """
            def run(): pass
            def other(*all, job): job.log("info", f"{all} {job.run_id} {job.task} {job.attempt}")
        """
        bridge = self.start_warm(body, providers={"config": "work:run"})
        self.assert_kept(bridge.answer())
        bridge.run_again("work:other", run_id="run-2", task="other", attempt=3, arguments=["config"])
        self.assert_kept(bridge.answer())
        self.assertEqual(bridge.logged()[0]["message"], "(None,) run-2 other 3")

    def test_the_loop_and_what_providers_made_stay(self):
        body = """
            import asyncio
            made = []
            def config():
                made.append(1)
                return made
            loops = set()
            async def run(config, *, job):
                loops.add(asyncio.get_running_loop())
                job.progress(len(loops), len(config))
        """
        bridge = self.start_warm(body, arguments=["config"], providers={"config": "work:config"})
        self.assert_kept(bridge.answer())
        bridge.run_again()
        self.assert_kept(bridge.answer())
        progress = [note["params"] for note in bridge.notes if note["method"] == "progress"]
        self.assertEqual([(said["done"], said["total"]) for said in progress], [(1, 1), (1, 1)])

    def test_what_was_printed_is_there_before_the_result(self):
        bridge = self.start_warm("import sys\ndef run(): sys.stdout.write('half'); sys.stderr.write('other')\n")
        self.assert_kept(bridge.answer())
        self.assertEqual(bridge.process.stdout.read(4), "half")
        self.assertEqual(bridge.process.stderr.read(5), "other")

    def test_a_run_with_nothing_to_do(self):
        body = "from stargazer_bridge import Skipped\ndef run(): raise Skipped('nothing new')\n"
        bridge = self.start_warm(body)
        self.assert_kept(bridge.answer(), "skipped")

    def test_the_handle_of_an_old_run_says_nothing_any_more(self):
        body = """
            old = []
            def run(*, job):
                for before in old:
                    before.count("late")
                old.append(job)
        """
        bridge = self.start_warm(body)
        self.assert_kept(bridge.answer())
        bridge.run_again()
        self.assert_kept(bridge.answer())
        self.assertEqual(bridge.methods(), ["started"])

    def test_a_request_that_nobody_waits_for_any_more_is_given_up(self):
        body = """
            left = []
            async def run(*, job):
                if left:
                    job.count(type(left[0].exception()).__name__)
                else:
                    left.append(job._channel.request("lease.verify"))
        """
        bridge = self.start_warm(body)
        self.assert_kept(bridge.answer())
        bridge.run_again()
        self.assert_kept(bridge.answer())
        self.assertEqual(bridge.notes[-1]["params"]["name"], "ConnectionError")


class Ends(WarmTest):
    def test_when_the_daemon_has_no_more(self):
        body = """
            class Client:
                async def close(self): print("closed", flush=True)
            def run(*, job):
                job._providers._opened.append(Client())
        """
        bridge = self.start_warm(body)
        self.assert_kept(bridge.answer())
        bridge.socket.shutdown(1)
        self.assert_leaves(bridge, 0)
        self.assertEqual(bridge.process.stdout.read(), "closed\n")
        self.assertEqual(bridge.process.stderr.read(), "")

    def test_when_it_is_asked_to_while_it_has_no_run(self):
        bridge = self.start_warm(COUNT)
        self.assert_kept(bridge.answer())
        bridge.process.send_signal(signal.SIGTERM)
        self.assert_leaves(bridge, 0)
        self.assertEqual(bridge.process.stderr.read(), "")

    def test_after_a_failure(self):
        bridge = self.start_warm("def run(): raise ValueError('no')\n")
        answer = bridge.answer()
        self.assert_failed(answer, "ValueError", "no")
        self.assert_leaves(bridge, 1)

    def test_after_a_failure_of_a_later_run(self):
        body = """
            count = []
            def run():
                count.append(1)
                if len(count) == 2:
                    raise SystemExit(3)
        """
        bridge = self.start_warm(body)
        self.assert_kept(bridge.answer())
        bridge.run_again()
        answer = bridge.answer()
        self.assertEqual(answer["id"], 2)
        self.assert_failed(answer, "SystemExit", "3")
        self.assert_leaves(bridge, 1)

    def test_after_a_stop(self):
        body = """
            import asyncio
            async def run(*, job):
                job.count("a")
                await asyncio.sleep(1000)
        """
        bridge = self.start_warm(body)
        bridge.wait_for("counter")
        bridge.send({"method": "stop", "params": {"reason": "why"}})
        self.assert_failed(bridge.answer(), "CancelledError", "stopped")
        self.assert_leaves(bridge, 1)

    def test_a_stop_that_the_job_overheard_is_no_reason_to_stay(self):
        body = """
            import asyncio
            async def run(*, job):
                job.count("a")
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    pass
        """
        bridge = self.start_warm(body)
        bridge.wait_for("counter")
        bridge.process.send_signal(signal.SIGTERM)
        self.assertNotIn("keep", bridge.answer()["result"])
        self.assert_leaves(bridge, 0)

    def test_after_a_module_that_is_not_installed(self):
        bridge = self.start_warm("", target="missing:run")
        answer = bridge.answer()
        self.assertEqual((answer["result"]["status"], answer["result"].get("keep")), ("skipped", None))
        self.assert_leaves(bridge, 77)

    def test_with_an_output_that_is_closed(self):
        bridge = self.start_warm("import sys\ndef run(): sys.stdout.close()\n")
        self.assertNotIn("keep", bridge.answer()["result"])
        self.assert_leaves(bridge, 0)

    def test_with_another_handler_of_the_signal(self):
        bridge = self.start_warm("import signal\ndef run(): signal.signal(signal.SIGTERM, signal.SIG_IGN)\n")
        self.assertNotIn("keep", bridge.answer()["result"])
        self.assert_leaves(bridge, 0)

    def test_when_a_file_was_changed_the_next_run_does_not_begin(self):
        bridge = self.start_warm(COUNT)
        self.assert_kept(bridge.answer())
        self.write("work", COUNT + "    # changed\n")
        bridge.run_again()
        self.assert_leaves(bridge, 0)

    def test_when_a_file_that_was_imported_by_a_job_was_changed(self):
        self.write("package.part", "value = 1\n")
        bridge = self.start_warm("def run():\n    import package.part\n")
        self.assert_kept(bridge.answer())
        (self.root / "package/part.py").unlink()
        bridge.run_again()
        self.assert_leaves(bridge, 0)

    def test_a_file_that_was_written_during_the_run_may_be_the_old_one_or_not(self):
        body = "def run():\n    open('fresh.py', 'w').close()\n    import fresh\n"
        bridge = self.start_warm(body)
        self.assertNotIn("keep", bridge.answer()["result"])
        self.assert_leaves(bridge, 0)


if __name__ == "__main__":
    unittest.main()
