"""The evidence pack: all that is on record about a contact, for people (PDF) and for machines (ZIP).

``making`` makes one and records it; ``gathered`` reads what goes in, as plain data; ``proof`` is the part of the ledger
that lets a stranger verify it; ``archive`` writes the ZIP and ``paper`` the PDF. ``verify.py`` is copied into the ZIP
and checks it with nothing but Python's standard library.
"""
