from stand_in import call


async def scheduled_lint_public_and_opt_in(service):
    call("scheduled_lint_public_and_opt_in", [service], {})
