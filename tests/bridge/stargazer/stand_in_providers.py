"""The providers of the tests: what [python.providers] and [bot_runner] name."""

import json
import types

import redis.asyncio
from config import Config
from message_cache import MessageCache
from stand_in import call, client

socket_path = client.connection_pool.connection_kwargs["path"]


class Openrouter:
    stand_in = "openrouter"

    async def chat(self, **named):
        return call("chat", [], named, "an answer")


class KgManager:
    stand_in = "kg_manager"

    async def query(self, cypher, params=None):
        return call("query", [cypher, params], {})


class EmbeddingQueue:
    stand_in = "embedding_queue"

    async def enqueue_many(self, items):
        call("enqueue_many", [items], {})


def openrouter():
    return Openrouter()


async def kg_manager(openrouter):
    assert isinstance(openrouter, Openrouter)
    return KgManager()


def broken():
    raise OSError("the disk is gone")


def bot_runner():
    from stand_in_adapters import make_adapters

    runner = types.SimpleNamespace(
        stand_in="bot_runner",
        cfg=Config.load(),
        kg_manager=KgManager(),
        openrouter=Openrouter(),
        message_cache=MessageCache(redis.asyncio.Redis(unix_socket_path=socket_path)),
        embedding_queue=EmbeddingQueue(),
        adapters=make_adapters(json.loads(client.get("adapters") or "[]")),
    )
    if client.hget("stand-in", "starwiki") != "none":
        runner.starwiki_service = types.SimpleNamespace(stand_in="starwiki_service")
    return runner
