"""Workers that mean harm, each a real program beside one that means well: what they do ends with their run, is named,
takes nothing of the daemon's, and the other is neither late nor lost.

What a worker may say, and what is refused, is in test_worker_messages.py; limits that a run reaches in test_limits.py.
"""

import json
import os
import pathlib
import random
import re
import subprocess
import time
import unittest

import harness
from test_worker_messages import note, result

# From the start of one run of the witness to that of the next, beyond its interval. A daemon that is held up by a
# hostile worker would be late by as long as that one goes on.
LATE_S_MAX = 2.5
HOSTILE_S = 4
RSS_GROWTH_BYTES_MAX = 96 << 20
# What is freed is not kept, so that memory under AddressSanitizer says something.
ENVIRONMENT = {"ASAN_OPTIONS": "quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", "")}

HEAD = """
import json, os, random, signal, socket, struct, sys, time
channel = socket.socket(fileno=3)
def say(line): channel.sendall(line if isinstance(line, bytes) else line.encode() + b"\\n")
def note(method, **params): return json.dumps({"jsonrpc": "2.0", "method": method, "params": params})
def detach(run):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: run()
        os._exit(0)
"""


def resident_bytes(pid):
    return int(re.search(r"^VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]) * 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class HostileWorkers(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        self.seen = self.folder / "seen"
        self.seen.touch()
        self.witness = f'[tasks.witness]\ninterval = "1s"\ncommand = ["/bin/sh", "-c", "date +%s.%N >>{self.seen}"]\n'

    def runs(self):
        return [float(line) for line in self.seen.read_text().split()]

    def task(self, program, keys="", name="hostile"):
        path = self.folder / f"{name}.py"
        path.write_text(HEAD + program)
        command = json.dumps(["/usr/bin/python3", str(path)])
        return f'[tasks.{name}]\ninterval = "1h"\ninitial_delay = "1s"\n{keys}command = {command}\n'

    def contain(self, tasks, *lines, names=("hostile",), until=None, **options):
        """Runs it beside the witness until each of `lines` was said, and looks whether it took anything."""
        daemon = self.daemon(self.witness + tasks, environment=ENVIRONMENT, **options)
        daemon.wait_for("witness: ok")
        descriptors_before, bytes_before = descriptors(daemon.pid), resident_bytes(daemon.pid)
        for line in lines:
            daemon.wait_for(line)
        for name in names:
            harness.wait_until(lambda name=name: self.processes_of(name) == [], f"something of {name} is left")
        if until is not None:
            harness.wait_until(lambda: until(daemon), "it is not over")
        count = len(self.runs())
        harness.wait_until(lambda: len(self.runs()) >= count + 2, "the witness does not run any more")
        runs = self.runs()
        late = max(after - before for before, after in zip(runs, runs[1:])) - 1
        self.assertLess(late, LATE_S_MAX, runs)
        self.assertEqual(len(re.findall("witness: failed", daemon.log())), 0)
        self.assertLess(resident_bytes(daemon.pid) - bytes_before, RSS_GROWTH_BYTES_MAX)
        harness.wait_until(lambda: descriptors(daemon.pid) <= descriptors_before, "descriptors are left")
        self.assert_lives_and_stops(daemon)
        return daemon

    def flood(self, what, **options):
        program = f"line = {what}\nend = time.monotonic() + {HOSTILE_S}\nwhile time.monotonic() < end: say(line)\n"
        return self.contain(self.task(program), "hostile: ok after", **options)

    def test_it_floods_with_progress_counters_and_lines(self):
        notes = [note("progress", done=1), note("counter", name="n"), note("log", message="m" * 16000)]
        daemon = self.flood(json.dumps("\n".join(notes * 20)))
        self.assertIn("lines left out: too many in a short time]", daemon.log())
        self.assertIn("hostile: counted n=", daemon.log())

    def test_it_floods_with_empty_lines(self):
        daemon = self.flood("b'\\n' * 60000")
        self.assertIn("hostile: what it wrote to its fd 3 was refused: this line is not JSON", daemon.log())
        self.assertRegex(daemon.log(), r"hostile: \d{4,} of the lines that it wrote to its fd 3 were refused")

    def test_it_floods_with_requests_and_reads_no_answer(self):
        request = json.dumps({"jsonrpc": "2.0", "id": "i" * 200, "method": "lease.verify"})
        self.flood(json.dumps("\n".join([request] * 50)))

    def test_it_floods_with_writes_of_the_lease_to_a_redis_that_is_stopped(self):
        server = self.redis()
        write = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "lease.write", "params": ["SET", "k", "v" * 500_000]})
        program = f"line = {write!r}\nend = time.monotonic() + {HOSTILE_S}\nwhile time.monotonic() < end: say(line)\n"
        # The program waits for the file, so that Redis stops when the lease is held, and before the writes.
        wait = f"while not os.path.exists({str(self.folder / 'go')!r}): time.sleep(0.01)\n"
        daemon = self.daemon(
            self.witness + self.task(wait + program, 'run_on = "leader"\n'),
            environment=ENVIRONMENT, redis_url=server.url, lease='ttl = "60s"\nnodes = 1',
        )
        daemon.wait_for("hostile: started")
        before = resident_bytes(daemon.pid)
        server.pause()
        (self.folder / "go").touch()
        daemon.wait_for("hostile: ok after")
        self.assertLess(resident_bytes(daemon.pid) - before, RSS_GROWTH_BYTES_MAX)
        server.resume()
        count = len(self.runs())
        harness.wait_until(lambda: len(self.runs()) >= count + 2, "the witness does not run any more")
        self.assert_lives_and_stops(daemon)

    def test_it_floods_with_large_events_while_redis_is_away(self):
        server = self.redis()
        server.kill()
        large = note("event", event_type="e", payload=["x" * 900_000])
        small = note("event", event_type="e", payload=["x" * 5_000])
        daemon = self.flood(json.dumps("\n".join([large] + [small] * 200)), redis_url=server.url)
        self.assertIn("hostile: publishes more events than Redis takes; events are being dropped", daemon.log())

    def test_it_writes_lines_of_two_mebibytes_and_one_without_an_end(self):
        answer = result(error={"code": -32000, "message": "said after them", "data": {"error": "Late"}})
        program = (
            "for _ in range(8): say('x' * (2 << 20))\n"
            f"say({note('log', message='still heard')!r})\nsay({answer!r})\n"
            "for _ in range(40): say(b'y' * (1 << 20))\nsys.exit(1)\n"
        )
        daemon = self.contain(self.task(program), "hostile: failed after .*: Late: said after them")
        self.assertIn("was refused: this line is too long", daemon.log())
        self.assertIn("hostile: 9 of the lines that it wrote to its fd 3 were refused", daemon.log())
        self.assertIn("hostile | still heard", daemon.log())

    def test_it_writes_half_objects_and_wrong_ids(self):
        whole = result(result={"status": "ok"})
        ids = ["2", '"1"', "null", "1.0", "-1", "[1]", json.dumps("9" * 300_000)]
        wrong = [whole.replace('"id": 1', f'"id": {text}') for text in ids]
        program = (
            f"whole = {whole!r}\n"
            f"for line in {wrong!r}: say(line)\n"
            "for size in range(1, len(whole)): say(whole[:size])\n"
            "say(whole[:20].encode())\nsys.exit(3)\n"
        )
        daemon = self.contain(self.task(program), "hostile: failed after .*: exit code 3;")
        self.assertIn("was refused: an answer to nothing that was asked: id 2", daemon.log())
        self.assertIn(f"hostile: {len(ids) + len(whole)} of the lines", daemon.log())
        self.assertLess(max(len(line) for line in daemon.log().splitlines()), 2000)

    def test_a_python_job_that_answers_in_the_bridges_place(self):
        """Its result decides, so what was wrong with it is a part of the cause."""
        root = self.folder / "root"
        root.mkdir()
        bodies = {
            "half": "os.write(3, b'{\"jsonrpc\":\"2.0\",\"id\":1,\"res\\n'); os._exit(0)",
            "other": "os.write(3, b'{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":null}\\n'); os._exit(0)",
            "twice": "os.write(3, b'{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}\\n'); raise KeyError('second')",
            "closed": "os.close(3); os._exit(0)",
        }
        for name, body in bodies.items():
            (root / f"{name}.py").write_text(f"import os\ndef run():\n    {body}\n")
        text = f'[python]\ninterpreter = "/usr/bin/python3"\nroot = "{root}"\n'
        text += "".join(f'[tasks.{name}]\ninterval = "1h"\npython = "{name}:run"\n' for name in bodies)
        refused = "it ended without a result: exit code 0; what it wrote to its fd 3 was refused: "
        daemon = self.contain(
            text,
            f"half: failed after .*: {refused}this line is not JSON;",
            f"other: failed after .*: {refused}an answer to nothing that was asked: id 7;",
            "twice: ok after",
            "closed: failed after .*: it ended without a result: exit code 0;",
            names=tuple(bodies),
        )
        # The bridge's own: a line about the exception, and the second result.
        self.assertIn("twice: what it wrote to its fd 3 was refused: it came after the result of run", daemon.log())
        self.assertIn("twice: 2 of the lines that it wrote to its fd 3 were refused", daemon.log())

    def test_it_closes_everything_and_goes_on(self):
        program = f"channel.close(); os.closerange(0, 64); time.sleep({HOSTILE_S}); os._exit(4)\n"
        self.contain(self.task(program), rf"hostile: failed after {HOSTILE_S}.*: exit code 4;")

    def test_it_closes_its_channel_for_one_way_only(self):
        read = f"channel.shutdown(socket.SHUT_RD)\nsay({note('log', message='half')!r})\n"
        write = "channel.shutdown(socket.SHUT_WR)\n"
        keys = 'timeout = "1s"\nstop_grace = "1s"\n'
        wait = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(1000)\n"
        tasks = self.task(read + wait, keys, "read") + self.task(write + wait, keys, "write")
        stopped = [f"{name}: stopped after .*longer than its timeout of 1s" for name in ("read", "write")]
        self.contain(tasks, r"read \| half", *stopped, names=("read", "write"))

    def test_it_sends_descriptors_and_out_of_band_data(self):
        program = (
            "ours = [os.open('/dev/null', os.O_RDONLY) for _ in range(100)]\n"
            "for _ in range(200):\n"
            "    ancillary = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('100i', *ours))\n"
            f"    channel.sendmsg([{note('counter', name='sent').encode() + chr(10).encode()!r}], [ancillary])\n"
            "    try: channel.send(b'!', socket.MSG_OOB)\n"
            "    except OSError: pass  # not every kernel has it for Unix sockets\n"
            "sys.exit(5)\n"
        )
        self.contain(self.task(program), "hostile: failed after .*: exit code 5;")

    def test_it_forks_and_detaches(self):
        """With its environment and its ends of the pipes, without either, and many at once."""
        program = (
            "def stay(): time.sleep(1000)\n"
            "def hide():\n"
            "    os.closerange(0, 64)\n"
            "    os.execve('/bin/sleep', ['sleep', '4322'], {})\n"
            "for _ in range(100): detach(stay)\n"
            "for _ in range(20): detach(hide)\n"
            "time.sleep(1)\n"
        )
        # What hides may be of any run that was going on when it was first seen; this one began long before.
        other = "".join(
            f'[tasks.{name}]\ninterval = "100ms"\ninitial_delay = "{delay}s"\ncommand = ["/bin/sleep", "{HOSTILE_S}"]\n'
            for name, delay in (("other", 0), ("overlaps", 2))
        )

        def all_killed(daemon):
            killed = sum(int(number) for number in re.findall(r"killed (\d+) process\(es\)", daemon.log()))
            return killed >= 120 and subprocess.run(["pgrep", "-f", "^sleep 4322$"], check=False).returncode == 1

        self.contain(self.task(program) + other, "hostile: ok after", until=all_killed)

    def test_what_hides_is_gone_when_every_run_is_that_it_may_be_of(self):
        program = "def hide(): os.execve('/bin/sleep', ['sleep', '4323'], {})\ndetach(hide)\ntime.sleep(0.5)\n"
        overlapping = "".join(
            f'[tasks.{name}]\ninterval = "100ms"\ninitial_delay = "{delay}ms"\ncommand = ["/bin/sleep", "1"]\n'
            for name, delay in (("one", 0), ("two", 600))
        )
        daemon = self.daemon(overlapping + self.task(program))
        daemon.wait_for("hostile: ok")
        daemon.wait_for(r"killed 1 process\(es\) that had outlived their run")
        self.assertEqual(subprocess.run(["pgrep", "-f", "^sleep 4323$"], check=False).returncode, 1)
        self.assert_lives_and_stops(daemon)

    def test_it_stops_itself_and_kills_its_group(self):
        stops = self.task("os.kill(os.getpid(), signal.SIGSTOP)\n", 'timeout = "1s"\nstop_grace = "1s"\n', "stops")
        kills = self.task("os.fork()\nos.killpg(0, signal.SIGKILL)\n", "", "kills")
        self.contain(
            stops + kills,
            "stops: stopped after .*longer than its timeout of 1s",
            "kills: failed after .*: killed by signal 9;",
            names=("stops", "kills"),
        )

    def test_it_fills_the_disk_that_the_log_and_the_state_are_on(self):
        state = self.folder / "state"
        state.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", state]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"mount is not permitted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", state], check=False)
        log = state / "daemon.log"
        # Enough for the limit of lines to play no part.
        program = f"end = time.monotonic() + {HOSTILE_S}\nwhile time.monotonic() < end: print('z' * 16000)\n"
        text = self.witness + 'persist = true\n' + self.task(program)
        with open(log, "ab") as appended:
            daemon = subprocess.Popen(
                [harness.BINARY, "--config", self.config(text), "--log", "terminal"],
                stderr=appended, stdin=subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT},
            )
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        harness.wait_until(lambda: log.exists() and b"zzz" in log.read_bytes(), "the hostile task has not begun")
        harness.wait_until(lambda: os.statvfs(state).f_bfree == 0, "the disk is not full")
        time.sleep(HOSTILE_S)
        count = len(self.runs())
        harness.wait_until(lambda: len(self.runs()) >= count + 2, "the witness does not run any more")
        runs = self.runs()
        self.assertLess(max(after - before for before, after in zip(runs, runs[1:])) - 1, LATE_S_MAX)
        os.truncate(log, 0)
        told = rb"warning the log could not be written: \d+ lines are lost: No space left on device\n"
        harness.wait_until(lambda: re.search(told, log.read_bytes()), "what was lost is not told")
        harness.wait_until(lambda: b"witness: ok" in log.read_bytes(), "nothing is written after it")
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=harness.DEADLINE_S), 0)
        self.assertEqual(self.processes_of("hostile"), [])

    def test_it_says_anything_at_all(self):
        """Lines of the protocol with bytes changed, cut and put together by chance."""
        seed = random.SystemRandom().randrange(1 << 32)
        lines = [
            note("log", message="m", level="warning", fields={"A": 1}),
            note("event", event_type="e", payload={"a": [1, None]}, duration_ms=1),
            note("counter", name="n", value=2),
            note("progress", done=1, total=3, message="x"),
            json.dumps({"jsonrpc": "2.0", "id": 3, "method": "lease.verify"}),
            json.dumps({"jsonrpc": "2.0", "id": "a", "method": "lease.write", "params": ["SET", "k", "v"]}),
        ]
        program = (
            f"chance = random.Random({seed} + int(os.environ['NUMBER']))\nlines = {lines!r}\n"
            "def changed():\n"
            "    line = bytearray(chance.choice(lines).encode())\n"
            "    for _ in range(chance.randrange(4)):\n"
            "        place = chance.randrange(len(line))\n"
            "        line[place:place + chance.randrange(5)] = chance.randbytes(chance.randrange(5))\n"
            "        line = line or bytearray(b' ')\n"
            "    return bytes(line) + b'\\n' * (chance.random() < 0.9)\n"
            f"end = time.monotonic() + {HOSTILE_S}\n"
            "while time.monotonic() < end: say(b''.join(changed() for _ in range(20)))\n"
        )
        names = ("one", "two", "three")
        tasks = "".join(
            self.task(program, f'run_on = "leader"\nenvironment = {{ NUMBER = "{number}" }}\n', name)
            for number, name in enumerate(names)
        )
        server = self.redis()
        print(f"seed {seed}")
        self.contain(
            tasks, *(f"{name}: ok after" for name in names), names=names, redis_url=server.url, lease="nodes = 1"
        )


if __name__ == "__main__":
    unittest.main()
