from stand_in import call


def init_quota_tracking(redis_client):
    call("init_quota_tracking", [redis_client], {})


async def reload_pool():
    return call("reload_pool", [], {}, 3)


async def probe_all_keys():
    call("probe_all_keys", [], {})
