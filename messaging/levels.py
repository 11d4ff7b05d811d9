"""Lines that need a firmer consent than a YES to their opt-in request gives."""

from collections.abc import Iterator

from consent.models import Line
from consent.vocabulary import LEVEL_RANK, Language, Level
from messaging.models import Template
from messaging.wordings import Kind


def asking_for_too_little() -> Iterator[tuple[Line, Level]]:
    """Each active line whose opt-in request gives too little, in its own language, and what that gives. At most two
    queries.

    On such a line a YES never lets a text leave: the gate asks for the firmer consent, which nobody can give by text.
    """
    lines = list(Line.objects.filter(active=True, required_level=Level.WRITTEN))  # no wording gives less than express
    if not lines:
        return
    wordings = Template.objects.filter(kind=Kind.REQUEST_OURS, in_use=True, current__isnull=False)
    levels = {
        (template.line_id, template.language): Level(template.current.level)
        for template in wordings.select_related("current")
        if template.current
    }
    for line in lines:
        places = [(whose, language) for language in (line.language, Language.ENGLISH) for whose in (line.pk, None)]
        given = next((levels[place] for place in places if place in levels), None)
        if given is not None and LEVEL_RANK[given] < LEVEL_RANK[line.required_level]:
            yield line, given
