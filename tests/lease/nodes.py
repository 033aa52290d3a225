"""Nodes that contend for the lease: our daemon, and the source's Python supervisor."""

import os
import pathlib
import signal

import parts

BUILD = pathlib.Path(os.environ.get("STARGAZER_BUILD", parts.ROOT / "build/dev")).resolve()
WORKER = BUILD / "lease_worker"
KEY = "lease-test:leader"


class Node:
    """A program that can be started again and again. `name` is what it writes into the lease key."""

    def __init__(self, name, folder, prefix=()):
        self.name = name
        self.folder = pathlib.Path(folder)
        self.prefix = list(prefix)
        self.program = None

    def start(self):
        self.program = parts.Program([*self.prefix, *self.argv()], self.folder / f"{self.name}.log", self.environment())

    def environment(self):
        return {}

    def alive(self):
        return self.program is not None and self.program.alive()

    def kill(self):
        self.program.kill()

    def end(self):
        """Whatever state it is in."""
        if self.alive():
            self.program.resume()
            self.program.terminate()


class DaemonNode(Node):
    """Runs two supervised workers, one of which has a child in a session of its own."""

    def __init__(self, name, folder, redis_config, lines, *, prefix=(), lease="", plain=False, stop_ms=0):
        super().__init__(name, folder, prefix)
        self.config = self.folder / f"{name}.toml"
        worker = f'"{WORKER}", "--file", "{lines}", "--node", "{name}", "--stop-ms", "{stop_ms}"'
        nested = "" if plain else f'[supervised.nested]\ncommand = [{worker}, "--grandchild"]\n'
        self.config.write_text(
            f'[node]\nid = "{name}"\nstate_dir = "{self.folder}/{name}"\n'
            f'[scheduler]\ncatalogue = ""\n[redis]\n{redis_config}command_timeout = "1s"\n'
            f'[lease]\nkey = "{KEY}"\n{lease}\n'
            f"[supervised.plain]\ncommand = [{worker}]\n{nested}"
        )

    def argv(self):
        return [BUILD / "stargazer-scheduler", "--config", self.config, "--log", "terminal", "--log-level", "debug"]

    def environment(self):
        return {"SG_LEADER_KEY": KEY}


class PythonNode(Node):
    """The source's way. Its worker dies with it, which is what the service's control group sees to in production."""

    def __init__(self, name, folder, socket, lines, *, ttl_s, stop_ms=0):
        super().__init__(name, folder)
        self.socket = socket
        self.lines = lines
        self.ttl_s = ttl_s
        self.stop_ms = stop_ms

    def argv(self):
        supervisor = parts.ROOT / "tests/lease/python_supervisor.py"
        node = ["--redis", self.socket, "--node", self.name, "--key", KEY, "--ttl", self.ttl_s]
        worker = ["--file", self.lines, "--node", self.name, "--stop-ms", self.stop_ms, "--with-parent", "%p"]
        return ["/usr/bin/python3", supervisor, *node, "--", WORKER, *worker]


def terminate_orderly(node):
    """SIGTERM; a daemon answers it with exit code 0."""
    code = node.program.terminate()
    if code not in (0, -signal.SIGTERM):
        raise parts.Failure(f"{node.name} ended with {code} after SIGTERM:\n{node.program.tail()}")
