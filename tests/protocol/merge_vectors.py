"""Makes `docs/vectors/merge.json`: merges with their results, for other languages to repeat.

`python -m tests.protocol.merge_vectors` writes the file; a test compares it with what is computed
now. Numbers are JSON numbers whose shortest text reads back as the same float.
"""

import json
import random
from pathlib import Path

from protocol.merge import digest, median_merge, peer_merge, quantise, weight_units
from protocol.messages import QuoteParameters

PATH = Path(__file__).parents[2] / "docs" / "vectors" / "merge.json"
FRACTION = 0.25
CASES = 40


def random_set(dice, scale=1.0):
    """A valid set; a quarter of them with quantities of few units."""
    levels = dice.randint(1, 50)
    if dice.random() < 0.25:
        base = dice.randint(1, 20) / 1e8
    else:
        base = round(scale * 10 ** dice.uniform(-5, 1), 8)
    units = quantise(
        QuoteParameters(spread_percentage=1.0, levels=1, base_quantity=base, max_position=base)
    )[2]
    return QuoteParameters(
        spread_percentage=dice.randint(1, 10**9) / 1e8,
        levels=levels,
        base_quantity=units / 1e8,
        max_position=(units * levels + dice.randint(0, 10**7)) / 1e8,
    )


def near(dice, held):
    """A valid set within some sixty percent of another in every figure."""
    levels = max(1, min(50, held.levels + dice.randint(-3, 3)))
    base = round(held.base_quantity * dice.uniform(0.4, 1.6), 8) or 1e-8
    least = base * levels * 1.0000001
    return QuoteParameters(
        spread_percentage=min(10.0, round(held.spread_percentage * dice.uniform(0.4, 1.6), 8))
        or 1e-8,
        levels=levels,
        base_quantity=base,
        max_position=max(least, held.max_position * dice.uniform(0.4, 1.6)),
    )


def result(params):
    """What a merge gives: the set, its integers and its digest."""
    return {
        "params": params.model_dump(),
        "units": list(quantise(params)),
        "digest": digest(params),
    }


def document():
    """All vectors as plain values."""
    dice = random.Random(4)
    cases = []
    for _ in range(CASES):
        held = random_set(dice)
        seats = dice.randint(2, 7)
        sets = []
        for _ in range(dice.randint(0, seats)):
            params = near(dice, held) if dice.random() < 0.8 else random_set(dice)
            outcomes = dice.randint(0, 9)
            wins = dice.randint(0, outcomes)
            confidence = dice.choice([0.0, 1.0, round(dice.random(), 4)])
            weight = weight_units(confidence, wins=wins, outcomes=outcomes, seats=seats)
            sets.append(
                {
                    "params": params.model_dump(),
                    "confidence_score": confidence,
                    "wins": wins,
                    "outcomes": outcomes,
                    "weight": weight,
                }
            )
        given = [QuoteParameters(**each["params"]) for each in sets]
        weighted = [(each, row["weight"]) for each, row in zip(given, sets, strict=True)]
        cases.append(
            {
                "incumbent": held.model_dump(),
                "seats": seats,
                "fraction": FRACTION,
                "sets": sets,
                "peer": result(peer_merge(held, weighted, seats=seats, fraction=FRACTION)),
                "consensus": result(median_merge(held, given, seats=seats, fraction=FRACTION)),
            }
        )
    return {"format": 1, "rules": "PROTOCOL.md 4, protocol/merge.py", "cases": cases}


def text():
    """The file as it should be."""
    return json.dumps(document(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
