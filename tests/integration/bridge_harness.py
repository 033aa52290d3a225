"""The daemon with the shipped catalogue and stand-ins for Stargazer's modules (tests/bridge/stargazer)."""

import contextlib
import http.server
import json
import shutil
import threading
import tomllib

import harness

CATALOGUE = harness.ROOT / "config/tasks.toml"
STAND_INS = harness.ROOT / "tests/bridge/stargazer"


class LlmProxy(http.server.ThreadingHTTPServer):
    """Answers every chat with `answer`, a (status, body), and keeps what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), LlmHandler)
        self.answer = 200, {"choices": [{"message": {"content": "extracted"}}]}
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class LlmHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(body)))
        status, answer = self.server.answer
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class BridgeTest(harness.DaemonTest):
    """Every task of the catalogue is off but those that a test names; these run at once."""

    def setUp(self):
        super().setUp()
        self.root = self.folder / "stargazer"
        shutil.copytree(STAND_INS, self.root, ignore=shutil.ignore_patterns("__pycache__"))
        self.server = self.redis()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.proxy = LlmProxy()
        self.addCleanup(self.proxy.server_close)
        self.addCleanup(self.proxy.shutdown)

    def tell(self, **what):
        """What a stand-in's function returns, or with NAME__raises what it raises."""
        for name, value in what.items():
            told = value if name.endswith("__raises") else json.dumps(value)
            self.client.hset("stand-in", name.replace("__", ":"), told)

    def start(self, *names, more="", providers="", environment=None):
        with open(CATALOGUE, "rb") as file:
            catalogue = tomllib.load(file)
        text = f"""
[node]
state_dir = "{self.folder}/state"
[scheduler]
catalogue = "{CATALOGUE}"
[redis]
url = "{self.server.url}"
[kg]
[openrouter]
[python]
interpreter = "/usr/bin/python3"
root = "{self.root}"
[python.providers]
openrouter = "stand_in_providers:openrouter"
{providers or 'kg_manager = "stand_in_providers:kg_manager"'}
[bot_runner]
provider = "stand_in_providers:bot_runner"
[lease]
nodes = 1
[feed]
units = []
[pools.llm]
limit = 16
[flags]
legacy_kg_extraction = true
starwiki_enabled = true
background_scheduler_log_rag_ingest_enabled = true
"""
        for task in catalogue["tasks"]:
            text += f'[tasks.{task}]\nenabled = {str(task in names).lower()}\ninitial_delay = "0s"\njitter = "0s"\n'
        for worker in catalogue["supervised"]:
            text += f"[supervised.{worker}]\nenabled = {str(worker in names).lower()}\n"
        path = self.folder / "main.toml"
        path.write_text(text + more)
        environment = {
            "STAND_IN_REDIS": str(self.server.socket),
            "STAND_IN_LLM": self.proxy.url,
            "PYTHONDONTWRITEBYTECODE": "1",
            **(environment or {}),
        }
        daemon = harness.Daemon(path, environment=environment)
        self.addCleanup(self._end, daemon)
        return daemon

    def calls(self, *names):
        """(positional, named) of every call of these functions so far, in order, by name."""
        found = {name: [] for name in names}
        for entry in self.client.lrange("calls", 0, -1):
            name, positional, named = json.loads(entry)
            if name in found:
                found[name].append((positional, named))
        return found

    def wait_for_calls(self, *names):
        """Waits until each was called; answers the first call of each."""
        harness.wait_until(
            lambda: all(self.calls(*names).values()),
            f"not all were called of {names}, but {self.client.lrange('calls', 0, -1)}",
        )
        return {name: calls[0] for name, calls in self.calls(*names).items()}

    def events(self, event_type):
        """The events of a type, as hashes of text with the payload read."""
        found = []
        for key in self.client.scan_iter("obs:*"):
            event = {name.decode(): value.decode() for name, value in self.client.hgetall(key).items()}
            if event.get("event_type") == event_type:
                found.append({**event, "payload": json.loads(event["payload"])})
        return found

    def wait_for_events(self, event_type, count=1):
        harness.wait_until(lambda: len(self.events(event_type)) >= count, f"no {count} events {event_type}")
        return self.events(event_type)

    def wait_for_event(self, event_type):
        [event] = self.wait_for_events(event_type)
        return event

    def remove_module(self, name):
        path = self.root / name.replace(".", "/")
        with contextlib.suppress(FileNotFoundError):
            path.with_suffix(".py").unlink()
        shutil.rmtree(path, ignore_errors=True)
