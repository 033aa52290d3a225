"""A booted container with a systemd and a journald of its own. Needs root, debootstrap and systemd-nspawn.

The tree is shared and stays as it is: what the container writes to it is forgotten. Its journal is in a folder of the
test, and so is whatever the test binds into it. Its machine and its boot have ids of their own; its clocks are ours.
"""

import os
import pathlib
import signal
import subprocess

import parts

HALT_S = 15
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
JOURNALD = "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nSystemMaxUse=1G\n"

MAKE_TREE = """
top=$0; source "$top/tests/package/trees.bash"
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
make_tree "$suite-feed" "$suite" "$1" >&2 && echo "$trees/$suite-feed"
"""


def library_packages(binary):
    """The Debian packages of the shared libraries that a program needs."""
    listed = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    paths = {line.split("=> ")[1].split(" (")[0] for line in listed.splitlines() if "=> /" in line}
    # /lib is /usr/lib; dpkg knows a file by only one of its names.
    paths |= {f"/usr{path}" for path in paths}
    command = ["dpkg-query", "--search", *paths]
    owners = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return sorted({line.split(":")[0] for line in owners.splitlines()})


def make_tree(binary):
    """A Debian of this machine's release in which the program runs, and the source's way; the folder."""
    packages = ["systemd", "systemd-sysv", "dbus", "python3-redis", *library_packages(binary)]
    done = subprocess.run(
        ["bash", "-c", MAKE_TREE, parts.ROOT, ",".join(packages)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise parts.Unavailable("the container's Debian cannot be made")
    return pathlib.Path(done.stdout.strip())


class Container:
    """Used in a `with`. `binds`: {where in the container: folder}."""

    def __init__(self, tree, folder, binds, journald=JOURNALD):
        if os.geteuid() != 0:
            raise parts.Unavailable("booting a container needs root")
        self.folder = folder
        self.journal = folder / "container-journal"
        self.journal.mkdir()
        settings = folder / "journald.conf.d"
        settings.mkdir()
        (settings / "test.conf").write_text(journald)
        binds = {"/var/log/journal": self.journal, "/etc/systemd/journald.conf.d": settings, **binds}
        # Killed it would leave the container behind; asked to end, it halts it.
        self.nspawn = parts.Program(
            ["setsid", "setpriv", "--pdeathsig", "TERM", "systemd-nspawn"]
            + ["--quiet", "--directory", tree, "--volatile=overlay", "--private-network"]
            + ["--boot", "--register=no", "--keep-unit", "--console=pipe"]
            + [f"--bind={outside}:{inside}" for inside, outside in binds.items()],
            folder / "console.log",
            environment={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        self.leader = None
        self.programs = []

    def __enter__(self):
        try:
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _boot(self):
        def look():
            if not self.nspawn.alive():
                raise parts.Unavailable(f"no container can be booted here:\n{self.nspawn.tail()}")
            children = parts.descendants(self.nspawn.pid)
            self.leader = children[0] if children else None
            return self.leader and self._succeeds("test", "-S", "/run/systemd/private")

        parts.wait_until(look, lambda: f"the container does not boot:\n{self.nspawn.tail()}")
        self._succeeds("systemctl", "is-system-running", "--wait")

    def __exit__(self, *_):
        # The container's init would wait long for programs that are none of its children.
        parts.send([pid for program in self.programs for pid in parts.descendants(program.pid)], signal.SIGKILL)
        if self.nspawn.alive():
            self.nspawn.signal(signal.SIGTERM)
            try:
                self.nspawn.process.wait(timeout=HALT_S)
            except subprocess.TimeoutExpired:
                parts.send([self.leader or self.nspawn.pid], signal.SIGKILL)
                self.nspawn.wait()
        return False

    def argv(self, *command):
        """What runs a command in the container; it is a child of that process."""
        environment = ["env", "--ignore-environment", "--chdir=/", f"PATH={PATH}", "LANG=C.UTF-8"]
        return ["nsenter", "--target", self.leader, "--all", "--", *environment, *command]

    def _succeeds(self, *command):
        argv = list(map(str, self.argv(*command)))
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode == 0

    def run(self, *command):
        argv = list(map(str, self.argv(*command)))
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise parts.Failure(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def as_unit(self, unit, *command):
        """Runs a command as a service of that name, until it has ended."""
        return self.run("systemd-run", "--quiet", "--wait", "--collect", f"--unit={unit}", *command)

    def start(self, log, *command):
        """A program that must be ended before the container."""
        self.programs.append(Inside(self.argv(*command), log))
        return self.programs[-1]


class Inside(parts.Program):
    """nsenter, and below it the program."""

    def inner_pid(self):
        """As seen from here."""
        return parts.wait_until(lambda: parts.descendants(self.pid), f"nothing runs inside:\n{self.tail()}")[0]

    def end(self, number):
        """Answers the program's exit code."""
        os.kill(self.inner_pid(), number)
        return self.wait()
