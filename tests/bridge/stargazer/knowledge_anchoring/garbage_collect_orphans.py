from stand_in import call


async def garbage_collect_orphans(graph_query, cfg):
    call("garbage_collect_orphans", [graph_query, cfg], {})
