"""Runs of a program as the source would make them: asyncio tasks, each starting a subprocess and waiting for its end.

Like the daemon it reads what the program writes, ends it after a timeout, and logs each end to stderr.

Usage: runs_source_way.py CONCURRENCY SECONDS PROGRAM

Prints how many have ended a second, and the processor time of this process for each, in microseconds.
"""

import asyncio
import logging
import sys
import time

PIPE = asyncio.subprocess.PIPE
TIMEOUT_S = 3600


async def loop(program, end, ended):
    while time.monotonic() < end:
        process = await asyncio.create_subprocess_exec(program, stdout=PIPE, stderr=PIPE)
        await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        logging.info("%s ended with %s", program, process.returncode)
        ended.append(None)


async def main(concurrency, seconds, program):
    began, ended = time.monotonic(), []
    await asyncio.gather(*(loop(program, began + seconds, ended) for _ in range(concurrency)))
    print(f"{len(ended) / (time.monotonic() - began):.3f} {time.process_time() * 1e6 / len(ended):.3f}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
