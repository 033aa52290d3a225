from stand_in import call


async def run_batch_extraction(**named):
    return call("run_batch_extraction", [], named, {"entities_added": 2, "relationships_added": 3})
