"""What comes out of the feed, as two consumers see it: one of the stream, and one that is subscribed to the channel."""

import array
import contextlib
import re
import socket
import threading

import redis

import growing
import measured
import parts

STREAM = "feed-test:stream"
ENTRIES_PER_READ = 1000
BLOCK_MS = 200
RECEIVE_BYTES = 1 << 20
NUMBER = re.compile(rb'"NUMBER":"(\d+)"')


class StreamWitness:
    """Reads the stream in a thread, from its first entry on, over every restart of Redis, and trims what it has read.

    numbers: of the entries, in the order of the stream. highest: the largest n such that all up to n have come.
    """

    def __init__(self, client, on_progress):
        self.client = client
        self.on_progress = on_progress
        self.numbers = array.array("q")
        self.highest = -1
        self.error = None
        self.stopped = threading.Event()
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopped.set()
        self.thread.join()

    def wait_for(self, number, deadline_s=parts.DEADLINE_S):
        """Until all up to `number` have come. The deadline is for any progress at all."""
        with self.changed:
            while self.highest < number and self.error is None:
                before = self.highest
                if not self.changed.wait_for(lambda: self.highest > before or self.error, deadline_s):
                    raise parts.Failure(f"entry {self.highest + 1} does not come")
        if self.error is not None:
            raise parts.Failure(f"the reader of the stream has failed: {self.error}")

    def _read(self):
        last = "0"
        try:
            while not self.stopped.is_set():
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    found = self.client.xread({STREAM: last}, count=ENTRIES_PER_READ, block=BLOCK_MS)
                    if found:
                        last = self._take(found[0][1])
                        self.client.xtrim(STREAM, minid=last)
                    continue
                self.stopped.wait(0.01)
        except Exception as error:  # pylint: disable=broad-except; handed to the thread that waits
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def _take(self, entries):
        for _, fields in entries:
            cursor = fields[b"cursor"].decode()
            number = growing.number_of(cursor)
            if f'"__CURSOR":"{cursor}"'.encode() not in fields[b"entry"]:
                raise parts.Failure(f"the cursor of entry {number} is not that of its JSON")
            if int(NUMBER.search(fields[b"entry"])[1]) != number:
                raise parts.Failure(f"entry {number} is another one's JSON")
            self.numbers.append(number)
            if number == self.highest + 1:
                self.highest = number
        with self.changed:
            self.changed.notify_all()
        self.on_progress(self.highest)
        return entries[-1][0]


class ChannelWitness:
    """Subscribes, and again whenever Redis has gone. sessions: a list of numbers for each connection."""

    def __init__(self, path, on_progress=lambda _: None):
        self.path = str(path)
        self.on_progress = on_progress  # is given the number of the last entry
        self.sessions = []
        self.stopped = threading.Event()
        self.connection = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopped.set()
        with contextlib.suppress(OSError, AttributeError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join()

    def wait_connected(self):
        parts.wait_until(lambda: self.sessions, "nobody could subscribe")

    def _read(self):
        while not self.stopped.is_set():
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as self.connection:
                self.connection.connect(self.path)
                name = measured.CHANNEL.encode()
                self.connection.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n" % (len(name), name))
                self._session()
            self.stopped.wait(0.01)

    def _session(self):
        data = self.connection.recv(RECEIVE_BYTES)
        if not data.startswith(b"*3\r\n$9\r\nsubscribe"):
            return
        numbers = array.array("q")
        self.sessions.append(numbers)
        while True:
            place = 0
            for match in NUMBER.finditer(data):
                numbers.append(int(match[1]))
                place = match.end()
            if place:
                self.on_progress(numbers[-1])
            more = self.connection.recv(RECEIVE_BYTES)
            if not more:
                return
            data = data[place:] + more
