from stand_in import call


async def summarise_all_active(*, redis):
    return call("summarise_all_active", [], {"redis": redis}, {"channels_processed": 4})
