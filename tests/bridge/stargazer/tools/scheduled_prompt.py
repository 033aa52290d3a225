from stand_in import call


async def tick_scheduled_prompts(redis):
    await redis.set("tick", "was here")
    call("tick_scheduled_prompts", [redis], {})


async def cleanup_expired_prompts(redis, *, days_to_keep):
    call("cleanup_expired_prompts", [redis], {"days_to_keep": days_to_keep})
