from stand_in import call, stay


async def channel_heartbeat_loop(bot_runner):
    call("channel_heartbeat_loop", [bot_runner], {})
    await stay("channel_heartbeat_loop")
