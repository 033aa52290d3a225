def resolve_bot_speaker(adapter, _):
    return "the bot", adapter.bot_identity["user_id"]
