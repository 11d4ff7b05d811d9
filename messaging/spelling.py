"""From what was typed to words that can be compared: letters, look-alikes, spaced-out letters, typos. Pure.

A word of ours is lower case, without accents and apostrophes. What ends a sentence stays as a word of its own, ".", and
what parts clauses as ",".
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from messaging import rulebook

END, PAUSE = ".", ","
MARKS = frozenset({END, PAUSE})
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.!?;,:()=–—]|(?<=\s)-(?=\s)")
_MARKS = dict.fromkeys(".!?;", END) | dict.fromkeys(",:()=–—-", PAUSE)
_DISGUISES = frozenset("$@🛑⭕")
_VOWELS = str.maketrans("", "", "aeiou")
_SOUNDS = str.maketrans("cqvz", "kkbs", "h")
_ELISION = re.compile(r"(qu|[cdjlmnst])'(.+)")
_THRICE = re.compile(r"(.)\1\1")
_RUN = re.compile(r"(.)\1+")
# Letters that French glues to the next word: menvoyez.
_ELIDED = "djlmn"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
# Long words are told from their neighbours by one letter; in short ones a letter makes another word.
_LONG = 6
_SHORT = 3
_REMEMBERED = 50_000


class _Letters(dict[int, str]):
    """For str.translate: each character as it is compared. Invisible ones and accents vanish, case goes."""

    def __missing__(self, code: int) -> str:
        self[code] = found = self._fold(chr(code))
        return found

    @staticmethod
    def _fold(char: str) -> str:
        if char.isspace() or char in "_¡¿":
            return " "
        if char in "’‘ʼ`´′＇":
            return "'"
        if char == "…":
            return "."
        if char in "œŒ":
            return "oe"
        if char in "æÆ":
            return "ae"
        if 0x1F150 <= ord(char) <= 0x1F169 or 0x1F170 <= ord(char) <= 0x1F189:  # white letters on black
            return _ALPHABET[(ord(char) - 0x1F150) % 32]
        plain = "".join(
            part for part in unicodedata.normalize("NFKD", char) if unicodedata.category(part) not in _INVISIBLE
        )
        folded = unicodedata.normalize("NFC", plain.casefold())
        return re.sub(r"[\s_]+", " ", folded)


_INVISIBLE = frozenset({"Cf", "Cc", "Mn", "Me"})
_letters = _Letters()
_look_alikes = str.maketrans(
    {letter: latin for latin, letters in rulebook.shared()["letters"].items() for letter in letters}
)
# A 1 may be either letter.
_digits = tuple(str.maketrans(rulebook.shared()["digits"] | one) for one in ({}, {"1": "l"}))
_real_words = frozenset(rulebook.shared()["real_words"]["words"])


def split(text: str) -> list[str]:
    """The words of ``text`` as typed but for case, accents and invisible characters, and the marks between them."""
    text = text.translate(_letters)
    if not _DISGUISES.isdisjoint(text):
        text = re.sub(r"(?<=[a-z])@(?=[a-z])", "a", re.sub(r"\$(?=[a-z])", "s", text))
        text = re.sub(r"(?<=[a-z])[🛑⭕]\ufe0f?(?=[a-z])", "o", text)
    return [_MARKS.get(word, word) for word in _WORD.findall(text)]


def neighbours(word: str) -> set[str]:
    """Every string one typo away: two letters swapped, one doubled, left out, added or replaced."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    left_out = {a + b[1:] for a, b in cuts if b}
    replaced = {a + letter + b[1:] for a, b in cuts if b for letter in _ALPHABET}
    added = {a + letter + b for a, b in cuts for letter in _ALPHABET}
    return (slips(word) | left_out | replaced | added) - {word}


def slips(word: str) -> set[str]:
    """The typos that leave no doubt: two letters swapped, or one doubled."""
    swapped = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    doubled = {word[:i] + word[i] + word[i:] for i in range(len(word))}
    return (swapped | doubled) - {word}


def skeleton(word: str) -> str:
    """The word without the vowels after its first letter, as hurried people write it: txtng, mnsjs."""
    return word[:1] + word[1:].translate(_VOWELS)


def sound(word: str) -> str:
    """The word as Spanish and Portuguese hear it: "kiten" is "quiten", "vaja" is "baja"."""
    return word.replace("qu", "k").translate(_SOUNDS)


def without_repeats(word: str) -> str:
    return _RUN.sub(r"\1", word)


def _shortened(word: str) -> set[str]:
    return {word} | {word[:i] + word[i + 1 :] for i in range(len(word))}


def _is_within(short: str, word: str) -> bool:
    """True if ``word`` becomes ``short`` by leaving letters out."""
    letters = iter(word)
    return all(letter in letters for letter in short)


