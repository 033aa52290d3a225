"""The journal on Redis as the source does it: journalctl's lines, each published and waited for, failures swallowed.

Usage: feed_source_way.py REDIS_SOCKET CHANNEL [JOURNALCTL_OPTION…]

The options stand for "-f -n 50": a whole directory, or nothing but what is new.
"""

import asyncio
import sys

import redis.asyncio

UNIT = "stargazer"


async def main(socket, channel, options):
    client = redis.asyncio.Redis(unix_socket_path=socket)
    process = await asyncio.create_subprocess_exec(
        "journalctl",
        "-u",
        UNIT,
        "--output=json",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        while True:
            line = await process.stdout.readline()
            if not line:
                break
            try:
                await client.publish(channel, line.decode().strip())
            except Exception:  # pylint: disable=broad-except; as in the source
                pass
    finally:
        if process.returncode is None:
            try:
                process.terminate()
            except ProcessLookupError:
                pass
        await process.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
