"""The Python side of stargazer-scheduler: runs `module:function` as a job. Standard library only, Python 3.9 and later.

A function that wants more than its arguments asks for it by a keyword-only parameter without a default: `job` is the
handle of the run (stargazer_bridge.job.Job), any name that [python.providers] knows is that object.
"""

from stargazer_bridge.errors import LeaseError, ProviderError, Skipped
from stargazer_bridge.job import Job

__all__ = ["Job", "LeaseError", "ProviderError", "Skipped"]
