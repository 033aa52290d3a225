"""Writes down when each keyspace event of a key came: a line of nanoseconds by CLOCK_MONOTONIC.

Usage: renewals.py REDIS_SOCKET CHANNEL FILE      The file is there as soon as it listens.
"""

import sys
import time

import redis


def main(path, channel, file):
    listener = redis.Redis(unix_socket_path=path).pubsub()
    listener.subscribe(channel)
    listener.get_message(timeout=None)
    with open(file, "w", encoding="ascii") as output:
        for message in listener.listen():
            if message["data"] == b"expire":
                output.write(f"{time.monotonic_ns()}\n")
                output.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
