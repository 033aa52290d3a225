"""Hosts on one machine: a network namespace a node, each on a link of its own to a hub in which Redis runs.

The namespaces have no names: each lives as long as the process that holds it, which dies with the test. Nothing of this
touches the machine's own network.
"""

import os
import pathlib
import subprocess

import parts

HUB_ADDRESS = "10.77.0.1"


class Namespace:
    def __init__(self, log):
        self.holder = parts.Program(["unshare", "--net", "sleep", "infinity"], log)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        try:
            parts.wait_until(self._apart, "")
        except (parts.Failure, OSError) as error:
            raise parts.Unavailable(f"no network namespace: {self.holder.tail().strip() or error}") from error
        self.ip("link", "set", "lo", "up")

    def _apart(self):
        if not self.holder.alive():
            raise parts.Failure("")
        command = pathlib.Path(f"/proc/{self.holder.pid}/cmdline").read_bytes()
        return command.startswith(b"sleep") and os.readlink(self.path) != os.readlink("/proc/self/ns/net")

    def prefix(self):
        """What to put before a command so that it runs in here."""
        return ["nsenter", f"--net={self.path}", "--"]

    def ip(self, *arguments):
        done = subprocess.run(
            [*self.prefix(), "ip", *map(str, arguments)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise parts.Unavailable(f"ip {' '.join(map(str, arguments))}: {done.stderr.strip()}")


class Network:
    def __init__(self, folder, names):
        if os.geteuid() != 0:
            raise parts.Unavailable("network namespaces need root")
        self.log = pathlib.Path(folder) / "network.log"
        self.hub = Namespace(self.log)
        self.hub.ip("link", "add", "hub", "type", "bridge")
        self.hub.ip("address", "add", f"{HUB_ADDRESS}/24", "dev", "hub")
        self.hub.ip("link", "set", "hub", "up")
        self.hosts = {name: self._host(name, number) for number, name in enumerate(names)}

    def _host(self, name, number):
        host = Namespace(self.log)
        self.hub.ip(
            "link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", host.holder.pid
        )
        self.hub.ip("link", "set", name, "master", "hub", "up")
        host.ip("address", "add", f"10.77.0.{10 + number}/24", "dev", "eth0")
        host.ip("link", "set", "eth0", "up")
        return host

    def cut(self, name):
        """From now on nothing that this host sends arrives, and nothing reaches it."""
        self.hub.ip("link", "set", name, "down")

    def mend(self, name):
        self.hub.ip("link", "set", name, "up")
