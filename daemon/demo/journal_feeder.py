"""Writes journal entries of a make-believe stargazer.service to standard output, for systemd-journal-remote.

The format is the journal's export format: one FIELD=value a line, an empty line after each entry.
"""

import itertools
import os
import sys
import time

UNIT = "stargazer.service"
PAUSE_S = 0.25
MESSAGES = (
    "connected to the gateway as Stargazer",
    "answered a message in #lounge",
    "remembered a new fact about the night sky",
    "embedded 12 messages of #observatory",
    "looked up the next lunar eclipse",
)


def read_id(path):
    """A 128-bit id of the kernel or of the machine; all zeros and a one where the file is missing."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip().replace("-", "")
    except OSError:
        return "0" * 31 + "1"


def entry(number, boot_id, machine_id):
    fields = {
        "__REALTIME_TIMESTAMP": time.time_ns() // 1000,
        "__MONOTONIC_TIMESTAMP": time.monotonic_ns() // 1000,
        "_BOOT_ID": boot_id,
        "_MACHINE_ID": machine_id,
        "_SYSTEMD_UNIT": UNIT,
        "_PID": os.getpid(),
        "SYSLOG_IDENTIFIER": "stargazer",
        "PRIORITY": 6,
        "MESSAGE": f"{MESSAGES[number % len(MESSAGES)]} ({number + 1})",
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items()) + "\n"


def main():
    boot_id = read_id("/proc/sys/kernel/random/boot_id")
    machine_id = read_id("/etc/machine-id")
    for number in itertools.count():
        sys.stdout.write(entry(number, boot_id, machine_id))
        sys.stdout.flush()
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(0)  # the reader has gone first; there is nothing left to flush
