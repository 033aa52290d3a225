"""Real parts for the integration tests: the daemon as an operator runs it, redis-server, journals, hostile servers.

Nothing here sleeps for what it can be told: Daemon.wait_for waits for a line of the log, RedisServer for its socket.
STARGAZER_BUILD names the build folder to test (default: build/dev).
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("STARGAZER_BUILD", ROOT / "build/dev"))
BINARY = BUILD / "stargazer-scheduler"

# Long enough for a sanitizer build on a loaded machine; only a failing test ever waits for it.
DEADLINE_S = 60


class RedisServer:
    """A redis-server on a Unix socket in `folder`."""

    def __init__(self, folder, *arguments):
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "redis.sock"
        self.arguments = arguments
        self.process = None
        self.start()

    @property
    def url(self):
        return f"unix://{self.socket}"

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self.folder]
            + list(self.arguments),
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers, "redis-server does not start")

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.connect(str(self.socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(100) != b""
        return False

    def client(self):
        import redis

        return redis.Redis(unix_socket_path=str(self.socket))

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class RawServer:
    """A Unix socket server that treats every connection with `serve(connection)` in a thread."""

    def __init__(self, folder, serve):
        self.path = pathlib.Path(folder) / "raw.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        self.serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"unix://{self.path}"

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection):
        with connection, contextlib.suppress(OSError):
            self.serve(connection)

    def close(self):
        # A thread that waits in accept is woken by shutdown, not by close.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Daemon:
    """A running stargazer-scheduler whose log lines are collected; `prefix` starts it by way of another program."""

    def __init__(self, config, *arguments, environment=None, prefix=()):
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [*prefix, BINARY, "--config", config, "--log", "terminal", "--log-level", "debug", *arguments],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def pid(self):
        return self.process.pid

    def _read(self):
        for raw in self.process.stderr:
            with self.changed:
                self.lines.append(raw.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def log(self):
        return "\n".join(line for line in self.lines if line is not None)

    def wait_for(self, pattern, start=0, count=1):
        """Waits for `count` lines that match from line `start` on; answers the number of the line after the last."""
        deadline = time.monotonic() + DEADLINE_S
        place, found = start, 0
        with self.changed:
            while True:
                while place < len(self.lines):
                    line = self.lines[place]
                    place += 1
                    if line is None:
                        raise AssertionError(f"the daemon ended without {pattern!r}:\n{self.log()[-4000:]}")
                    if re.search(pattern, line):
                        found += 1
                        if found == count:
                            return place
                if not self.changed.wait(max(0, deadline - time.monotonic())):
                    raise AssertionError(f"no line {pattern!r}:\n{self.log()[-4000:]}")

    def alive(self):
        return self.process.poll() is None

    def stop(self, number=signal.SIGTERM):
        """Asks it to stop and answers its exit code."""
        if self.alive():
            self.process.send_signal(number)
        code = self.process.wait(timeout=DEADLINE_S)
        self.reader.join(timeout=DEADLINE_S)
        self.process.stderr.close()
        return code


def wait_until(condition, message, deadline_s=DEADLINE_S):
    """For what only polling can tell."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(message)
        time.sleep(0.01)


def children_of(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def name_of(pid):
    """The first fifteen characters of its program's name; "" when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def processes_with(*assignments):
    """Every process on the machine whose environment holds all of `assignments` ("NAME=value")."""
    wanted = {assignment.encode() for assignment in assignments}
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted <= set((entry / "environ").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
    return found


def check(*arguments, environment=None):
    """Runs `stargazer-scheduler --check …` to its end."""
    return subprocess.run(
        [BINARY, "--check", *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=DEADLINE_S,
        env={**os.environ, **(environment or {})},
    )


class DaemonTest(unittest.TestCase):
    """A temporary folder, and daemons and servers that end with the test."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stargazer-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        # Inherited by every worker of this test's daemons, so that those of another test are not taken for ours.
        os.environ["TEST_FOLDER"] = str(self.folder)

    def workers_of(self, task):
        """The processes of a task or supervised worker that live, whoever their parent is by now; not its keeper's."""
        return [pid for pid in self.processes_of(task) if name_of(pid) != "stargazer-keeper"[:15]]

    def processes_of(self, task):
        """The same with those of its keeper."""
        return processes_with(f"STARGAZER_TASK={task}", f"TEST_FOLDER={self.folder}")

    def redis(self, *arguments):
        server = RedisServer(self.folder, *arguments)
        self.addCleanup(server.kill)
        return server

    def raw_server(self, serve):
        server = RawServer(self.folder, serve)
        self.addCleanup(server.close)
        return server

    def config(self, text, name="main.toml", redis_url=None, lease=""):
        """Writes a configuration without the catalogue, with its state in the test's folder."""
        head = f'[node]\nstate_dir = "{self.folder}/state"\n[scheduler]\ncatalogue = ""\nstop_deadline = "20s"\n'
        if redis_url is not None:
            head += f'[redis]\nurl = "{redis_url}"\ncommand_timeout = "1s"\n'
        if lease:
            head += f"[lease]\n{lease}\n"
        path = self.folder / name
        path.write_text(head + text)
        return path

    def daemon(self, text, *arguments, environment=None, **options):
        daemon = Daemon(self.config(text, **options), *arguments, environment=environment)
        self.addCleanup(self._end, daemon)
        return daemon

    @staticmethod
    def _end(daemon):
        if daemon.alive():
            daemon.process.kill()
        daemon.process.wait()
        daemon.reader.join(timeout=DEADLINE_S)
        daemon.process.stderr.close()

    def assert_lives_and_stops(self, daemon):
        """The daemon still runs tasks to their end, and stops with 0."""
        self.assertTrue(daemon.alive(), daemon.log()[-4000:])
        self.assertEqual(daemon.stop(), 0, daemon.log()[-4000:])
