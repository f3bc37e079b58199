"""How far two words are apart: letters put in, left out, changed or swapped."""

from __future__ import annotations


def distance(one: str, other: str, most: int) -> int:
    """Return the number of slips between two words; ``most`` + 1 if there are more.

    Optimal string alignment: a swap of two neighbours is one slip.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, char in enumerate(one, 1):
        older, before, row = before, row, [at]
        for to, wanted in enumerate(other, 1):
            cost = before[to - 1] + (char != wanted)
            cost = min(cost, before[to] + 1, row[to - 1] + 1)
            swapped = to > 1 and at > 1 and one[at - 2] == wanted
            if swapped and char == other[to - 2]:
                cost = min(cost, older[to - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
