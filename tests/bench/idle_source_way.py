"""The idle scheduler as the source writes it: one asyncio task a periodic job, sleeping, and the leader heartbeat.

Usage: idle_source_way.py REDIS_SOCKET TASK_COUNT [DELAY_S]

Every loop waits DELAY_S (default 3600) before its first run, so that nothing is due while it is measured. The heartbeat
does what the source's supervisor does every 10 s: SET NX EX 30, GET, compare-and-expire.
"""

import asyncio
import sys

import redis.asyncio

KEY = "sg:leader:supervisor"
NODE = "source-way"
RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('expire', KEYS[1], tonumber(ARGV[2])) else return 0 end
"""


async def loop(delay_s):
    await asyncio.sleep(delay_s)
    while True:
        process = await asyncio.create_subprocess_exec("/bin/true")
        await process.wait()
        await asyncio.sleep(delay_s)


async def heartbeat(client):
    while True:
        if not await client.set(KEY, NODE, nx=True, ex=30):
            holder = await client.get(KEY)
            if holder is not None and holder.decode() == NODE:
                await client.eval(RENEW, 1, KEY, NODE, "30")
        await asyncio.sleep(10)


async def main(socket, count, delay_s):
    client = redis.asyncio.Redis(unix_socket_path=socket)
    loops = [asyncio.create_task(loop(delay_s)) for _ in range(count)]
    await asyncio.gather(heartbeat(client), *loops)


if __name__ == "__main__":
    delay = float(sys.argv[3]) if len(sys.argv) > 3 else 3600.0
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), delay))
