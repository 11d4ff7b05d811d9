"""What decided how a text was read, in plain English. Pure."""

_SENTENCES = {
    "keyword": "The whole text is the keyword {word}.",
    "reserved": "The whole text is {word}, which answers an opt-in request.",
    "courtesy": "Around {word} there is nothing but courtesy.",
    "typo": "It looks like {word}, mistyped.",
    "spaced": "It is {word} with spaces in it.",
    "ambiguous": "“{word}” may be meant as a word that opts out.",
    "provider": "The provider read it as {word}.",
    "accepting.words": "It sounds like a yes, but is not exactly YES.",
    "accepting.emoji": "An emoji that may be meant as a yes.",
    "refusing.words": "It sounds like a no to the opt-in request, but is not exactly NO.",
    "opt_out_word_elsewhere": "It is a word that opts out in a language that is not switched on here.",
    "sentence_of_its_own": "One of its sentences says no more than a word that opts out.",
    "conversation": "No rule found anything in it but ordinary talk.",
    "route": "They told us {word}.",
    "reaches later lines": "It was said on another line, and is valid on this later one too.",
    "number": "{word}",
    "key": "They pressed {word} in the phone menu, which stops all texts.",
    "import": "It stood in a list that was imported.",
    "old number": "It was said with their old number and copied to this one.",
    "erased number": "It was said with this number before the contact was erased, and holds for whoever has it now.",
}
_ROUTES = {
    "call": "in a call",
    "in person": "in person",
    "e-mail": "by e-mail",
    "letter": "by letter",
    "voicemail": "by voicemail",
    "paper": "on paper",
}
_NUMBERS = {
    "deactivated": "The carrier has deactivated this number.",
    "reassigned": "This number now belongs to somebody else.",
    "not_mobile": "This number can't receive texts.",
    "opted in": "Somebody opted in from this number.",
    "wrote": "Somebody texted us from this number.",
    "officer": "An officer found out.",
}
_LANGUAGES = {"en": "English", "es": "Spanish", "fr": "French", "pt": "Portuguese"}


def why(rule: str) -> str:
    """A sentence for a rule's id as it is stored with a text. One that is not known any more is named as it is."""
    kind, _, word = rule.partition(":")
    if kind == "provider" and word.isdecimal():
        return f"The provider refused a text: code {word}."
    if kind == "route":
        word = _ROUTES.get(word, f"by another way: {word}")
    if kind == "number":
        word = _NUMBERS.get(word, word)
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(word=word)
    language, _, name = kind.partition(".")
    if language in _LANGUAGES and name:
        return f"It reads like “{name.replace('_', ' ')}” ({_LANGUAGES[language]} rule)."
    return f"The rule “{rule}”." if rule else "No rule is on record."
