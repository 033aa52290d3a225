"""The journal of a busy chat bot, the same at each call: what the benches and long tests of the feed read.

Of 1,000 entries 700 are lines of standard output, 280 come from a logging library that tells file, line and function,
ten are tracebacks over several lines, five have colour codes, three repeat a field, one has a message of over 4 KiB,
and one is systemd's about the unit. Each has a NUMBER, from 0 on.
"""

import pathlib
import random
import subprocess

JOURNAL_REMOTE = "/lib/systemd/systemd-journal-remote"
UNIT = "stargazer.service"
BOOT_ID = "0123456789abcdef0123456789abcdef"
MACHINE_ID = "fedcba9876543210fedcba9876543210"
# Long past, so that no clock takes the entries to be from the future.
BEGAN_US = 1_750_000_000_000_000
STEP_US = 1000
ENTRIES_PER_WRITE = 2000

WORDS = (
    "message channel guild member reaction thread embed cache token model prompt reply summary graph vector memory "
    "fact lookup retry gateway shard heartbeat session queue worker batch score limit window latency digest"
).split()

COMMON = {
    "PRIORITY": "6",
    "SYSLOG_FACILITY": "3",
    "SYSLOG_IDENTIFIER": "stargazer",
    "_UID": "998",
    "_GID": "998",
    "_CAP_EFFECTIVE": "0",
    "_SELINUX_CONTEXT": "unconfined\n",
    "_COMM": "python3",
    "_EXE": "/usr/bin/python3.11",
    "_CMDLINE": "/opt/stargazer/venv/bin/python -m stargazer --config /etc/stargazer/config.toml",
    "_SYSTEMD_CGROUP": "/system.slice/stargazer.service",
    "_SYSTEMD_UNIT": UNIT,
    "_SYSTEMD_SLICE": "system.slice",
    "_SYSTEMD_INVOCATION_ID": "5f0c9a5e3b7d4c61a2f8e4d0b9c71e35",
    "_HOSTNAME": "observatory",
    "_MACHINE_ID": MACHINE_ID,
}

TRACEBACK = """Traceback (most recent call last):
  File "/opt/stargazer/bot/dispatch.py", line 214, in handle
    reply = await self.answer(message)
  File "/opt/stargazer/bot/answer.py", line 88, in answer
    return await model.complete(prompt, timeout=30)
TimeoutError: no answer to request {} within 30 s"""


def encoded(name, value):
    """A field of the export format; one with a newline or other control characters has its size before it."""
    data = value if isinstance(value, bytes) else value.encode()
    if min(data, default=32) >= 32:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


def head(at_us, boot_id=BOOT_ID):
    """What an entry begins with. Monotonic time, which gives the order within a boot, goes with the other."""
    fields = {"__REALTIME_TIMESTAMP": at_us, "__MONOTONIC_TIMESTAMP": at_us % 10**14, "_BOOT_ID": boot_id}
    return b"".join(encoded(name, str(value)) for name, value in fields.items())


def sentence(chance, words):
    return " ".join(chance.choices(WORDS, k=words))


def by_stdout(chance, number):
    message = f"[{number}] {sentence(chance, 14)}"
    return [("_TRANSPORT", "stdout"), ("_STREAM_ID", "8c5bb1a4d4dc4b0f9f0e6a1d2c3b4a59"), ("MESSAGE", message)]


def by_logger(chance, number):
    module = chance.choice(WORDS)
    return [
        ("_TRANSPORT", "journal"),
        ("MESSAGE", f"{module}: {sentence(chance, 12)} took {chance.random() * 100:.3f} ms"),
        ("CODE_FILE", f"/opt/stargazer/bot/{module}.py"),
        ("CODE_LINE", str(chance.randrange(600))),
        ("CODE_FUNC", chance.choice(WORDS)),
        ("LOGGER", f"stargazer.{module}"),
        ("THREAD_NAME", "MainThread"),
        ("_SOURCE_REALTIME_TIMESTAMP", str(BEGAN_US + number * STEP_US - 50)),
    ]


def rare(chance, number, kind):
    """`kind`: 0 to 19, in the proportions that are said above."""
    fields = by_logger(chance, number)
    if kind < 10:
        fields[1] = ("MESSAGE", TRACEBACK.format(number))
    elif kind < 15:
        fields[1] = ("MESSAGE", f"\x1b[32mINFO\x1b[0m {sentence(chance, 10)}")
    elif kind < 18:
        fields += [("TAG", chance.choice(WORDS)), ("TAG", f"request-{number}")]
    elif kind < 19:
        fields[1] = ("MESSAGE", sentence(chance, 700))
    else:
        return [("_PID", "1"), ("UNIT", UNIT), ("_TRANSPORT", "journal"), ("MESSAGE", f"{UNIT}: Consumed {number} ms.")]
    return fields


def entry(chance, number):
    kind = chance.randrange(1000)
    if kind < 700:
        fields = by_stdout(chance, number)
    elif kind < 980:
        fields = by_logger(chance, number)
    else:
        fields = rare(chance, number, kind - 980)
    common = dict(COMMON, NUMBER=str(number), _PID="4242")
    if ("UNIT", UNIT) in fields:
        common.update(_SYSTEMD_UNIT="init.scope", _SYSTEMD_CGROUP="/init.scope", _UID="0", _GID="0", _PID="1")
        fields = fields[1:]
    fields = list(common.items()) + fields
    return head(BEGAN_US + number * STEP_US) + b"".join(encoded(*field) for field in fields) + b"\n"


def write_journal(folder, count):
    """Fills the folder, which must not exist, with the journal of `count` entries."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    remote = subprocess.Popen(
        [JOURNAL_REMOTE, "--split-mode=none", "--compress=yes", "-o", folder / "stargazer.journal", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    chance = random.Random("stargazer")
    for start in range(0, count, ENTRIES_PER_WRITE):
        numbers = range(start, min(count, start + ENTRIES_PER_WRITE))
        remote.stdin.write(b"".join(entry(chance, number) for number in numbers))
    remote.stdin.close()
    if remote.wait() != 0:
        raise RuntimeError(f"systemd-journal-remote ended with {remote.returncode}")


def cached_journal(cache, count):
    """The folder with the journal of `count` entries in the folder `cache`; made at the first call only."""
    folder = pathlib.Path(cache) / f"journal-{count}"
    if not folder.exists():
        fresh = folder.with_suffix(".new")
        subprocess.run(["rm", "-rf", fresh], check=True)
        write_journal(fresh, count)
        fresh.rename(folder)
    return folder
