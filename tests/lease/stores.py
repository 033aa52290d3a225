"""What the nodes contend on: one redis-server, or a primary with replicas under Sentinels."""

import contextlib
import pathlib

import redis

import parts


def client_of(path):
    return redis.Redis(unix_socket_path=str(path), socket_timeout=5)


class Server:
    """A redis-server with a Unix socket in `folder`, if asked for also on TCP."""

    def __init__(self, folder, *arguments, port=0, prefix=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = self.folder / "redis.sock"
        self.port = port
        self.arguments = arguments
        self.prefix = prefix
        self.program = None
        self.start()

    def start(self, *arguments):
        argv = ["redis-server", "--port", self.port, "--unixsocket", self.socket, "--dir", self.folder, "--save", ""]
        argv += ["--protected-mode", "no", "--repl-diskless-sync-delay", "0", *self.arguments, *arguments]
        self.program = parts.Program([*self.prefix, *argv], self.folder / "redis.log")
        parts.wait_until(self._answers, lambda: f"redis-server does not start:\n{self.program.tail()}")

    def _answers(self):
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return client.ping()
        if not self.program.alive():
            raise parts.Failure(f"redis-server ended:\n{self.program.tail()}")
        return False

    def client(self):
        return client_of(self.socket)

    def kill(self):
        self.program.kill()


class Single:
    """One server. `durable`: what was written is there again after a SIGKILL."""

    def __init__(self, folder, durable=False, address=None, prefix=()):
        more = ["--appendonly", "yes", "--appendfsync", "always"] if durable else []
        port = parts.free_port() if address else 0
        more += ["--bind", address] if address else []
        self.server = Server(pathlib.Path(folder) / "redis", *more, port=port, prefix=prefix)
        self.url = f"redis://{address}:{port}/0" if address else f"unix://{self.server.socket}"

    def redis_config(self):
        return f'url = "{self.url}"\n'

    def client(self):
        return self.server.client()

    def ready(self):
        return self.server.program.alive()


class Watched:
    """A primary and two replicas, watched by `sentinels` Sentinels, on ports of 127.0.0.1 that were free."""

    NAME = "lease"
    REPLICAS = 2
    # Sooner, and on a loaded machine the Sentinels replace a primary that is well: two take writes then for 10 s.
    DOWN_AFTER_MS = 1500

    def __init__(self, folder, sentinels):
        self.folder = pathlib.Path(folder)
        self.servers = [Server(self.folder / "redis0", "--bind", "127.0.0.1", port=parts.free_port())]
        for number in range(1, 1 + self.REPLICAS):
            server = Server(self.folder / f"redis{number}", "--bind", "127.0.0.1", port=parts.free_port())
            server.client().replicaof("127.0.0.1", self.servers[0].port)
            self.servers.append(server)
        self.sentinel_ports = [parts.free_port() for _ in range(sentinels)]
        self.sentinels = [self._start_sentinel(number, port) for number, port in enumerate(self.sentinel_ports)]
        parts.wait_until(self.ready, lambda: f"the Sentinels do not find everything: {self.seen()}")

    def _start_sentinel(self, number, port):
        path = self.folder / f"sentinel{number}.conf"
        path.write_text(
            f"port {port}\nbind 127.0.0.1\nprotected-mode no\ndir {self.folder}\n"
            f"sentinel monitor {self.NAME} 127.0.0.1 {self.servers[0].port} {len(self.sentinel_ports) // 2 + 1}\n"
            f"sentinel down-after-milliseconds {self.NAME} {self.DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {self.NAME} 3000\n"
            f"sentinel parallel-syncs {self.NAME} {self.REPLICAS}\n"
        )
        return parts.Program(["redis-server", path, "--sentinel"], self.folder / f"sentinel{number}.log")

    def _clients(self):
        return [redis.Redis(port=port, socket_timeout=5, decode_responses=True) for port in self.sentinel_ports]

    def seen(self):
        """What each Sentinel says of the primary: as a dictionary, or why it says nothing."""
        seen = []
        for client in self._clients():
            try:
                seen.append(client.sentinel_master(self.NAME))
            except redis.RedisError as error:
                seen.append({"flags": str(error)})
        return seen

    def ready(self):
        """Every Sentinel sees the same primary, in health, and every other server as its replica that is in sync."""
        seen = self.seen()
        others = len(seen) - 1
        if any(one["flags"] != "master" or one["num-other-sentinels"] != others for one in seen):
            return False
        if len({one["port"] for one in seen}) != 1:
            return False
        found = self.primary().client().info("replication")
        online = [value for value in found.values() if isinstance(value, dict) and value.get("state") == "online"]
        return found["role"] == "master" and len(online) == self.REPLICAS

    def primary(self):
        """The server that the first Sentinel names, if it runs."""
        with contextlib.suppress(redis.RedisError):
            port = int(self.seen()[0].get("port", 0))
            return next((server for server in self.servers if server.port == port), None)
        return None

    def rejoin(self, server):
        """Starts a killed server anew, as a replica of whoever is the primary now."""
        server.start("--replicaof", "127.0.0.1", self.primary().port)

    def redis_config(self):
        addresses = ", ".join(f'"127.0.0.1:{port}"' for port in self.sentinel_ports)
        return f'sentinels = [{addresses}]\nmaster_name = "{self.NAME}"\n'

    def client(self):
        return self.primary().client()
