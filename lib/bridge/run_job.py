"""Runs one Python job for stargazer-scheduler, which starts this file and tells it on its fd 3 what to run."""

import sys

from stargazer_bridge import runner

if __name__ == "__main__":
    sys.exit(runner.main())
