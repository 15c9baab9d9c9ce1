"""An SSI server: the real protocol, a market day, whatever can go wrong, and the truth about what was sent.

In ``core``, without I/O:

- ``universe``: what is listed. ``market``: the day, made from ``stories``, ``paths``, ``listing_day``, ``foreigners`` and
  ``indices``.
- ``records``: what the exchanges say. ``wire``: how SSI writes it.
- ``blocks``: the day as it is kept. ``feed``: what is said of it, on all channels. ``captured``: a day that SSI once sent.
- ``tokens``, ``quota``, ``hub``: the protocol. ``playback_clock``: market time.
- ``rest``: its answers, of the day so far (``day_so_far``) and of those before (``history``).
- ``faults``: what can go wrong, and schedules of it; ``gates`` spoil requests, ``record_faults`` and ``garble`` records.
- ``truth``, ``fault_log``, ``journal``: what ``/sim/*`` answers.

Around it: ``server`` and ``hub_socket`` have the sockets, ``playback`` sends what falls due, ``played_day`` and ``captures`` have
the files, ``faults`` strikes.

It shares no code with the connector's decoder: they are two independent readings of one protocol.
"""
