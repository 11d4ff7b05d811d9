"""Imports run one way: consent ← messaging ← reporting; Twilio's SDK is known to one module (ARCHITECTURE "Layout")."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ["consent", "messaging", "reporting"]
MAY_IMPORT = {"consent": {"consent"}, "messaging": {"consent", "messaging"}, "reporting": set(APPS), "config": set()}
# "the only import of twilio (TwiML for voice beside it)"
KNOWS_TWILIO = {"messaging/provider.py", "messaging/voice.py"}
# ARCHITECTURE: these are pure functions over dataclasses.
PURE = {
    "consent/gate.py",
    "consent/phones.py",
    "consent/chain.py",
    "messaging/keywords.py",
    "messaging/lint.py",
    "messaging/rendering.py",
    "messaging/segments.py",
    "messaging/reading/__init__.py",
    "messaging/patterns.py",
    "messaging/revocation.py",
    "messaging/rulebook.py",
    "messaging/spelling.py",
    "messaging/text.py",
}


def modules(*folders: str) -> list[str]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def imported(module: str) -> Iterator[str]:
    """The dotted names a module imports, wherever in the file."""
    path = ROOT / module
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(Path(module).with_suffix("").parts[: -node.level]) if node.level else ""
            yield ".".join(part for part in (package, node.module) if part)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in {
            "import_module",
            "__import__",
        }:
            yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


@pytest.mark.parametrize("module", modules(*APPS, "config"))
def test_imports_run_one_way(module: str) -> None:
    own = Path(module).parts[0]
    apps = {name.split(".")[0] for name in imported(module)} & set(APPS)
    assert apps <= MAY_IMPORT[own], f"{module} must not import {apps - MAY_IMPORT[own]}"


@pytest.mark.parametrize("module", modules(*APPS, "config"))
def test_no_product_code_imports_the_tests(module: str) -> None:
    assert not {name for name in imported(module) if name.split(".")[0] == "tests"}


def test_only_one_module_knows_the_sdk() -> None:
    knows = {
        module for module in modules(*APPS, "config") if any(n.split(".")[0] == "twilio" for n in imported(module))
    }
    assert knows <= KNOWS_TWILIO
    assert "messaging/provider.py" in knows


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_touch_no_database(module: str) -> None:
    names = set(imported(module)) - {"django.db.models"}  # for TextChoices
    assert not {name for name in names if ".models" in name or name.startswith(("django.db", "django.conf"))}


@pytest.mark.parametrize("module", modules(*APPS, "config"))
def test_no_grab_bags(module: str) -> None:
    assert not {"utils", "helpers", "services", "managers", "common"} & set(Path(module).with_suffix("").parts)
