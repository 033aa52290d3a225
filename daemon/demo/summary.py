"""Counts what the demo did, and with --judge exits with 1 when something that it promises did not happen."""

import argparse
import collections
import json
import os
import sys

# What each task of config/demo.toml is there to show: the statuses that its events may have.
EXPECTED_STATUS = {
    "heartbeat": {"ok"},
    "flaky_upload": {"error"},
    "nothing_to_do": {"ok", "skipped"},
    "crunch_a": {"ok"},
    "crunch_b": {"ok"},
    "hangs": {"error"},
}


def read_received(path):
    """The runs' statuses by task, and the number of journal entries."""
    statuses = collections.defaultdict(collections.Counter)
    journal_entries = 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            received = json.loads(line)
            if received["channel"] == "stargazer:journal":
                journal_entries += 1
            elif received["message"].get("event_type") == "scheduler_task_run":
                task, status = task_and_status(received["message"])
                statuses[task][status] += 1
    return statuses, journal_entries


def task_and_status(event):
    payload = event["payload"]
    if isinstance(payload, str):
        payload = json.loads(payload)
    return payload["task"], event["status"]


def count_lines(path):
    if not os.path.exists(path):
        return 0
    with open(path, encoding="utf-8") as file:
        return sum(1 for _ in file)


class Report:
    """Prints one line a fact and remembers which of them are not as promised."""

    def __init__(self):
        self.broken = 0

    def line(self, what, shown, kept=True):
        colour, plain = ("\033[31m", "\033[0m") if not kept and sys.stdout.isatty() else ("", "")
        print(f"{colour}   {what:<32} {shown}{'' if kept else '   <-- not as promised'}{plain}")
        self.broken += not kept


def report_runs(report, statuses):
    for task, expected in EXPECTED_STATUS.items():
        seen = statuses.get(task, {})
        shown = ", ".join(f"{count} {status}" for status, count in sorted(seen.items())) or "none"
        report.line(f"runs of {task}", shown, bool(seen) and set(seen) <= expected)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--received", required=True)
    parser.add_argument("--entries-min", type=int, default=1)
    parser.add_argument("--starts", required=True)
    parser.add_argument("--holder", required=True)
    parser.add_argument("--key-left", type=int, required=True)
    parser.add_argument("--daemon-status", type=int, required=True)
    parser.add_argument("--left-running", type=int, required=True)
    arguments = parser.parse_args()

    statuses, journal_entries = read_received(arguments.received)
    restarts = max(count_lines(arguments.starts) - 1, 0)
    report = Report()
    print("== summary")
    report_runs(report, statuses)
    report.line("restarts of stargazer_companion", restarts, restarts > 0)
    report.line("lease held while running", "yes" if arguments.holder == "demo" else "no", arguments.holder == "demo")
    report.line("lease released at the end", "no" if arguments.key_left else "yes", not arguments.key_left)
    report.line("journal entries received", journal_entries, journal_entries >= arguments.entries_min)
    report.line("exit status of the daemon", arguments.daemon_status, arguments.daemon_status == 0)
    report.line("processes left running", arguments.left_running, arguments.left_running == 0)
    return 1 if arguments.judge and report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
