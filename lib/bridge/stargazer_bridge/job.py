"""What a job can do beyond its work: say how far it is, count, publish an event, make sure of the lease."""

import asyncio
import pathlib

from stargazer_bridge.errors import LeaseError


class Job:
    """The handle of one run. Everything but the coroutines may be called from any thread. Once the run is over, nothing
    is said any more: it would be taken for another run's."""

    def __init__(self, channel, params, providers):
        self._channel = channel
        self._providers = providers
        self._over = False
        self.task = params["task"]
        self.run_id = params["run_id"]
        self.attempt = params["attempt"]
        self.deadline = params["deadline"]  # seconds since 1970, or None
        self.flags = params["flags"]
        self.lease = params["lease"]  # {"holder", "token"}, or None for a run that is none of the lease
        self.configured = frozenset(params["setup"])  # tables that the daemon's configuration has: "redis", "kg", …
        self.root = pathlib.Path(params["setup"]["root"])

    def log(self, level, message, **fields):
        """A line of the journal; level is debug, info, notice, warning or error, fields have names in capitals."""
        self._notify("log", {"level": level, "message": message, "fields": fields})

    def event(self, event_type, *, source="", phase="", status="", preview="", payload=None, duration_ms=None):
        """An event for Stargazer's observers. Without a duration it is the time since the start of the run."""
        params = {"event_type": event_type, "source": source, "phase": phase, "status": status, "preview": preview}
        params["payload"] = {} if payload is None else payload
        if duration_ms is not None:
            params["duration_ms"] = duration_ms
        self._notify("event", params)

    def count(self, name, value=1):
        self._notify("counter", {"name": name, "value": value})

    def progress(self, done, total=0, message=""):
        """The last one is what status shows."""
        self._notify("progress", {"done": done, "total": total, "message": message})

    def flag(self, name, fallback):
        """The truth of a value of [flags], or the fallback where it is not set."""
        return bool(self.flags.get(name, fallback))

    async def provide(self, name):
        """An object by its name in [python.providers]. Raises ProviderError."""
        return await self._providers.get(name)

    async def verify_lease(self):
        """Before an act that cannot be undone: the number of the term. Raises LeaseError when it does not hold."""
        return (await self._ask("lease.verify"))["epoch"]

    async def lease_write(self, *command):
        """A write that Redis makes only while the term holds: its reply. Raises LeaseError."""
        return await self._ask("lease.write", [str(word) for word in command])

    def end(self):
        self._over = True

    def _notify(self, method, params):
        if not self._over:
            self._channel.notify(method, params)

    async def _ask(self, method, params=None):
        if self._over:
            raise ConnectionError("the run is over")
        answer = await asyncio.wrap_future(self._channel.request(method, params))
        if "error" in answer:
            raise LeaseError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]
