"""What a static member of a consumer group is called.

Within its session a member of the same name gets back the partitions that it had, without being asked what it subscribes to. So a
release that reads more topics than the one before would never get these, and nobody would notice. Therefore what it reads is part
of its name: where that changes it is another member, and Kafka shares out anew once the session of the one before is over.
"""

from collections.abc import Iterable
from zlib import crc32


def static_member(instance: str, topics: Iterable[str]) -> str:
    """The ``group.instance.id`` of an instance that reads ``topics``, in whatever order they are named."""
    return f"{instance}.{crc32(' '.join(sorted(topics)).encode()):08x}"
