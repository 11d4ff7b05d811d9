"""The admin's menu."""

SIDEBAR: list = []
