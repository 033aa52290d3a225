"""The objects that jobs are called with: made once a run, when they are first asked for.

In this order: the provider of [python.providers]; the attribute of the bot runner, where [bot_runner] is configured;
what Stargazer's own services make (the functions at the end). A provider is a plain or async function. Its parameters
without a default are provided by their names, so that one can be built from others.
"""

import inspect
import logging

from stargazer_bridge.errors import NoProvider, ProviderError, Skipped
from stargazer_bridge.modules import load

logger = logging.getLogger(__name__)

# What the daemon calls a dependency, and what Stargazer's functions call it, where the two differ.
NAMES_OF_DEPENDENCIES = {"kg": "kg_manager"}
# What a bot runner has, and as what.
RUNNER_ATTRIBUTES = {
    "config": "cfg",
    "kg_manager": "kg_manager",
    "openrouter": "openrouter",
    "message_cache": "message_cache",
    "embedding_queue": "embedding_queue",
    "adapters": "adapters",
}
NAMES = ("redis", "kg_manager", "openrouter", "config", "bot_runner", "message_cache", "adapters", "embedding_queue")


async def settle(value):
    return await value if inspect.isawaitable(value) else value


class Providers:
    def __init__(self, setup):
        self._setup = setup
        self._targets = setup["providers"]
        self._made = {}
        self._opened = []
        self._being_made = []

    async def get(self, name):
        """Raises ProviderError, whose message names the provider that failed."""
        if name not in self._made:
            self._made[name] = await self._make(name)
        return self._made[name]

    async def get_if_any(self, name):
        """None when nobody has said where it comes from."""
        try:
            return await self.get(name)
        except NoProvider:
            return None

    async def close(self):
        """Closes what was opened here; what was provided belongs to others."""
        for client in self._opened:
            try:
                await client.close()
            except Exception as error:
                logger.debug("a connection to Redis did not close: %s", error)

    async def _make(self, name):
        if name in self._being_made:
            raise ProviderError(f"provider {name}: it needs itself, by way of {', '.join(self._being_made)}")
        self._being_made.append(name)
        how = self._targets.get(name, "built in")
        try:
            return await self._make_by(name)
        except ProviderError:
            raise
        except Skipped as missing:
            raise ProviderError(f"provider {name} ({how}): {missing}") from None
        except Exception as error:
            raise ProviderError(f"provider {name} ({how}): {type(error).__name__}: {error}") from error
        finally:
            self._being_made.pop()

    async def _make_by(self, name):
        if name in self._targets:
            return await self._call(load(self._targets[name]))
        if name in RUNNER_ATTRIBUTES and "bot_runner" in self._targets:
            runner = await self.get("bot_runner")
            if hasattr(runner, RUNNER_ATTRIBUTES[name]):
                return getattr(runner, RUNNER_ATTRIBUTES[name])
        if name in BUILT_IN:
            return await settle(BUILT_IN[name](self))
        raise NoProvider(f'provider {name}: there is none; set python.providers.{name} = "module:function"')

    async def _call(self, function):
        wanted = {
            parameter.name: await self.get(parameter.name)
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        }
        return await settle(function(**wanted))

    def section(self, name):
        """A table of the daemon's configuration."""
        if name not in self._setup:
            raise NoProvider(f"provider {name}: [{name}] is not configured")
        return self._setup[name]

    def has_section(self, name):
        return name in self._setup

    def open_redis(self, url):
        """A client of redis-py for asyncio, of the server and the user of [redis], or of another server."""
        import redis.asyncio
        import redis.asyncio.sentinel

        main = self.section("redis")
        login = {}
        if url == main["url"]:
            if main["username"]:
                login["username"] = main["username"]
            if main["password_file"]:
                with open(main["password_file"], encoding="utf-8") as file:
                    login["password"] = file.readline().rstrip("\n")
        if url == main["url"] and main["sentinels"]:
            places = [(host.strip("[]"), int(port)) for host, _, port in (s.rpartition(":") for s in main["sentinels"])]
            database = url.rpartition("/")[2]
            login["db"] = int(database) if database.isdigit() else 0
            client = redis.asyncio.sentinel.Sentinel(places).master_for(main["master_name"], **login)
        else:
            client = redis.asyncio.from_url(url, **login)
        self._opened.append(client)
        return client


async def _redis(providers):
    client = providers.open_redis(providers.section("redis")["url"])
    # Stargazer's own events are silent until its module is given a client.
    try:
        load("observability:set_observability_redis")(client)
    except (Skipped, AttributeError):
        pass
    return client


def _config(_):
    return load("config:Config").load()


async def _kg_manager(providers):
    url = providers.section("kg")["url"]
    client = providers.open_redis(url) if url else await providers.get("redis")
    # Decay asks no language model, so a graph without one is of use.
    return load("knowledge_graph.manager:KnowledgeGraphManager")(client, await providers.get_if_any("openrouter"))


async def _message_cache(providers):
    url = providers.section("redis")["url"]
    return load("message_cache:MessageCache")(url, await providers.get("openrouter"))


async def _embedding_queue(providers):
    queue = load("embedding_queue:EmbeddingBatchQueue")
    return queue(await providers.get("openrouter"), await providers.get("redis"))


BUILT_IN = {
    "redis": _redis,
    "config": _config,
    "kg_manager": _kg_manager,
    "message_cache": _message_cache,
    "embedding_queue": _embedding_queue,
}
