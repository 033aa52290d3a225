"""Subscribes to the daemon's channels, shows each message as one line and records it for summary.py.

usage: redis_watch.py redis://HOST:PORT/DB|unix:///PATH RECORD
"""

import json
import socket
import sys
import urllib.parse

CHANNELS = ("stargazer:journal", "stargazer:observability")
COLOUR = "\033[36m" if sys.stdout.isatty() else ""
PLAIN = "\033[0m" if sys.stdout.isatty() else ""


def connect(url):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(parts.path)
        return connection
    return socket.create_connection((parts.hostname, parts.port or 6379))


def read_reply(stream):
    """One RESP2 reply; None at the end of the stream."""
    line = stream.readline()
    if not line:
        return None
    kind, rest = line[:1], line[1:].rstrip(b"\r\n")
    if kind == b"*":
        return [read_reply(stream) for _ in range(int(rest))]
    if kind == b"$":
        return stream.read(int(rest) + 2)[:-2]
    if kind == b"-":
        sys.exit(f"redis: {rest.decode(errors='replace')}")
    return rest


def shown(channel, message):
    """What a person wants to see of a message: a journal entry's text, an event's own summary."""
    if channel == "stargazer:journal":
        return f"{message.get('_SYSTEMD_UNIT', '?')}: {message.get('MESSAGE', '')}"
    return f"{message.get('event_type', '?')} {message.get('preview', '')}"


def main():
    url, record_path = sys.argv[1:]
    stream = connect(url).makefile("rwb")
    stream.write(("SUBSCRIBE " + " ".join(CHANNELS) + "\r\n").encode())
    stream.flush()
    with open(record_path, "w", encoding="utf-8", buffering=1) as record:
        while (reply := read_reply(stream)) is not None:
            if reply[0] != b"message":
                continue
            channel = reply[1].decode()
            message = json.loads(reply[2])
            record.write(json.dumps({"channel": channel, "message": message}) + "\n")
            print(f"{COLOUR}  redis {channel}: {shown(channel, message)}{PLAIN}", flush=True)


if __name__ == "__main__":
    main()
