"""A flow told as a person would read it, from the simulator's log and the API's answers alone. Times are UTC."""

import datetime as dt
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from consent.vocabulary import RequestState, Status
from messaging.demo.flow import Event, Flow, View, in_words, kind_of

WIDTH = 116


def told(flow: Flow) -> str:
    """The flow's story, and at its end ✓ or what differs."""
    lines = [f"Flow {flow.number} · {flow.mode} · {flow.title}", ""]
    before: Event | View | None = None
    for part in flow.story:
        if isinstance(before, View) or (before and isinstance(part, View)):
            lines.append("")
        lines += _event(part) if isinstance(part, Event) else _view(part)
        before = part
    lines += ["", *(f"  ✗ {difference}" for difference in flow.differences or ())]
    return "\n".join(lines + ([] if flow.differences else ["  ✓ as specified"])) + "\n\n"


def _event(event: Event) -> Iterator[str]:
    yield from _wrapped(f"  {event.at:%H:%M:%S}  {event.what}: ", f"“{event.words}”", 12)
    if event.outcome:
        yield from _wrapped(" " * 12 + "→ ", event.outcome, 14)


def _view(view: View) -> Iterator[str]:
    for name, thread in view.threads.items():
        yield f"    What {name} sees of {view.contact.name} on {view.line.name}" + ("" if thread else ": nothing")
        for entry in thread:
            yield from _wrapped("      · ", _entry(entry), 8)
    yield f"    {view.contact.name} on {view.line.name}: {_state(view.state)}"


def _entry(entry: Mapping[str, Any]) -> str:
    if entry["type"] == "notice":
        return entry["text"]
    marks = "".join(f", {mark}" for mark in entry["marks"])
    if entry["direction"] == "in":
        return f"{kind_of(entry)}{marks}: “{entry['body']}”"
    ordinary = entry["purpose"] == "ordinary"
    whose = f"{entry['author']}'s text" if ordinary else in_words(entry["purpose"])
    why = f" ({entry['reason']['text']})" if entry["reason"] else ""
    # What an automatic text said stands above already, where it reached the phone.
    words = f": “{entry['body']}”" if ordinary else ""
    return f"{whose}, {entry['status']}{marks}{words}{why}"


def _state(state: Mapping[str, Any]) -> str:
    since = f" since {dt.datetime.fromisoformat(state['since']):%d %b %Y, %H:%M}" if state["since"] else ""
    told_how = ", told how to stop" if state["told_how_to_stop"] else ""
    review = ", under review" if state["under_review"] else ""
    request = RequestState(state["request"]).label
    return f"{Status(state['status']).label}{since}{told_how}{review}; request: {request}"


def _wrapped(start: str, words: str, indent: int) -> list[str]:
    """Words after their start, wrapped; a line break within them stays one."""
    lines: list[str] = []
    for number, paragraph in enumerate(words.splitlines() or [""]):
        first = start if number == 0 else " " * indent
        lines += textwrap.wrap(
            paragraph, WIDTH, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False
        ) or [first.rstrip()]
    return lines
