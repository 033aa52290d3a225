from stand_in import call


async def ingest_logs_tick():
    print("reading the logs")
    call("ingest_logs_tick", [], {})
