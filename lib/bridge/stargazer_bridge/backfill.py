"""startup_channel_backfill (SPEC section 2.6): what was said while nobody listened, fetched once at the start.

Whatever fails is contained to its message, its channel or its adapter, and said in the log.
"""

import asyncio
import dataclasses
import logging

from stargazer_bridge.modules import load, needs

logger = logging.getLogger(__name__)

CHANNELS_MAX = 10
HISTORY_MESSAGES = 100
ADAPTERS_WAIT_S = 30.0
ADAPTERS_POLL_S = 0.5
MATRIX_DM_MEMBERS_MAX = 2


@dataclasses.dataclass
class Counts:
    channels: int = 0
    cached: int = 0
    enqueued: int = 0


@needs("message_cache")
async def startup_channel_backfill(redis, _bot_runner=None, *, message_cache, embedding_queue, adapters):
    counts = await backfill(redis, message_cache, embedding_queue, adapters)
    logger.info(
        "Startup backfill complete: %d channels, %d new messages cached, %d embeddings enqueued",
        counts.channels,
        counts.cached,
        counts.enqueued,
    )
    return {"channels_processed": counts.channels, "messages_cached": counts.cached}


async def backfill(redis, message_cache, embedding_queue, adapters, max_channels=CHANNELS_MAX):
    await _wait_for_adapters(adapters)
    catalogue = {}
    for adapter in adapters:
        if _running(adapter):
            catalogue.update(await _catalogue_of(adapter))
    channels = await load("message_cache:get_active_channels")(redis, limit=max_channels)
    if not channels:
        logger.info("Startup backfill: Redis knows no active channel, taking the adapters' first")
        channels = list(catalogue)[:max_channels]
    by_name = {adapter.name: adapter for adapter in adapters}
    counts = Counts()
    for platform, channel_id in channels:
        adapter = by_name.get(platform)
        if adapter is None or not _running(adapter):
            continue
        channel = Channel(message_cache, embedding_queue, adapter, platform, channel_id)
        try:
            await channel.record_metadata(catalogue.get((platform, channel_id)))
            await channel.backfill(counts)
        except Exception:
            logger.exception("Startup backfill: %s:%s failed", platform, channel_id)
    return counts


def _running(adapter):
    return bool(getattr(adapter, "is_running", False))


