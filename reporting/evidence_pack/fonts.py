"""Letters for the PDF. What can't be drawn is spelled out, so that nothing vanishes and nothing is guessed.

A character is drawn in the first of these fonts that has it: the TrueType files of EVIDENCE_FONTS, else those that are
installed in the usual places (DejaVu, Noto, Liberation); the one that reportlab brings (Latin); for Chinese, Japanese
and Korean the fonts that PDF readers bring themselves. A character without a font, and one that can't be seen or that
turns the direction of writing, stands there by its number and name: [U+1F44D THUMBS UP SIGN].

The letters of a line are drawn from left to right, each by itself. For scripts that need more, ``is_faithful`` is False
and the page says so; the ZIP has the exact text.
"""

import functools
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from django.conf import settings
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont

REGULAR, BOLD, MONO = "Optline", "Optline-Bold", "Optline-Mono"
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")
# In the order in which they are asked; of each the first file that is there.
_USUAL = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "arial.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoSansEthiopic-Regular.ttf",
    "NotoSansSymbols-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
)
_BOLD = ("DejaVuSans-Bold.ttf", "NotoSans-Bold.ttf", "LiberationSans-Bold.ttf", "arialbd.ttf")
# In the script of which reader's font a character of these blocks is drawn; Chinese has what none of the others has.
_READERS = (
    ("HYSMyeongJo-Medium", ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7A3))),
    ("HeiseiMin-W3", ((0x3040, 0x30FF), (0xFF61, 0xFF9F))),
    ("STSong-Light", ((0x3000, 0x303F), (0x4E00, 0x9FFF), (0xFF01, 0xFF5E))),
)
# Not drawn letter by letter from left to right: their letters join, change places or stack.
_JOINED = ((0x0590, 0x08FF), (0x0900, 0x109F), (0x1780, 0x17FF), (0xFB1D, 0xFDFF), (0xFE70, 0xFEFE))


@functools.cache
def _fonts() -> tuple[tuple[str, frozenset[int]], ...]:
    """Name and characters of each TrueType font, in the order in which they are asked. Registers them on first use."""
    found = []
    for path in [*map(Path, settings.EVIDENCE_FONTS), *_installed(_USUAL), Path("Vera.ttf")]:
        name = f"Optline-{len(found)}" if found else REGULAR
        try:
            font = TTFont(name, str(path))
        except (TTFError, OSError):
            continue  # one that is missing or of another kind; the next has most of its letters
        pdfmetrics.registerFont(font)
        found.append((name, frozenset(font.face.charToGlyph)))
    for name, path in ((BOLD, next(_installed(_BOLD), Path("VeraBd.ttf"))), (MONO, Path("Vera.ttf"))):
        pdfmetrics.registerFont(TTFont(name, str(path)))
    for name, _ in _READERS:
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return tuple(found)


def _installed(names: tuple[str, ...]) -> Iterator[Path]:
    there: dict[str, Path] = {}
    for folder in _FOLDERS:
        for path in Path(folder).rglob("*.ttf"):
            there.setdefault(path.name, path)
    return (there[name] for name in names if name in there)


def prepare() -> None:
    """Register the fonts; before anything is drawn in them."""
    _fonts()


def markup(text: str, bold: bool = False) -> str:
    """``text``, whatever is in it, as a reportlab paragraph draws it. Line breaks stay."""
    parts = []
    for font, run in groupby((char for char in text.replace("\r\n", "\n")), key=_font_of):
        letters = "".join(run)
        if font == "":
            parts.append("".join(_spelled(char) for char in letters))
        elif font == REGULAR:
            parts.append(escape(letters).replace("\n", "<br/>"))
        else:
            parts.append(f'<font name="{font}">{escape(letters)}</font>')
    return "".join(parts)


@functools.lru_cache(maxsize=4096)
def _font_of(char: str) -> str:
    """'' where it has to be spelled out."""
    if char in "\n ":
        return REGULAR
    if unicodedata.category(char)[0] in "CZ" and char != "\u00a0":
        return ""
    for name, characters in _fonts():
        if ord(char) in characters:
            return name
    return next((name for name, blocks in _READERS if _is_in(char, blocks)), "")


def _spelled(char: str) -> str:
    return f"[U+{ord(char):04X}{' ' if (name := unicodedata.name(char, '')) else ''}{name}]"


def is_faithful(text: str) -> bool:
    """False where letters join or run from right to left, which is not drawn here."""
    return not any(_is_in(char, _JOINED) for char in text)


def _is_in(char: str, blocks: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(char) <= last for first, last in blocks)
