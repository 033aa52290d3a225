from stand_in import call, stay


async def dedup_loop(*, kg_manager, llm_call, config):
    call("dedup_loop", [], {"kg_manager": kg_manager, "config": config})
    call("dedup answer", [await llm_call("the same?")], {})
    await stay("dedup_loop")
