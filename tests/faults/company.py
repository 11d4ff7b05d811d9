"""Fills the engine's database: so many opted-in contacts on so many lines. Prints the token of a program that may text.

Run by the engine: ``python -m tests.faults.company CONTACTS LINES``.
"""

import sys

import django


def main(contacts: int, lines: int) -> None:
    from django.db import transaction
    from rest_framework.authtoken.models import Token

    from tests.make import make_integrator, make_line, make_opted_in

    ours = [make_line(f"+1206555010{place}", name=f"Line {place}") for place in range(lines)]
    with transaction.atomic():
        for serial in range(contacts):
            for line in ours:
                make_opted_in(line, f"+1206{2_000_000 + serial}")
    print(Token.objects.create(user=make_integrator(*ours)).key)


if __name__ == "__main__":
    django.setup()
    main(*map(int, sys.argv[1:]))
