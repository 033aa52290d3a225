from stand_in import call, stay


async def sunset_loop(*, redis, redis_raw, kg_manager, llm_call, config, message_cache):
    named = {"redis": redis, "redis_raw": redis_raw, "kg_manager": kg_manager, "config": config}
    call("sunset_loop", [], {**named, "message_cache": message_cache})
    call("sunset answer", [await llm_call("the day", response_format={"type": "text"})], {})
    await stay("sunset_loop")
