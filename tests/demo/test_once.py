"""``manage.py demo --once``: the 17 flows through the whole stack, on the database and broker that the tests run on."""

import pytest

from messaging.demo import changes, playbook
from tests.demo.command import played


def test_all_flows_are_as_specified() -> None:
    code, output = played()
    assert output.endswith("\n17 of 17 flows as specified"), output
    assert code == 0
    assert "Traceback" not in output
    assert [number for number in range(1, 18) if f"\nFlow {number} · " not in output] == []


def test_a_changed_default_is_noticed() -> None:
    code, output = played("--only=6,16", "--set=organisation.request_limit=0")
    assert output.endswith("\n1 of 2 flows as specified; differing: 6"), output
    assert code == 1
    assert "Eva should have received Opt-in request to a contact who wrote" in output


def test_there_are_17_flows() -> None:
    assert sorted(playbook.FLOWS) == list(range(1, 18))


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ("organisation.request_limit", "write organisation.FIELD=VALUE or template.KIND=words"),
        ("line.mode=consent", "write organisation.FIELD=VALUE or template.KIND=words"),
        ("organisation.mood=good", "An organisation has no “mood”. It has: name,"),
        ("organisation.request_limit=many", "must be an integer"),
        ("organisation.mode=none", "is not a valid choice"),
        ("template.goodbye=Bye", "There is no template “goodbye”"),
        ("template.footer=Bye {who}", "“{who}” at character 5 is no variable"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_before_anything_starts(wish: str, why: str) -> None:
    with pytest.raises(changes.ChangeError, match=_literally(why)):
        changes.change(wish)


def _literally(text: str) -> str:
    return "".join(f"[{char}]" if char in ".{}()+*?" else char for char in text)


def test_the_last_line_names_what_differs() -> None:
    assert playbook.summary(17, []) == "17 of 17 flows as specified"
    assert playbook.summary(17, [5, 11]) == "15 of 17 flows as specified; differing: 5, 11"
