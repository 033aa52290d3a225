"""One run from `run` to its result: the arguments, the call, the end."""

import asyncio
import inspect
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback

from stargazer_bridge import logs
from stargazer_bridge.channel import Channel
from stargazer_bridge.errors import Skipped, Stopped
from stargazer_bridge.job import Job
from stargazer_bridge.modules import load, load_module
from stargazer_bridge.providers import NAMES, NAMES_OF_DEPENDENCIES, Providers, settle

logger = logging.getLogger(__name__)

PROTOCOL = 1
EXIT_SKIPPED = 77
# What a job has started and not awaited, such as an event on its way, may take so long to end.
LEFT_TASKS_S = 30
# How often the main thread is told to stop until it has heard it.
SIGNAL_AGAIN_S = 0.05
# A job that does not end after the daemon has gone is left to itself no longer.
ALONE_S = 5


class Stopping:
    """Ends the job once: a coroutine is cancelled, a plain function is interrupted."""

    def __init__(self, loop):
        self._loop = loop
        self._heard = threading.Event()
        self.task = None  # while a coroutine runs

    def install(self):
        """REQUIRES: the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        # A signal that comes just before the loop waits would be noticed only after the wait.
        woken, self._waker = socket.socketpair()
        woken.setblocking(False)
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._loop.add_reader(woken, woken.recv, 4096)

    def on_stop(self, _reason, gone):
        """From the channel's thread. The main thread gets the signal until it has heard it, for the same cause as
        above: what a plain function waits for has nothing that could wake it."""
        while not self._heard.wait(SIGNAL_AGAIN_S):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
        if gone:
            time.sleep(ALONE_S)
            os._exit(1)

    def _on_signal(self, _number, _frame):
        if self._heard.is_set():
            return
        self._heard.set()
        if self.task is None:
            raise Stopped()
        self._loop.call_soon_threadsafe(self.task.cancel)


class Run:
    def __init__(self, channel, params):
        self._params = params
        self._loop = asyncio.new_event_loop()
        self._providers = Providers(params["setup"])
        self._job = Job(channel, params, self._providers)
        self.stopping = Stopping(self._loop)

    def carry_out(self):
        """Calls the job's function. Raises whatever it raises, Skipped, or ProviderError."""
        asyncio.set_event_loop(self._loop)
        function = load(self._params["python"])
        for module in getattr(function, "needed_modules", ()):
            load_module(module)
        positional, named = self._until_complete(self._arguments(function))
        result = function(*positional, **named)
        if inspect.isawaitable(result):
            self._until_complete(settle(result))
        self._until_complete(self._finish_left_tasks())

    def close(self):
        self._loop.run_until_complete(self._providers.close())

    def _until_complete(self, coroutine):
        task = self._loop.create_task(coroutine)
        self.stopping.task = task
        try:
            return self._loop.run_until_complete(task)
        finally:
            self.stopping.task = None

    async def _arguments(self, function):
        """By position what the task requires, and by name what the function asks for beyond that."""
        names = [NAMES_OF_DEPENDENCIES.get(name, name) for name in self._params["arguments"]]
        positional = [await self._providers.get(name) for name in names]
        named = {}
        for parameter in signature_of(function):
            if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is not parameter.empty:
                continue
            if parameter.name == "job":
                named["job"] = self._job
            elif parameter.name in NAMES:
                named[parameter.name] = await self._providers.get(parameter.name)
        return positional, named

    async def _finish_left_tasks(self):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        _, pending = await asyncio.wait(left, timeout=LEFT_TASKS_S)
        for task in pending:
            logger.warning("it left a task that does not end: %s; cancelled", task.get_name())
            task.cancel()


def signature_of(function):
    try:
        return inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function of C
        return ()


def run_and_report(channel, params):
    """The exit code."""
    run = Run(channel, params)
    run.stopping.install()
    channel.listen(run.stopping.on_stop)
    try:
        run.carry_out()
        run.close()
    except Skipped as nothing:
        channel.succeed("skipped", str(nothing))
        return EXIT_SKIPPED
    except (asyncio.CancelledError, Stopped) as stopped:
        channel.fail("stopped", type(stopped).__name__)
        return 1
    except BaseException as error:
        logger.error("%s", "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip())
        channel.fail(str(error) or type(error).__name__, type(error).__name__)
        return 1
    channel.succeed()
    return 0


def main():
    try:
        channel = Channel.from_environment()
        params = channel.read_run()
    except (KeyError, OSError, ValueError) as error:
        what = "this program is started by stargazer-scheduler, with a channel in STARGAZER_FD"
        print(f"{what}: {error!r}", file=sys.stderr)
        return 2
    if params["protocol"] != PROTOCOL:
        channel.fail(f"the bridge speaks protocol {PROTOCOL}, the daemon {params['protocol']}", "ProtocolError")
        return 1
    logs.install(channel)
    sys.path.insert(0, params["setup"]["root"])
    code = run_and_report(channel, params)
    # Threads that the job has left behind must not hold up its end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
