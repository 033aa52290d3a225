"""What every stand-in shares: it notes each call in a list of Redis, and does what a hash of Redis tells it to.

The names and signatures are those of SPEC section 2.4. Set in the hash "stand-in":
    NAME         JSON that the function of that name returns
    NAME:raises  the text of a ValueError that it raises instead
"""

import asyncio
import json
import os

import redis as redis_py

client = redis_py.Redis(unix_socket_path=os.environ["STAND_IN_REDIS"], decode_responses=True)


def describe(value):
    """What a value is, so that a test can compare it."""
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__.rpartition(".")[2]
    return getattr(value, "stand_in", type(value).__module__.partition(".")[0] + "." + type(value).__name__)


def call(name, positional, named, default=None):
    client.rpush("calls", json.dumps([name, describe(positional), describe(named)]))
    raises = client.hget("stand-in", name + ":raises")
    if raises is not None:
        raise ValueError(raises)
    told = client.hget("stand-in", name)
    return default if told is None else json.loads(told)


async def stay(name):
    """Long-lived: until it is cancelled, which is noted."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        client.rpush("calls", json.dumps([name + " cancelled", [], {}]))
        raise
