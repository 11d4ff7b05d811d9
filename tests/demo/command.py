"""Runs ``manage.py demo`` as people do: in a process of its own."""

import subprocess
import sys
from typing import Any

from django.conf import settings


def demo(*options: str, **popen: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", *options],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        **popen,
    )


def played(*options: str) -> tuple[int, str]:
    """Exit code and output of ``demo --once``."""
    process = demo("--once", *options)
    try:
        output, _ = process.communicate(timeout=150)
    finally:
        process.terminate()  # it ends its own children
        process.wait()
    return process.returncode, output.rstrip()
