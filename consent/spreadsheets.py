"""What spreadsheets do with the files we give to people. Pure."""

# A cell that begins with one of these is run as a formula by some spreadsheet. Numbers in E.164 begin with + too, but
# hold nothing but digits, which no spreadsheet can run.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def guarded(value: str) -> str:
    """``value`` with an apostrophe before it where a spreadsheet would run it."""
    return f"'{value}" if value.startswith(FORMULA) else value
