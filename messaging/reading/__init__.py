"""Reading what people write (PRODUCT "Reading what people write"): the steps in their order. Pure.

The files beside this one hold the words and rules; RULES_VERSION names their state and is stored with every decision.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

from messaging import keywords as kw
from messaging import revocation, rulebook, spelling
from messaging.keywords import Action, Keyword, Meaning, Reading
from messaging.reading.reactions import reaction
from messaging.rulebook import RULES_VERSION
from messaging.spelling import MARKS

__all__ = ["RULES_VERSION", "Reader", "every_language", "read", "reader"]

_CONVERSATION = Reading(Meaning.CONVERSATION, "conversation")
# Longer texts are sentences, not answers.
_ANSWER_WORDS = 14
_LONGEST_PHRASE = 5
# From this length on a keyword is recognised in pieces, and without a doubt with any single typo in it.
_CERTAIN_LENGTH = 6
_SURE_LENGTH = 8
_REFUSING_EMOJI = frozenset(rulebook.shared()["refusing_emoji"])


def read(text: str, keywords: Iterable[Keyword], request_open: bool = False) -> Reading:
    """What ``text`` means on a line with these active keywords, and by which rule. Never fails, touches nothing.

    Built-in words count whatever ``keywords`` holds. YES and NO come back as such, whether or not a request is open;
    a possible acceptance only while one is.
    """
    return reader(tuple(keywords)).read(text, request_open)


@lru_cache(maxsize=64)
def reader(keywords: tuple[Keyword, ...]) -> "Reader":
    """A reader for these active keywords; the same one for the same keywords."""
    return Reader(keywords)


@cache
def every_language() -> "Reader":
    """A reader for which the built-in and shipped words of all languages are active."""
    return Reader((*kw.BUILT_IN_KEYWORDS, *kw.SHIPPED_KEYWORDS))


@cache
def speller() -> spelling.Speller:
    """What mends the words of a text, for the rules of all languages."""
    rules = revocation.vocabulary()
    answers = {
        word for kind in ("courtesy", "greetings", "accepting", "refusing") for word in _singles(rulebook.answers(kind))
    }
    shipped = {word.lower() for word in [*kw.BUILT_IN, *(word for words in kw.SHIPPED.values() for word in words)]}
    return spelling.Speller(
        rules | answers | _singles(shipped), revocation.patterns_words() | {"please", "unsubscribe"}
    )


def _singles(phrases: Iterable[str]) -> set[str]:
    return {word for phrase in phrases for word in phrase.split()}


class _Phrases:
    """A set of phrases, and whether a text consists of them."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self.phrases = frozenset(" ".join(speller().words(phrase)) for phrase in phrases)
        self.starts = frozenset(phrase.split()[0] for phrase in self.phrases if phrase)

    def cover(self, words: Sequence[str]) -> list[str] | None:
        """``words`` as a row of these phrases, longest first; None where something else is among them."""
        found: list[str] = []
        at = 0
        while at < len(words):
            if words[at] not in self.starts:
                return None
            for length in range(min(_LONGEST_PHRASE, len(words) - at), 0, -1):
                phrase = " ".join(words[at : at + length])
                if phrase in self.phrases:
                    found.append(phrase)
                    at += length
                    break
            else:
                return None
        return found


@dataclass(frozen=True)
class _Answers:
    courtesy: _Phrases
    greetings: _Phrases
    accepting: _Phrases
    refusing: _Phrases
    foreign: frozenset[str]
    unmistakable: frozenset[str]
    ambiguous: frozenset[str]


@cache
def _answers() -> _Answers:
    courtesy = rulebook.answers("courtesy")
    return _Answers(
        courtesy=_Phrases(courtesy),
        greetings=_Phrases(rulebook.answers("greetings")),
        accepting=_Phrases(rulebook.answers("accepting") + courtesy),
        refusing=_Phrases(rulebook.answers("refusing") + courtesy),
        foreign=frozenset(" ".join(speller().words(word)) for word in rulebook.shared()["foreign"]),
        unmistakable=frozenset(rulebook.shared()["unmistakable"]),
        ambiguous=frozenset(rulebook.shared()["ambiguous"]),
    )