def _one_typo_apart(a: str, b: str) -> bool:
    """One letter left out, added or replaced, or two neighbours swapped."""
    if len(a) > len(b):
        a, b = b, a
    start = 0
    while start < len(a) and a[start] == b[start]:
        start += 1
    if len(a) < len(b):
        return len(b) - len(a) == 1 and a[start:] == b[start + 1 :]
    rest_a, rest_b = a[start:], b[start:]
    return rest_a[1:] == rest_b[1:] or (rest_a[2:] == rest_b[2:] and rest_a[:2] == rest_b[1::-1])


class Speller(dict[str, str]):
    """Each word as the rules know it: ``speller[word]``. A word that no rule knows stays as it is.

    An answer may be two words ("don't" of French: "n envoyez").
    """

    def __init__(self, known: Iterable[str], forgiven: Iterable[str]) -> None:
        """``known`` are the words of all rules; ``forgiven`` those of them whose typos are recognised."""
        self._known = frozenset(known)
        self._variants = {typo: word for word, typos in rulebook.shared()["spelling"].items() for typo in typos}
        mended: list[str] = rulebook.shared()["mended"]["words"]
        self._mended_words = frozenset(mended)
        slipped = {typo: word for word in reversed(mended) for typo in slips(word)}
        glued = {
            letter + word: f"{letter} {word}" for word in rulebook.shared()["elided"]["words"] for letter in _ELIDED
        }
        self._mended = {typo: word for typo, word in (glued | slipped).items() if typo not in _real_words}
        self._skeletons: dict[str, list[str]] = {}
        self._sounds = {sound(word): word for word in reversed(mended)}
        for word in mended:
            self._skeletons.setdefault(skeleton(word), []).append(word)
        # Two words are one typo apart only if they agree after one letter is taken from either or both.
        self._shortened: dict[str, list[str]] = {}
        for word in sorted(set(forgiven)):
            if len(word) >= _LONG:
                for short in _shortened(word):
                    self._shortened.setdefault(short, []).append(word)

    def __missing__(self, word: str) -> str:
        if word.isdecimal() and word.isascii():
            return word
        if len(self) >= _REMEMBERED:
            self.clear()
        self[word] = found = self._correct(word)
        return found

    def _correct(self, word: str) -> str:
        if "'" in word:
            elided = _ELISION.fullmatch(word)
            return f"{elided[1]} {self[elided[2]]}" if elided else self[word.replace("'", "")]
        if word in self._variants:
            return self._variants[word]
        if word in self._known:
            return word
        if not word.isascii():
            latin = word.translate(_look_alikes)
            return self[latin] if latin.isascii() else word
        if not word.isalpha():
            return self._disguised(word)
        if word in self._mended:
            return self._mended[word]
        if _THRICE.search(word):
            if without_repeats(word) in self._mended_words:
                return without_repeats(word)
            for often in (r"\1\1", r"\1"):
                shorter = _RUN.sub(often, word)
                if shorter in self._known:
                    return shorter
        once = without_repeats(word)
        if once in self._variants:
            return self._variants[once]
        if len(word) > _SHORT and word not in _real_words and sound(word) in self._sounds:
            return self._sounds[sound(word)]
        return self._hurried(word) or self._forgiven(word) or word

    def _disguised(self, word: str) -> str:
        """Digits for letters ("t3xt1ng", "cance1"), where they make a word of ours, perhaps mistyped."""
        if not word.isdecimal():
            for table in _digits:
                letters = word.translate(table)
                meant = self[letters] if letters.isalpha() else ""
                if meant in self._known:
                    return meant
        return word

    def _hurried(self, typed: str) -> str | None:
        """The first word to be mended of which ``typed`` leaves out vowels: "mnsajes", "dejn"."""
        if len(typed) <= _SHORT or typed in _real_words:
            return None
        words = self._skeletons.get(skeleton(typed), ())
        return next((word for word in words if len(word) > len(typed) and _is_within(typed, word)), None)

    def _forgiven(self, typed: str) -> str | None:
        """The first word, by the alphabet, of which ``typed`` is a typo; its first letter is hardly ever mistyped."""
        if len(typed) < _LONG - 1 or typed in _real_words:
            return None
        near = {word for short in _shortened(typed) for word in self._shortened.get(short, ())}
        return min((word for word in near if word[0] == typed[0] and _one_typo_apart(typed, word)), default=None)

    def knows(self, word: str) -> bool:
        return word in self._known

    def words(self, text: str) -> list[str]:
        """``text`` as the rules read it."""
        return self.correct(split(text))

    def correct(self, words: Sequence[str]) -> list[str]:
        return " ".join(map(self.__getitem__, words)).split()


def join_letters(words: Sequence[str], meant: Iterable[str]) -> list[str]:
    """Put spaced-out letters together ("s t o p") where they make one of the words ``meant``."""
    joined: list[str] = []
    run: list[str] = []

    def close() -> None:
        word = "".join(run)
        joined.extend([word] if word in meant or word.translate(_digits[0]) in meant else run)
        run.clear()

    for word in [word for word in words if word not in MARKS]:
        if len(word) == 1:
            run.append(word)
        else:
            close()
            joined.append(word)
    close()
    return joined
