"""A journal that is as hard to read as we can make it, in export format: what belongs to some units, and what only
looks so."""

import random

UNIT = "stargazer.service"
COREDUMP = "fc2e22bc6ee647b6b90729ab34a250b1"
MANAGER = [("_PID", "1"), ("_SYSTEMD_CGROUP", "/init.scope"), ("_UID", "0")]
FIRST_USEC = 1_790_000_000_000_000
BOOTS = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"]

# What systemd 257 takes for the unit's when it reads a directory, and 252 and the feed do not: anybody can send it.
FORGED_CORE = "a core dump that a user reports"


def of_unit(message, unit=UNIT, *more):
    return [("_SYSTEMD_UNIT", unit), ("MESSAGE", message), ("_UID", "1000"), ("_PID", "42"), *more]


def values():
    """Messages, each the whole difficulty of one entry."""
    yield from ["", " ", "plain", "two\nlines", "\n", "\n\n\n", "tab\t", 'quote " back\\slash / slash', "\\u0041 \\n"]
    yield from ["gr\u00fc\u00df \U0001f680", "\u2028\u2029", "\ufeff", "\u00a0", "e\u0301", "\u202e right to left"]
    yield from [bytes([byte]) for byte in [*range(32), 127, *range(128, 256)]]
    yield from [b"a" + bytes([byte]) + b"b" for byte in range(256)]
    yield from [chr(point).encode() for point in (0x80, 0x85, 0x9F, 0xA0, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFDCF, 0xFDD0,
                                                  0xFDEF, 0xFDF0, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFE, 0x10FFFD,
                                                  0x10FFFF)]
    yield from [b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf8\x88",
                b"\xc3", b"\xe2\x82", b"\xf0\x9f\x9a", b"ok \xff\xfe", b"\x1b[31mred\x1b[0m", b"cr\r\n", b"nul\0nul"]
    for size in (4086, 4087, 4088, 4089, 5000, 128_757):
        yield from ["x" * size, b"\xff" * size, "\u00fc" * (size // 2)]
    yield "m" * 5_000_000
    yield b"\x01" * 5_000_000


def fields():
    """Entries of the unit whose fields are the difficulty."""
    yield of_unit("empty field", UNIT, ("EMPTY", ""))
    yield of_unit("repeated", UNIT, ("TAG", "one"), ("TAG", "two"), ("TAG", b"\x01"), ("TAG", "x" * 5000))
    yield of_unit("repeated and equal", UNIT, ("TAG", "same"), ("TAG", "same"))
    yield of_unit("repeated message", UNIT, ("MESSAGE", "the second"), ("MESSAGE", b"\xff"))
    yield of_unit("many fields", UNIT, *((f"FIELD_{number}", f"{number}") for number in range(800)))
    yield of_unit("wide", UNIT, *((f"WIDE_{number}", b"\x02" * 4000) for number in range(8)))
    yield of_unit("a long name", UNIT, ("N" * 64, "64"))
    yield of_unit("source time", UNIT, ("_SOURCE_REALTIME_TIMESTAMP", "1"), ("_SELINUX_CONTEXT", "unconfined\n"))
    yield [("_SYSTEMD_UNIT", UNIT), ("NO_MESSAGE", "here")]
    for priority in range(8):
        yield of_unit(f"priority {priority}", UNIT, ("PRIORITY", str(priority)))
    for priority in ("", "8", "-1", "x"):
        yield of_unit(f"priority {priority!r}", UNIT, ("PRIORITY", priority))


def about(unit):
    """What others say about a unit, and what only claims to."""
    yield MANAGER + [("UNIT", unit), ("MESSAGE", "Started it.")]
    yield [("MESSAGE_ID", COREDUMP), ("_UID", "0"), ("COREDUMP_UNIT", unit), ("MESSAGE", "dumped core"),
           ("COREDUMP_STACK", "#0\n#1\n")]
    yield [("_UID", "0"), ("OBJECT_SYSTEMD_UNIT", unit), ("MESSAGE", "Suppressed 12500 messages"), ("N_DROPPED", "1")]
    yield of_unit("a process tells of another", "other.service", ("OBJECT_SYSTEMD_UNIT", unit), ("OBJECT_PID", "7"))
    yield [("_PID", "77"), ("_SYSTEMD_CGROUP", "/x"), ("UNIT", unit), ("_UID", "1000"), ("MESSAGE", "forged start")]
    yield [("MESSAGE_ID", COREDUMP), ("_UID", "1000"), ("COREDUMP_UNIT", unit), ("MESSAGE", FORGED_CORE)]
    yield [("_UID", "0"), ("COREDUMP_UNIT", unit), ("MESSAGE", "no core dump")]
    yield [("_UID", "1000"), ("OBJECT_SYSTEMD_UNIT", unit), ("MESSAGE", "forged object")]
    yield [("_UID", "1000"), ("SYSTEMD_UNIT", unit), ("MESSAGE", "forged without underscore")]
    yield [("_SYSTEMD_USER_UNIT", unit), ("_SYSTEMD_UNIT", "user@1000.service"), ("MESSAGE", "the user's of that name")]
    yield [("USER_UNIT", unit), ("_UID", "1000"), ("MESSAGE", "the user's manager")]


OTHER_UNITS = ["stargazer-web.service", "stargazer-web@1.service", "stargazer-\\x2d.service", "stargazer.timer",
               "stargazer2.service", "xstargazer.service", "Stargazer.service", "other.service", "session-1.scope"]


def neighbours():
    for unit in OTHER_UNITS:
        yield of_unit(f"of {unit}", unit)
        yield from about(unit)
    yield of_unit("in the slice", "inner.service", ("_SYSTEMD_SLICE", "stargazer.slice"))
    yield of_unit("in a slice below", "inner.service", ("_SYSTEMD_SLICE", "stargazer-low.slice"))
    yield [("MESSAGE", "of no unit")]


def random_entries(seed, count):
    """Fields of random bytes, some of them in UTF-8, of all units."""
    source = random.Random(seed)
    for _ in range(count):
        entry = of_unit(f"random {seed}", source.choice([UNIT] * 3 + OTHER_UNITS))
        for _ in range(source.randrange(8)):
            name = "".join(source.choice("ABCDEFGHIJ_") for _ in range(source.randrange(1, 4)))
            if source.random() < 0.5:
                value = source.randbytes(source.randrange(40))
            else:
                points = [9, 10, 27, 34, 47, 92, 127, 0x9F, 0xFF, 0x1F600, *range(97, 107)]
                value = "".join(chr(source.choice(points)) for _ in range(source.randrange(40)))
            entry.append(("F" + name, value))
        yield entry


def all_entries(seed):
    """Mixed, so that a unit's entries stand between those of others."""
    entries = [of_unit(value) for value in values()]
    entries += [*fields(), *about(UNIT), *neighbours(), *random_entries(seed, 500)]
    random.Random(seed).shuffle(entries)
    return entries


def export(entries, first_number):
    """The export format. The first half of the numbers is of one boot, the rest of the next."""
    text = []
    for number, entry in enumerate(entries, first_number):
        head = [("__REALTIME_TIMESTAMP", str(FIRST_USEC + number * 1000)),
                ("__MONOTONIC_TIMESTAMP", str(1_000_000 + number * 1000)), ("_BOOT_ID", BOOTS[number >= 500])]
        for name, value in head + entry:
            data = value if isinstance(value, bytes) else value.encode()
            if data.isascii() and data.decode().isprintable():
                text.append(b"%s=%s\n" % (name.encode(), data))
            else:
                text.append(b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data))
        text.append(b"\n")
    return b"".join(text)
