from stand_in import call, stay


async def org_loop(*, kg_manager, llm_call, config):
    call("org_loop", [], {"kg_manager": kg_manager, "config": config})
    call("org answer", [await llm_call("a hub?")], {})
    await stay("org_loop")
