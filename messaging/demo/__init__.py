"""Optline on one machine for newcomers: an example to look at, and the 17 flows of PRODUCT.md played and compared.

- ``servers``: an environment that nothing of this machine's settings reaches, and the processes in it.
- ``actors``: what agents and contacts can do, over HTTP and no other way. ``stage``: what stands before anybody acts.
- ``example``: what ``manage.py demo`` shows.
- ``playbook``: the flows of ``manage.py demo --once``; ``company``: where. ``changes``: a default set otherwise.
- ``flow``: one flow while it is played, and what differs from its specification. ``transcript``: how it is told.
"""
