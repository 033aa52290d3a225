#!/usr/bin/python3
"""A node of the source: SPEC section 3 without what is marked "beyond", with its weaknesses.

SET NX EX, GET, compare-and-expire, at each heartbeat; workers are started when the lease is gained and stopped when it
is seen to be another's; a heartbeat that fails is logged and changes nothing; at the end the lease is left to expire,
unless --release asks for a compare-and-delete. A worker runs again 5 s after it has returned, and after a crash with a
back-off of 1 s that doubles up to 60 s.

usage: python_supervisor.py --redis SOCKET --node NODE --ttl SECONDS [--key KEY] [--release] -- WORKER…
In the worker's arguments, %p is the supervisor's process id.
"""

import argparse
import asyncio
import os
import signal
import sys

import redis
import redis.asyncio

RENEW = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('expire', KEYS[1], tonumber(ARGV[2])) "
    "else return 0 end"
)
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
CLEAN_RETURN_PAUSE_S = 5
BACKOFF_MAX_S = 60
STOP_GRACE_S = 5


def say(text):
    print(text, file=sys.stderr, flush=True)


class Supervisor:
    def __init__(self, options):
        self.options = options
        self.redis = redis.asyncio.Redis(unix_socket_path=options.redis, socket_timeout=2, decode_responses=True)
        self.leader = False
        self.worker = None
        self.stopping = asyncio.Event()

    async def heartbeat(self):
        key, node, ttl = self.options.key, self.options.node, self.options.ttl
        held = bool(await self.redis.set(key, node, nx=True, ex=ttl))
        if not held and await self.redis.get(key) == node:
            held = bool(await self.redis.eval(RENEW, 1, key, node, str(ttl)))
        if held and not self.leader:
            say(f"{node} is the leader")
            self.leader = True
            self.worker = asyncio.create_task(self.keep_running())
        elif not held and self.leader:
            say(f"{node} has lost the lease")
            self.leader = False
            await self.stop_worker()

    def worker_argv(self):
        return [argument.replace("%p", str(os.getpid())) for argument in self.options.worker]

    async def keep_running(self):
        backoff = 1
        while True:
            process = await asyncio.create_subprocess_exec(*self.worker_argv(), start_new_session=True)
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await end(process)
                raise
            say(f"the worker ended with {code}")
            await asyncio.sleep(CLEAN_RETURN_PAUSE_S if code == 0 else backoff)
            backoff = 1 if code == 0 else min(backoff * 2, BACKOFF_MAX_S)

    async def stop_worker(self):
        if self.worker is not None:
            self.worker.cancel()
            await asyncio.gather(self.worker, return_exceptions=True)
            self.worker = None

    async def run(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stopping.set)
        while not self.stopping.is_set():
            try:
                await self.heartbeat()
            except (redis.RedisError, OSError) as error:
                say(f"heartbeat failed: {error}")
            try:
                await asyncio.wait_for(self.stopping.wait(), self.options.ttl / 3)
            except asyncio.TimeoutError:
                pass
        await self.stop_worker()
        if self.options.release:
            await self.redis.eval(RELEASE, 1, self.options.key, self.options.node)


async def end(process):
    """TERM, then KILL, on the process group; returns when the process has been reaped."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            await asyncio.wait_for(process.wait(), STOP_GRACE_S)
            return
        except (asyncio.TimeoutError, ProcessLookupError):
            pass


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--ttl", required=True, type=int)
    parser.add_argument("--key", default="sg:leader:supervisor")
    parser.add_argument("--release", action="store_true")
    parser.add_argument("worker", nargs="+")
    await Supervisor(parser.parse_args()).run()


asyncio.run(main())
