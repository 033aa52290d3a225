"""A message cache over real Redis, with the keys and names of FACTS section 3."""

import types

HASH_EMBEDDING = "embedding"


async def get_active_channels(redis, limit):
    """(platform, channel id), most recently active first."""
    newest = []
    async for key in redis.scan_iter("channel_msgs:*"):
        _, platform, channel_id = key.decode().split(":", 2)
        [(_, score)] = await redis.zrange(key, -1, -1, withscores=True)
        newest.append((score, platform, channel_id))
    return [(platform, channel_id) for _, platform, channel_id in sorted(newest, reverse=True)[:limit]]


class MessageCache:
    stand_in = "message_cache"

    def __init__(self, client):
        self.redis_client = client
        self._redis_raw = types.SimpleNamespace(stand_in="redis_raw")

    async def fail_if_told(self, name):
        if await self.redis_client.hexists("stand-in", name + ":raises"):
            raise OSError(f"{name} cannot be done")

    async def record_channel_metadata(self, *, platform, channel_id, **metadata):
        if channel_id == "no-metadata":
            raise OSError("metadata cannot be written")
        fields = {name: str(value) for name, value in metadata.items()}
        await self.redis_client.hset(f"channel_meta:{platform}:{channel_id}", mapping=fields)

    async def find_keys_by_message_ids(self, platform, channel_id, ids):
        await self.fail_if_told("find_keys_by_message_ids")
        found = {}
        for message_id in ids:
            key = await self.redis_client.hget(f"ids:{platform}:{channel_id}", message_id)
            if key is not None:
                found[message_id] = key.decode()
        return found

    async def has_real_embedding_many(self, keys):
        await self.fail_if_told("has_real_embedding_many")
        return [await self.redis_client.hget(key, HASH_EMBEDDING) is not None for key in keys]

    async def log_message(self, *, platform, channel_id, message_id, text, timestamp, **fields):
        if text == "cannot be stored":
            raise OSError("no room")
        key = f"msg:{message_id}"
        stored = {name: str(value) for name, value in fields.items()}
        await self.redis_client.hset(key, mapping={**stored, "text": text, "message_id": message_id})
        await self.redis_client.hset(f"ids:{platform}:{channel_id}", message_id, key)
        await self.redis_client.zadd(f"channel_msgs:{platform}:{channel_id}", {key: timestamp})
        return types.SimpleNamespace(message_key=key)
