"""A stand-in for Twilio: its REST calls, its webhooks over real HTTP, its block list, and phones to type on.

Nothing here leaves this machine: webhooks go only to loopback addresses and to the host of PUBLIC_URL. It shares no
code with the rest of Optline and signs by itself, so that it proves our side instead of repeating it.

- ``carrier``, ``segments``, ``signing``: what Twilio and the networks do. Pure.
- ``store``: the file that remembers messages, blocks, faults and the log. ``faults``: what is to go wrong.
- ``traffic``: a message comes in from either side. ``delivery``: webhooks and status callbacks go out.
- ``rest``, ``api``, ``page``: Twilio's REST calls; JSON for people and tests (``fields`` reads it); the phones.
- ``guard``: who may talk to it.
"""
