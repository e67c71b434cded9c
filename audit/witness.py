"""The witness: where each stream ended when somebody last looked, in a file the database's administrators cannot write.

The database alone cannot show that a trail was cut together with the stream's earlier, properly signed row.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from audit.archive import sync
from audit.models import AuditEvent, AuditStream
from audit.verify import Head


def read(path: Path) -> dict[int, Head]:
    """Return the ends of an earlier look, none before the first one; ValueError for a file that is no witness."""
    try:
        return {int(stream): Head(*head) for stream, head in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no witness file") from error


def advance(path: Path) -> None:
    """Note where the streams end now."""
    ends = AuditStream.objects.values_list("pk", "seq", "mac")
    keep(path, {pk: Head(seq, bytes(mac).hex()) for pk, seq, mac in ends})


def keep(path: Path, heads: Mapping[int, Head]) -> None:
    """Note these ends. Of a stream of which a later one is known that stays: a cut since then is missed by it.

    So does one that is no longer in the trail, however long that has grown again: it is all that tells of the cut.
    """
    seen = read(path)
    ahead = {
        pk: head
        for pk, head in heads.items()
        if pk not in seen or (head.seq > seen[pk].seq and _is_in_trail(pk, seen[pk]))
    }
    if ahead:
        _write(path, seen | ahead)


def _is_in_trail(stream: int, head: Head) -> bool:
    """Whether the row that was a stream's end is still there, or has left the database with its month."""
    macs = AuditEvent.objects.filter(stream_id=stream, seq=head.seq).values_list("mac", flat=True)
    if found := list(macs):
        return all(bytes(mac).hex() == head.mac for mac in found)
    return AuditStream.objects.filter(pk=stream, kept_from__gt=head.seq).exists()


def _write(path: Path, heads: Mapping[int, Head]) -> None:
    """Replace the file in one step: a crash leaves the old one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")  # the nightly check and the monitor write at any time
    draft.write_text(json.dumps(heads))
    sync(draft)  # or a power cut may leave the new name without what it names
    draft.replace(path)
    sync(path.parent)
