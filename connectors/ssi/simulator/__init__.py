"""An SSI server: the real protocol, a synthetic market day, and the truth about what it sent.

In ``core``, without I/O:

- ``universe``: what is listed. ``market``: the day, made from ``stories``, ``paths``, ``listing_day``, ``foreigners`` and
  ``indices``.
- ``records``: what the exchanges say. ``wire``: how SSI writes it.
- ``rest``, ``tokens``, ``hub``: the protocol. ``playback_clock``: market time.
- ``truth``: what ``/sim/*`` answers.

Around it: ``server`` and ``hub_socket`` have the sockets, ``playback`` sends what falls due, ``faults`` says what can be made to
go wrong.

It shares no code with the connector's decoder: they are two independent readings of one protocol.
"""
