"""The runs of one process, each from `run` to its result: the arguments, the call, the end. It has one, or, where the
daemon keeps it, one after the other; modules, the loop and the objects that jobs are called with stay."""

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
from stargazer_bridge.errors import NotInstalled, Skipped, Stopped
from stargazer_bridge.job import Job
from stargazer_bridge.modules import Sources, load, load_module
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
    """Ends the job once: a coroutine is cancelled, a plain function is interrupted. There is no run after that."""

    def __init__(self, loop):
        self._loop = loop
        self._heard = threading.Event()
        self.task = None  # while a coroutine runs
        self.idle = False  # while there is no run

    @property
    def asked(self):
        return self._heard.is_set()

    @property
    def installed(self):
        """False when the job has put something else there."""
        return signal.getsignal(signal.SIGTERM) == self._on_signal

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
        while not self.idle and not self._heard.wait(SIGNAL_AGAIN_S):
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


class Worker:
    """What all runs of this process share."""

    def __init__(self, channel, setup):
        self._channel = channel
        self._loop = asyncio.new_event_loop()
        self._providers = Providers(setup)
        self._sources = Sources(setup["root"])
        self.stopping = Stopping(self._loop)
        self.exit_code = 1  # after what was reported last

    def run_and_report(self, params):
        """Whether another run may follow."""
        began_ns = time.time_ns()
        job = Job(self._channel, params, self._providers)
        wanted = params.get("keep", False)
        try:
            self._carry_out(params, job)
            job.end()
            keep = wanted and self._is_sound(began_ns)
            if not keep:
                self.close()
        except Skipped as nothing:
            job.end()
            keep = wanted and not isinstance(nothing, NotInstalled) and self._is_sound(began_ns)
            self.exit_code = EXIT_SKIPPED
            self._channel.succeed("skipped", str(nothing), keep)
            return keep
        except (asyncio.CancelledError, Stopped) as stopped:
            self.exit_code = 1
            self._channel.fail("stopped", type(stopped).__name__)
            return False
        except BaseException as error:
            logger.error("%s", "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip())
            self.exit_code = 1
            self._channel.fail(str(error) or type(error).__name__, type(error).__name__)
            return False
        self.exit_code = 0
        self._channel.succeed(keep=keep)
        return keep

    def next_run(self):
        """The parameters of another run, which has begun then; None when there is none, or when this process would run
        old code: a run that has not begun is started in another one."""
        try:
            self.stopping.idle = True
            params = self._channel.next_run()
        except Stopped:
            return None
        if params is None or not self._sources.unchanged():
            return None
        self.stopping.idle = False
        self._channel.started()
        return params

    def close(self):
        self._loop.run_until_complete(self._providers.close())

    def _carry_out(self, params, job):
        """Calls the job's function. Raises whatever it raises, Skipped, or ProviderError."""
        asyncio.set_event_loop(self._loop)
        function = load(params["python"])
        for module in getattr(function, "needed_modules", ()):
            load_module(module)
        positional, named = self._until_complete(self._arguments(function, params, job))
        result = function(*positional, **named)
        if inspect.isawaitable(result):
            self._until_complete(settle(result))
        self._until_complete(self._finish_left_tasks())

    def _is_sound(self, began_ns):
        """Whether nothing of the run is left that could harm the next one, and all that it printed is on its way."""
        if self.stopping.asked or not self.stopping.installed or self._loop.is_closed():
            return False
        if asyncio.all_tasks(self._loop):
            return False
        return flushed() and self._sources.note(began_ns)

    def _until_complete(self, coroutine):
        task = self._loop.create_task(coroutine)
        self.stopping.task = task
        try:
            return self._loop.run_until_complete(task)
        finally:
            self.stopping.task = None

    async def _arguments(self, function, params, job):
        """By position what the task requires, and by name what the function asks for beyond that."""
        names = [NAMES_OF_DEPENDENCIES.get(name, name) for name in params["arguments"]]
        positional = [await self._providers.get(name) for name in names]
        named = {}
        for parameter in signature_of(function):
            if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is not parameter.empty:
                continue
            if parameter.name == "job":
                named["job"] = job
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


def flushed():
    """False when it cannot be said where what was printed has gone."""
    try:
        for handler in logging.getLogger().handlers:
            handler.flush()
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return False
    return True


def serve(channel, params):
    """Carries out one run after the other, as long as there are more. The exit code."""
    worker = Worker(channel, params["setup"])
    worker.stopping.install()
    channel.listen(worker.stopping.on_stop)
    try:
        while worker.run_and_report(params):
            params = worker.next_run()
            if params is None:
                worker.close()
                break
    except Stopped:  # between two runs
        pass
    return worker.exit_code


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
    code = serve(channel, params)
    # Threads that the job has left behind must not hold up its end.
    flushed()
    os._exit(code)
