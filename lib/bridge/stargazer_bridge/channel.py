"""The worker's end of fd 3: JSON-RPC 2.0, one object a line (docs/workers.md)."""

import concurrent.futures
import json
import os
import queue
import socket
import threading

LINE_BYTES_MAX = 1 << 20


class Channel:
    """May be used from any thread. What cannot be written is dropped: the daemon is gone, and the run ends anyway."""

    def __init__(self, descriptor):
        self._socket = socket.socket(fileno=descriptor)
        self._lines = self._socket.makefile("rb")
        self._lock = threading.Lock()
        self._last_id = 0
        self._waiting = {}  # id to future, of the requests that are under way
        self._on_stop = None
        self._run_id = None  # of the request `run` that is to be answered
        self._runs = queue.SimpleQueue()  # those that follow on the first; None at the end

    @classmethod
    def from_environment(cls):
        return cls(int(os.environ["STARGAZER_FD"]))

    def read_run(self):
        """The parameters of `run`, the first thing that the daemon says. Raises ValueError for anything else."""
        message = self._read()
        if message is None or message.get("method") != "run":
            raise ValueError(f"the daemon did not say what to run, but {message!r}")
        self._run_id = message["id"]
        return message["params"]

    def next_run(self):
        """The parameters of the `run` after the one that was answered; None when the daemon has no more. REQUIRES:
        listen was called."""
        message = self._runs.get()
        if message is None:
            return None
        self._run_id = message["id"]
        return message["params"]

    def started(self):
        """Says that the run begins: until then it can still be started in another process."""
        self._write({"jsonrpc": "2.0", "method": "started"})

    def listen(self, on_stop):
        """Hears the daemon in a thread from now on. `on_stop(reason, gone)` is called there when the run is to end;
        gone is true when the daemon is no longer there."""
        self._on_stop = on_stop
        threading.Thread(target=self._listen, name="stargazer-channel", daemon=True).start()

    def notify(self, method, params):
        self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def request(self, method, params=None):
        """A concurrent.futures.Future of the answer, the whole object."""
        future = concurrent.futures.Future()
        with self._lock:
            self._last_id += 1
            number = self._last_id
            self._waiting[number] = future
        request = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            request["params"] = params
        self._write(request)
        return future

    def succeed(self, status="ok", message="", keep=False):
        """`keep`: this process could have another run."""
        self._give_up_requests("the run is over")
        result = {"status": status, "message": message}
        if keep:
            result["keep"] = True
        self._write({"jsonrpc": "2.0", "id": self._run_id, "result": result})

    def fail(self, message, error):
        failure = {"code": -32000, "message": message, "data": {"error": error}}
        self._write({"jsonrpc": "2.0", "id": self._run_id, "error": failure})

    def _write(self, message):
        line = json.dumps(message, default=str).encode() + b"\n"
        if len(line) > LINE_BYTES_MAX:
            raise ValueError(f"a message of {len(line)} bytes is too long, allowed are {LINE_BYTES_MAX}")
        with self._lock:
            try:
                self._socket.sendall(line)
            except OSError:
                pass

    def _read(self):
        """The next object; None at the end."""
        try:
            line = self._lines.readline(LINE_BYTES_MAX + 1)
        except OSError:
            return None
        return json.loads(line) if line.endswith(b"\n") else None

    def _listen(self):
        while True:
            message = self._read()
            if message is None:
                break
            if message.get("method") == "run":
                self._runs.put(message)
            elif message.get("method") == "stop":
                self._on_stop(message.get("params", {}).get("reason", ""), False)
            elif "method" not in message:
                self._take_answer(message)
        self._give_up_requests("the daemon is gone")
        self._runs.put(None)
        self._on_stop("the daemon is gone", True)

    def _give_up_requests(self, why):
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if future.set_running_or_notify_cancel():
                future.set_exception(ConnectionError(why))

    def _take_answer(self, message):
        with self._lock:
            future = self._waiting.pop(message.get("id"), None)
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(message)
