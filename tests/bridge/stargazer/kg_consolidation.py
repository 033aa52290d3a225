from stand_in import call


async def consolidate_graph(*, kg_manager, openrouter):
    named = {"kg_manager": kg_manager, "openrouter": openrouter}
    return call("consolidate_graph", [], named, {"merged": 2, "pruned_entities": 1})


async def decay_relationships(kg_manager):
    return call("decay_relationships", [kg_manager], {}, 7)
