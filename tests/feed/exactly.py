"""Judges what a consumer saw: nothing left out, and repeated only what a strike excuses."""

import dataclasses


@dataclasses.dataclass
class Strike:
    """The daemon or Redis was killed. What came after entry `kept` may come once more; -1: all may."""

    what: str
    kept: int


@dataclasses.dataclass
class Verdict:
    troubles: list = dataclasses.field(default_factory=list)
    messages: int = 0
    repeated: int = 0  # entries that came again
    longest: int = 0  # most of them after one strike


def steps_back(numbers):
    """(the number before, the number after) wherever the order is not one by one."""
    before = None
    for number in numbers:
        if before is not None and number != before + 1:
            yield before, number
        before = number


def judge(numbers, strikes, first=None):
    """`first`: the number with which all begins, if that is known. A strike excuses one step back, in their order."""
    verdict = Verdict(messages=len(numbers))
    if first is not None and (not numbers or numbers[0] != first):
        verdict.troubles.append(f"begins with {numbers[0] if numbers else 'nothing'}, not with {first}")
    left = list(strikes)
    for before, after in steps_back(numbers):
        if after > before:
            verdict.troubles.append(f"{after - before - 1} entries after {before} are left out")
            continue
        verdict.repeated += before - after + 1
        verdict.longest = max(verdict.longest, before - after + 1)
        while left and left[0].kept >= after:
            left.pop(0)
        if left:
            left.pop(0)
        else:
            verdict.troubles.append(f"entries {after} to {before} are repeated without a reason")
    return verdict
