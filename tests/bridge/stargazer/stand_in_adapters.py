"""Platform adapters that do what a JSON description says; the bridge sees no difference."""

import datetime
import types

import stargazer_bridge.backfill

DEFAULTS = {"message_id": "", "is_bot": False, "reply_to_id": "", "reactions": "", "user_name": "somebody"}


class Adapter:
    def __init__(self, description):
        self.name = description["name"]
        self._description = description
        self._polls_until_running = description.get("runs_after_polls", 0)
        if "bridge_waits_s" in description:
            stargazer_bridge.backfill.ADAPTERS_WAIT_S = description["bridge_waits_s"]
        if "bot_user_id" in description:
            self.bot_identity = {"platform": self.name, "user_id": description["bot_user_id"]}

    @property
    def is_running(self):
        self._polls_until_running -= 1
        return self._polls_until_running < 0

    async def list_servers_and_channels(self):
        if self._description.get("catalogue_fails"):
            raise OSError("the platform is down")
        return self._description.get("servers", [])

    async def fetch_history(self, channel_id, limit):
        assert limit == 100
        history = self._description.get("history", {}).get(channel_id, [])
        if history == "fails":
            raise OSError("no history")
        moment = datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc)
        return [types.SimpleNamespace(timestamp=moment, **{**DEFAULTS, **message}) for message in history]


def make_adapters(descriptions):
    return [Adapter(description) for description in descriptions]
