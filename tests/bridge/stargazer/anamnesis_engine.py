from stand_in import call


async def run_anamnesis_cycle(**named):
    found = {"entities_added": 4, "relationships_added": 2, "cursor": 30, "total_store": 120, "progress_pct": 25.0}
    return call("run_anamnesis_cycle", [], named, found)