async def _wait_for_adapters(adapters):
    """An adapter may be connecting still. One that never does must not hold up the others."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ADAPTERS_WAIT_S
    while not all(map(_running, adapters)) and loop.time() < deadline:
        await asyncio.sleep(ADAPTERS_POLL_S)
    late = [getattr(adapter, "name", "?") for adapter in adapters if not _running(adapter)]
    if late:
        logger.info("Startup backfill: goes on without the adapters that are not running yet: %s", ", ".join(late))


async def _catalogue_of(adapter):
    """(platform, channel id) to what is known of the channel; empty for an adapter that fails."""
    try:
        found = {}
        for server in await adapter.list_servers_and_channels():
            for channel_id, metadata in _channels_of(adapter.name, server):
                found[(adapter.name, channel_id)] = metadata
        return found
    except Exception:
        logger.exception("Startup backfill: the channels of %s cannot be listed", adapter.name)
        return {}


def _channels_of(platform, server):
    server_id, server_name = server.get("server_id", ""), server.get("server_name", "")
    if server.get("channels"):
        for channel in server["channels"]:
            if channel.get("channel_id") and channel.get("type", "text") == "text":
                yield channel["channel_id"], {
                    "channel_name": channel.get("channel_name", ""),
                    "guild_id": server_id,
                    "guild_name": server_name,
                    "is_dm": False,
                }
    elif server_id:
        members = server.get("member_count")
        is_dm = platform == "matrix" and members is not None and members <= MATRIX_DM_MEMBERS_MAX
        metadata = {"channel_name": server_name or "", "guild_id": "", "guild_name": "", "is_dm": is_dm}
        yield server_id, metadata


class Channel:
    """One channel's pass."""

    def __init__(self, message_cache, embedding_queue, adapter, platform, channel_id):
        self._cache = message_cache
        self._queue = embedding_queue
        self._adapter = adapter
        self._platform = platform
        self._id = channel_id
        self._embeddings = {}  # key to text: each message at most once a pass

    async def record_metadata(self, metadata):
        if metadata is None:
            return
        try:
            await self._cache.record_channel_metadata(platform=self._platform, channel_id=self._id, **metadata)
        except Exception as error:
            self._say("its metadata could not be recorded", error)

    async def backfill(self, counts):
        try:
            history = await self._adapter.fetch_history(self._id, limit=HISTORY_MESSAGES)
        except Exception as error:
            return self._say("its history could not be fetched", error)
        if not history:
            return
        known = await self._known_keys(history)
        await self._repair([(known[m.message_id], m) for m in history if m.message_id and m.message_id in known])
        await self._log([m for m in history if not m.message_id or m.message_id not in known], counts)
        await self._enqueue(counts)
        counts.channels += 1

    async def _known_keys(self, history):
        """Message id to key, of those that are cached; none when they cannot be looked up."""
        ids = [message.message_id for message in history if message.message_id]
        if not ids:
            return {}
        try:
            found = await self._cache.find_keys_by_message_ids(self._platform, self._id, ids)
            return {message_id: key for message_id, key in found.items() if key}
        except Exception as error:
            self._say("its messages could not be looked up", error)
            return {}

    async def _stored_texts(self, keys):
        """Key to text; without an answer of Redis none, and then none of them is taken to be the same."""
        try:
            pipeline = self._cache.redis_client.pipeline()
            for key in keys:
                pipeline.hget(key, "text")
            return {key: _decoded(value) for key, value in zip(keys, await pipeline.execute())}
        except Exception as error:
            self._say("its stored texts could not be read", error)
            return {}

    async def _repair(self, messages):
        """Known messages, as (key, message): the text that was changed meanwhile, the embedding that is missing."""
        if not messages:
            return
        stored = await self._stored_texts(list(dict.fromkeys(key for key, _ in messages)))
        for key, message in messages:
            if message.text != stored.get(key, ""):
                await self._rewrite(key, message)
        with_text = {key: message.text for key, message in messages if message.text}
        if not with_text:
            return
        try:
            embedded = await self._cache.has_real_embedding_many(list(with_text))
            missing = [key for key, has in zip(with_text, embedded) if not has]
        except Exception as error:
            self._say("which messages have an embedding is not known", error)
            missing = list(with_text)
        self._embeddings.update((key, with_text[key]) for key in missing)

    async def _rewrite(self, key, message):
        try:
            await self._cache.redis_client.hset(key, "text", message.text)
        except Exception as error:
            return self._say(f"the text of message {message.message_id} could not be rewritten", error)
        if message.text:
            self._embeddings[key] = message.text

    async def _log(self, messages, counts):
        if not messages:
            return
        own_id = self._own_user_id()
        for message in messages:
            try:
                await self._log_one(message, own_id)
                counts.cached += 1
            except Exception as error:
                self._say(f"message {message.message_id or '(no id)'} could not be cached", error)

    async def _log_one(self, message, own_id):
        own = message.user_id == own_id if own_id else message.is_bot
        cached = await self._cache.log_message(
            platform=self._platform,
            channel_id=self._id,
            user_id=message.user_id,
            user_name=message.user_name,
            text=message.text,
            timestamp=message.timestamp.timestamp(),
            defer_embedding=True,
            message_id=message.message_id,
            reply_to_id=message.reply_to_id,
            kind="assistant_out" if own else "user_in",
        )
        if cached.message_key and message.text:
            self._embeddings[cached.message_key] = message.text

    def _own_user_id(self):
        """The bot's own id on this platform; "" when it is not known."""
        if not hasattr(self._adapter, "bot_identity"):
            return ""
        try:
            return load("message_processor.user_message_format:resolve_bot_speaker")(self._adapter, None)[1] or ""
        except Exception as error:
            self._say("the bot's own id is not known", error)
            return ""

    async def _enqueue(self, counts):
        if not self._embeddings or self._queue is None:
            return
        try:
            await self._queue.enqueue_many(list(self._embeddings.items()))
            counts.enqueued += len(self._embeddings)
        except Exception as error:
            self._say("embeddings could not be enqueued", error)

    def _say(self, what, error):
        logger.warning("Startup backfill: %s:%s: %s: %r", self._platform, self._id, what, error)


def _decoded(raw):
    if raw is None:
        return ""
    return raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else str(raw)
