"""How many texts a second are decided on one core: python -m tests.benchmarks.classify_texts [--json]

The limit is splitting the same texts into words, which every reading must do. Counted is processor time, so that
other work on the machine does not show. The bar is 20,000 a second.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

from messaging import reading, spelling
from tests.messaging.reading_corpus import texts

BAR = 20_000
RUNS = 9
TEXTS = 20_000


def per_second(read: Callable[[str], object], said: list[str]) -> float:
    """Median over several runs; the first, which compiles rules and fills memories, is not counted."""
    found = []
    for _ in range(RUNS + 1):
        start = time.process_time()
        for text in said:
            read(text)
        found.append(len(said) / (time.process_time() - start))
    return statistics.median(found[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    corpus = [labelled.text for labelled in texts()]
    # A number in each makes them differ, as texts do.
    said = [f"{corpus[i % len(corpus)]} {i}" if i % 2 else corpus[i % len(corpus)] for i in range(TEXTS)]
    decided, limit = per_second(reading.every_language().read, said), per_second(spelling.split, said)
    result = {
        "name": "classify_texts",
        "texts_per_second": round(decided),
        "limit_per_second": round(limit),
        "ratio": round(decided / limit, 3),
        "bar": BAR,
        "holds": decided >= BAR,
    }
    if args.json:
        print(json.dumps(result))
    else:
        print(f"{decided:,.0f} texts a second decided; splitting them into words alone: {limit:,.0f}")
        print(f"ratio {result['ratio']}; bar {BAR:,} a second: {'holds' if result['holds'] else 'DOES NOT HOLD'}")


if __name__ == "__main__":
    main()
