"""A journal that is being written, rotated and vacuumed: real files, by systemd-journal-remote and journalctl.

Entries are numbered from 0 on. An entry's time follows from its number, and so a cursor tells which entry it is of.
"""

import glob
import re
import subprocess
import threading

import parts
import realistic

ENTRIES_PER_WRITE = 200
ENTRY = (
    f"_BOOT_ID={realistic.BOOT_ID}\n_SYSTEMD_UNIT={realistic.UNIT}\n_PID=4242\n"
    "PRIORITY=6\nSYSLOG_IDENTIFIER=stargazer\n"
).encode() + b"NUMBER=%d\nMESSAGE=observation %d of the sky\n\n"
# As journald does it: the file that is being written has always the same name, and when it is rotated one by which
# --vacuum-files tells what may go. (A reader keeps a file open whose name has gone without another taking it.)
ACTIVE = "stargazer.journal"
ARCHIVED = "stargazer@{id:032x}-{number:016x}-{time:016x}.journal"
# journal-remote begins a new file by itself after about 76,000 entries; what is rotated here has less.
ENTRIES_PER_FILE_MAX = 50_000


def at_us(number):
    return realistic.BEGAN_US + number * realistic.STEP_US


def export_entry(number):
    times = b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n" % (at_us(number), at_us(number) % 10**14)
    return times + ENTRY % (number, number)


def number_of(cursor):
    """Of the entry that a cursor names."""
    cursor_us = int(re.search(r";t=([0-9a-f]+)", cursor)[1], 16)
    number, rest = divmod(cursor_us - realistic.BEGAN_US, realistic.STEP_US)
    if rest:
        raise parts.Failure(f"no entry has the cursor {cursor}")
    return number


def file_ends(count, rotate_after):
    """The last number of each file."""
    ends = []
    for end in [*rotate_after, count - 1]:
        while end - (ends[-1] if ends else -1) > ENTRIES_PER_FILE_MAX:
            ends.append((ends[-1] if ends else -1) + ENTRIES_PER_FILE_MAX)
        ends.append(end)
    return ends


class GrowingJournal:
    """Writes `count` entries in a thread of its own, into a new file after each number of `rotate_after`, or sooner.

    It keeps at most `ahead` entries ahead of what progress() has reported, so that readers see a journal that grows.
    """

    def __init__(self, folder, count, rotate_after, ahead):
        self.folder = folder
        self.folder.mkdir()
        self.count = count
        self.ends = file_ends(count, rotate_after)
        self.place = 0  # of ends: the file that is being written
        self.ahead = ahead
        self.seen = -1
        self.error = None
        self.stopped = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._write, daemon=True)

    def start(self):
        self.thread.start()

    def stop(self):
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        self.thread.join()

    def progress(self, number):
        """That entry has been seen by a consumer, and all before it."""
        with self.changed:
            self.seen = max(self.seen, number)
            self.changed.notify_all()

    def vacuum(self):
        """Deletes the rotated files of which every entry has been seen. Answers how many went."""
        with self.changed:
            needed = sum(end > self.seen for end in self.ends[: self.place + 1])
        before = len(glob.glob(f"{self.folder}/*.journal"))
        # A file more may begin in this moment.
        command = ["journalctl", "--quiet", "--directory", self.folder, f"--vacuum-files={max(needed, 1) + 1}"]
        subprocess.run(command, check=True, capture_output=True)
        return max(0, before - len(glob.glob(f"{self.folder}/*.journal")))

    def _write(self):
        try:
            first = 0
            for place, end in enumerate(self.ends):
                with self.changed:
                    self.place = place
                self._write_file(range(first, end + 1))
                if place + 1 < len(self.ends):
                    self._archive(place, first)
                first = end + 1
        except (OSError, parts.Failure) as error:
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def _archive(self, place, first):
        name = ARCHIVED.format(id=place + 1, number=1, time=at_us(first))
        (self.folder / ACTIVE).rename(self.folder / name)

    def _write_file(self, numbers):
        path = self.folder / ACTIVE
        remote = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", realistic.JOURNAL_REMOTE, "--split-mode=none", "-o", path, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for start in range(0, len(numbers), ENTRIES_PER_WRITE):
            some = numbers[start : start + ENTRIES_PER_WRITE]
            if not self._may_write(some[-1]):
                break
            remote.stdin.write(b"".join(map(export_entry, some)))
            remote.stdin.flush()
        remote.stdin.close()
        if remote.wait() != 0:
            raise parts.Failure(f"systemd-journal-remote ended with {remote.returncode}")

    def _may_write(self, number):
        """Waits for the readers. False when it is to stop."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or number <= self.seen + self.ahead)
            return not self.stopped
