"""How many segments a text takes (FACTS, "Text encoding")."""

import pytest

from messaging.simulator.segments import count_segments


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # 306 units, but the euro sign is not split
        ("Ç" * 160, 1),
        ("ç" * 70, 1),
        ("ç" * 71, 2),
        ("👍" * 35, 1),
        ("👍" * 36, 2),
        ("👍" * 67, 3),  # 33 in each of 67 units: a pair is not split
    ],
)
def test_count(body: str, segments: int) -> None:
    assert count_segments(body) == segments