class Reader:
    """The seven steps for one set of active keywords."""

    def __init__(self, keywords: Sequence[Keyword]) -> None:
        built_in = [Keyword(word, action) for word, action in kw.BUILT_IN.items()]
        own = {keyword.word: keyword for keyword in [*built_in, *keywords]}
        self._keywords: dict[str, Keyword] = {}
        for keyword in own.values():
            action = kw.BUILT_IN.get(keyword.word) or Action(keyword.action)
            fixed = Keyword(keyword.word, action, keyword.reply)
            for key in (" ".join(_plain(keyword.word)), keyword.word):
                self._keywords.setdefault(key, fixed)
        self._outs = {key: word for key, word in self._keywords.items() if word.action == Action.OPT_OUT}
        answers = _answers()
        self._out_phrases = _Phrases([*self._outs, *answers.courtesy.phrases, *answers.greetings.phrases])
        self._singles = frozenset(key for key in self._outs if " " not in key)
        self._typos, self._slips = self._near()
        self._asleep = _Phrases(
            word for words in kw.SHIPPED.values() for word in words if words[word] == Action.OPT_OUT
        )

    def _near(self) -> tuple[dict[str, str], dict[str, str]]:
        """Typos of the opt-out keywords: those that may be one, and those that can't be anything else."""
        words = frozenset(rulebook.shared()["real_words"]["words"]) | self._singles
        fuzzy = rulebook.shared()["typos"]
        maybe: dict[str, str] = {}
        surely: dict[str, str] = {}

        def typos(written: Iterable[str], word: str) -> dict[str, str]:
            return {typo: word for typo in written if typo not in words and not speller().knows(typo)}

        for word in sorted(self._singles):
            if len(word) >= 3:
                surely.update(typos(spelling.slips(word), word))
            if word in fuzzy:
                (surely if len(word) >= _SURE_LENGTH else maybe).update(typos(spelling.neighbours(word), word))
        return maybe, surely

    def read(self, text: str, request_open: bool = False) -> Reading:
        """What ``text`` means, and by which rule."""
        typed = spelling.split(text)  # step 1
        plain = [word for word in typed if word not in MARKS]
        found = reaction(text, plain)  # step 2
        if found:
            return found
        if not plain:
            return self._wordless(text, request_open)
        keyword = self._keyword(plain, text)  # step 3
        if keyword:
            return keyword
        words = speller().correct(typed)
        said = [word for word in words if word not in MARKS]
        if len(said) <= _ANSWER_WORDS:
            answer = self._answer(plain, said)  # step 4
            if answer:
                return answer
        if _is_spaced_out(plain):
            words = speller().correct(spelling.join_letters(plain, self._singles))
        rules = revocation.rules()
        sentence = (rules.judge(said) if _is_one_by_one(words) else None) or rules.judge(words)  # steps 5 and 6
        if sentence:
            return Reading(Meaning(sentence.decision), sentence.rule)
        if request_open and len(said) <= _ANSWER_WORDS:
            return self._to_request(said)
        return _CONVERSATION

    def _keyword(self, plain: Sequence[str], text: str) -> Reading | None:
        phrase = " ".join(plain)
        keyword = self._keywords.get(phrase)
        if keyword is None and "'" in phrase and len(plain) <= _LONGEST_PHRASE:
            keyword = self._keywords.get(kw.normalise(text))
        if keyword:
            return _by_keyword(keyword, "keyword")
        if phrase == "yes":
            return Reading(Meaning.YES, "reserved:YES")
        if phrase == "no":
            return Reading(Meaning.NO, "reserved:NO")
        return None

    def _answer(self, plain: Sequence[str], said: Sequence[str]) -> Reading | None:
        """An opt-out keyword with courtesy, spaces or a typo in it; None where it is something else."""
        if _is_spaced_out(plain):
            said = speller().correct(spelling.join_letters(plain, self._singles))
        phrases = self._out_phrases.cover(said)
        if phrases is not None:
            return self._with_courtesy(phrases)
        answers = _answers()
        core = [word for word in said if word not in answers.courtesy.phrases and word not in answers.greetings.phrases]
        if len(plain) == 1:
            core = [*plain]
        if len(core) == 1:
            return self._mistyped(core[0], alone=len(said) == 1) or self._unknown(core[0])
        if len(core) == 2 and core[0] in answers.unmistakable and core[1].isdecimal() and len(core[1]) > 3:
            return Reading(Meaning.REVIEW, f"courtesy:{core[0].upper()}")
        together = "".join(core or said)
        if together in self._singles and len(together) > 3:
            sure = together in answers.unmistakable
            return Reading(Meaning.OPT_OUT if sure else Meaning.REVIEW, f"spaced:{self._outs[together].word}")
        meant = self._slips.get(together) or self._typos.get(together, "")
        if len(meant) >= _CERTAIN_LENGTH or (meant and min(map(len, said)) == 1):
            sentence = f" {' '.join(said)} "
            if not any(f" {phrase} " in sentence for phrase in self._outs):  # else what is around it means something
                return Reading(Meaning.REVIEW, f"typo:{self._outs[meant].word}")
        return None

    def _with_courtesy(self, phrases: Sequence[str]) -> Reading | None:
        outs = [self._outs[phrase] for phrase in phrases if phrase in self._outs]
        answers = _answers()
        if not outs:
            odd = [phrase for phrase in phrases if phrase in answers.ambiguous]
            return Reading(Meaning.REVIEW, f"ambiguous:{odd[0].upper()}") if odd else None
        aside = {p for p in phrases if p not in self._outs and p not in answers.courtesy.phrases}
        refused = any(before == "no" and after in self._outs for before, after in pairwise(phrases))
        if refused or (aside and answers.unmistakable.isdisjoint(phrases)):
            return Reading(Meaning.REVIEW, f"courtesy:{outs[0].word}")
        every_line = any(keyword.word in kw.STOP_EVERYWHERE for keyword in outs)
        return Reading(Meaning.OPT_OUT, f"courtesy:{outs[0].word}", outs[0].reply, every_line)

    def _mistyped(self, word: str, alone: bool) -> Reading | None:
        meant = self._slips.get(word) or self._typos.get(word) or self._stuttered(word)
        if meant is None and alone:
            alone_typos = rulebook.shared()["mistyped_alone"]
            meant = alone_typos.get(word) or alone_typos.get(spelling.without_repeats(word))
        if meant is None and not word.isalpha():  # STOP2END, STOP1
            letters = word.strip("0123456789")
            meant = letters if letters in self._singles and len(letters) > 3 else None
        if meant is None:
            return None
        sure = word in self._slips and alone
        return Reading(Meaning.OPT_OUT if sure else Meaning.REVIEW, f"typo:{self._outs[meant].word}")

    def _stuttered(self, word: str) -> str | None:
        """SSTOPP: a keyword with several of its letters doubled."""
        once = spelling.without_repeats(word)
        return once if once in self._singles and len(once) > 3 and not speller().knows(word) else None

    def _unknown(self, word: str) -> Reading | None:
        """An opt-out word of a language that is switched off here, or of one we do not speak."""
        if word in self._asleep.phrases or word in _answers().foreign:
            return Reading(Meaning.REVIEW, "opt_out_word_elsewhere")
        return None

    def _wordless(self, text: str, request_open: bool) -> Reading:
        if not _REFUSING_EMOJI.isdisjoint(text):
            return Reading(Meaning.REVIEW, "refusing.emoji")
        if request_open and any(char in rulebook.shared()["accepting_emoji"] for char in text):
            return Reading(Meaning.POSSIBLE_ACCEPTANCE, "accepting.emoji")
        return _CONVERSATION

    def _to_request(self, said: Sequence[str]) -> Reading:
        answers = _answers()
        if answers.accepting.cover(said) and answers.courtesy.cover(said) is None:
            return Reading(Meaning.POSSIBLE_ACCEPTANCE, "accepting.words")
        if answers.refusing.cover(said) and answers.courtesy.cover(said) is None:
            return Reading(Meaning.REVIEW, "refusing.words")
        return _CONVERSATION


def _is_spaced_out(words: Sequence[str]) -> bool:
    return len(words) > 2 and list(map(len, words)).count(1) > 2


def _is_one_by_one(words: Sequence[str]) -> bool:
    """True for "Stop. Texting. Me.": no two words stand together."""
    return not any(word not in MARKS and after not in MARKS for word, after in pairwise(words))


def _plain(word: str) -> list[str]:
    return [part for part in spelling.split(word) if part not in MARKS]


def _by_keyword(keyword: Keyword, rule: str) -> Reading:
    every_line = keyword.word in kw.STOP_EVERYWHERE
    return Reading(Meaning(keyword.action), f"{rule}:{keyword.word}", keyword.reply, every_line)


def decision(meaning: Meaning, request_open: bool) -> str:
    """The meaning as a decision: YES and NO answer an open request and are conversation without one."""
    if meaning in (Meaning.YES, Meaning.NO):
        answered = Meaning.OPT_IN if meaning is Meaning.YES else Meaning.OPT_OUT
        return (answered if request_open else Meaning.CONVERSATION).value
    return meaning.value
