"""startup_channel_backfill through the daemon, with adapters as a JSON description and the cache in a real Redis."""

import json
import unittest

from bridge_harness import BridgeTest

GUILD = {
    "server_id": "g1",
    "server_name": "the guild",
    "member_count": 9,
    "channels": [
        {"channel_id": "c1", "channel_name": "general", "type": "text"},
        {"channel_id": "c2", "channel_name": "talk", "type": "voice"},
        {"channel_id": "c3", "channel_name": "untyped"},
    ],
}


def message(number, text, **more):
    return {"message_id": f"m{number}", "user_id": "u1", "text": text, **more}


def room(room_id, members):
    return {"server_id": room_id, "server_name": f"room {room_id}", "member_count": members}


class Backfill(BridgeTest):
    def run_backfill(self, *adapters, summary=r"Startup backfill complete: \d+ channels"):
        self.client.set("adapters", json.dumps(adapters))
        daemon = self.start("startup_channel_backfill")
        daemon.wait_for(summary)
        daemon.wait_for("startup_channel_backfill: ok after")
        return daemon

    def know(self, number, text, embedded=True, platform="discord", channel="c1"):
        """A message that the cache holds already."""
        key = f"msg:m{number}"
        self.client.hset(key, mapping={"text": text, **({"embedding": "vector"} if embedded else {})})
        self.client.hset(f"ids:{platform}:{channel}", f"m{number}", key)
        self.client.zadd(f"channel_msgs:{platform}:{channel}", {key: number})

    def metadata(self, platform, channel):
        found = self.client.hgetall(f"channel_meta:{platform}:{channel}")
        return {name.decode(): value.decode() for name, value in found.items()}

    def enqueued(self):
        return [item for (items,), _ in self.calls("enqueue_many")["enqueue_many"] for item in items]

    def stored(self, number, field="text"):
        return self.client.hget(f"msg:m{number}", field).decode()

    def test_it_runs_once(self):
        daemon = self.run_backfill(summary="Startup backfill complete: 0 channels, 0 new messages cached, 0 embeddings")
        self.assertEqual(len([line for line in daemon.lines if "startup_channel_backfill: started" in line]), 1)
        self.assertEqual(daemon.stop(), 0)

    def test_an_empty_redis_takes_the_first_of_the_catalogue(self):
        self.run_backfill(
            {
                "name": "discord",
                "servers": [GUILD],
                "history": {"c1": [message(1, "hello"), message(2, "there")], "c3": [message(3, "again")]},
            },
            summary="Startup backfill complete: 2 channels, 3 new messages cached, 3 embeddings enqueued",
        )
        self.assertEqual(self.stored(1), "hello")
        self.assertEqual(self.enqueued(), [["msg:m1", "hello"], ["msg:m2", "there"], ["msg:m3", "again"]])

    def test_at_most_ten_channels(self):
        rooms = [room(f"r{number}", 5) for number in range(12)]
        history = {f"r{number}": [message(number, "hello")] for number in range(12)}
        self.run_backfill(
            {"name": "matrix", "servers": rooms, "history": history}, summary="complete: 10 channels, 10 new messages"
        )

    def test_nested_servers_have_text_channels_and_flat_rooms_may_be_direct(self):
        self.run_backfill(
            {"name": "discord", "servers": [GUILD], "history": {}},
            {"name": "matrix", "servers": [room("r2", 2), room("r3", 3), {**room("rx", 0), "member_count": None}]},
            {"name": "irc", "servers": [room("i2", 2)]},
        )
        guild = {"guild_id": "g1", "guild_name": "the guild", "is_dm": "False"}
        self.assertEqual(self.metadata("discord", "c1"), {"channel_name": "general", **guild})
        self.assertEqual(self.metadata("discord", "c3"), {"channel_name": "untyped", **guild})
        self.assertEqual(self.metadata("discord", "c2"), {})
        flat = {"guild_id": "", "guild_name": ""}
        self.assertEqual(self.metadata("matrix", "r2"), {"channel_name": "room r2", **flat, "is_dm": "True"})
        for platform, channel in (("matrix", "r3"), ("matrix", "rx"), ("irc", "i2")):
            expected = {"channel_name": f"room {channel}", **flat, "is_dm": "False"}
            self.assertEqual(self.metadata(platform, channel), expected, channel)

    def test_the_most_active_channels_of_redis_come_before_the_catalogue(self):
        self.know(1, "hello")
        history = {"c1": [message(1, "hello")], "c3": [message(3, "new")]}
        self.run_backfill(
            {"name": "discord", "servers": [GUILD], "history": history},
            summary="complete: 1 channels, 0 new messages cached, 0 embeddings",
        )
        self.assertFalse(self.client.exists("msg:m3"))

    def test_an_adapter_that_is_late_is_waited_for(self):
        self.run_backfill(
            {"name": "discord", "servers": [GUILD], "runs_after_polls": 3, "history": {"c1": [message(1, "hello")]}},
            summary="complete: 1 channels, 1 new",
        )

    def test_an_adapter_that_never_runs_is_named_and_left_out(self):
        """The wait is that of SPEC section 2.6 but shorter."""
        never = {"name": "matrix", "runs_after_polls": 1_000_000_000, "bridge_waits_s": 1, "servers": [room("r", 2)]}
        daemon = self.run_backfill(
            never,
            {"name": "discord", "servers": [GUILD], "history": {"c1": [message(1, "hello")]}},
            summary="complete: 1 channels, 1 new",
        )
        self.assertIn("goes on without the adapters that are not running yet: matrix", daemon.log())
        self.assertEqual(self.metadata("matrix", "r"), {})

    def test_an_adapter_that_fails_is_left_out(self):
        self.run_backfill(
            {"name": "matrix", "catalogue_fails": True},
            {"name": "discord", "servers": [GUILD], "history": {"c1": [message(1, "hello")]}},
            summary="the channels of matrix cannot be listed",
        )
        self.assertEqual(self.stored(1), "hello")

    def test_a_channel_whose_history_or_metadata_fails_does_not_harm_the_others(self):
        server = {**GUILD, "channels": [{"channel_id": c} for c in ("bad", "no-metadata", "c1")]}
        self.run_backfill(
            {
                "name": "discord",
                "servers": [server],
                "history": {"bad": "fails", "no-metadata": [message(2, "there")], "c1": [message(1, "hello")]},
            },
            summary="complete: 2 channels, 2 new",
        )

    def test_a_changed_text_is_rewritten_and_enqueued_once_though_it_has_no_embedding_either(self):
        self.know(1, "old", embedded=False)
        self.know(2, "old too")
        self.run_backfill(
            {"name": "discord", "history": {"c1": [message(1, "new"), message(2, "new too"), message(2, "new too")]}},
            summary="complete: 1 channels, 0 new messages cached, 2 embeddings enqueued",
        )
        self.assertEqual((self.stored(1), self.stored(2)), ("new", "new too"))
        self.assertEqual(sorted(self.enqueued()), [["msg:m1", "new"], ["msg:m2", "new too"]])

    def test_a_known_message_without_an_embedding_is_enqueued(self):
        self.know(1, "hello", embedded=False)
        self.know(2, "there")
        self.run_backfill({"name": "discord", "history": {"c1": [message(1, "hello"), message(2, "there")]}})
        self.assertEqual(self.enqueued(), [["msg:m1", "hello"]])

    def test_an_unknown_message_is_stored_with_its_kind(self):
        history = [message(1, "mine", user_id="bot"), message(2, "yours"), message(3, "relayed", is_bot=True)]
        self.run_backfill({"name": "discord", "servers": [GUILD], "bot_user_id": "bot", "history": {"c1": history}})
        kinds = [self.stored(number, "kind") for number in (1, 2, 3)]
        self.assertEqual(kinds, ["assistant_out", "user_in", "user_in"])
        self.assertEqual(self.stored(1, "defer_embedding"), "True")

    def test_where_the_bots_id_is_unknown_is_bot_decides(self):
        history = [message(1, "mine", is_bot=True), message(2, "yours")]
        self.run_backfill({"name": "discord", "servers": [GUILD], "history": {"c1": history}})
        self.assertEqual([self.stored(1, "kind"), self.stored(2, "kind")], ["assistant_out", "user_in"])

    def test_messages_that_cannot_be_looked_up_count_as_unknown(self):
        self.know(1, "old")
        self.tell(find_keys_by_message_ids__raises="")
        self.run_backfill({"name": "discord", "history": {"c1": [message(1, "new")]}}, summary="1 new messages cached")
        self.assertEqual(self.stored(1), "new")

    def test_where_embeddings_cannot_be_checked_every_known_text_is_enqueued(self):
        self.know(1, "hello")
        self.tell(has_real_embedding_many__raises="")
        self.run_backfill({"name": "discord", "history": {"c1": [message(1, "hello")]}})
        self.assertEqual(self.enqueued(), [["msg:m1", "hello"]])

    def test_a_queue_that_fails_leaves_the_channel_done(self):
        self.tell(enqueue_many__raises="the queue is full")
        self.run_backfill(
            {"name": "discord", "servers": [GUILD], "history": {"c1": [message(1, "hello")]}},
            summary="complete: 1 channels, 1 new messages cached, 0 embeddings",
        )

    def test_a_message_that_cannot_be_stored_does_not_harm_the_others(self):
        history = [message(1, "cannot be stored"), message(2, "there"), message(3, "")]
        self.run_backfill(
            {"name": "discord", "servers": [GUILD], "history": {"c1": history}},
            summary="complete: 1 channels, 2 new messages cached, 1 embeddings",
        )
        self.assertEqual(self.enqueued(), [["msg:m2", "there"]])


if __name__ == "__main__":
    unittest.main()
