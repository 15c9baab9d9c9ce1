"""An SSI server: the real protocol, a synthetic market day, and the truth about what it sent.

- ``universe``: what is listed. ``market``: the day, made from ``stories``, ``paths``, ``tape``, ``foreigners``, ``indices``.
- ``records``: what the exchanges say. ``wire``: how SSI writes it.
- ``rest``, ``tokens``, ``hub``: the protocol, without I/O.
- ``playback``: market time. ``hub_socket``, ``server``: the sockets. ``faults``: what goes wrong on demand.
- ``truth``: what ``/sim/*`` answers.

It shares no code with the connector's decoder: they are two independent readings of one protocol.
"""
