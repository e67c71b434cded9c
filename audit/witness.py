"""The witness: where each stream ended when somebody last looked, in a file the database's administrators cannot write.

The database alone cannot show that a trail was cut together with the stream's earlier, properly signed row.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from audit.archive import sync
from audit.models import AuditStream
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
    """Note these ends. Of a stream of which a later one is known that stays: a cut since then is missed by it."""
    seen = read(path)
    ahead = {pk: head for pk, head in heads.items() if pk not in seen or head.seq > seen[pk].seq}
    if ahead:
        _write(path, seen | ahead)


def _write(path: Path, heads: Mapping[int, Head]) -> None:
    """Replace the file in one step: a crash leaves the old one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")  # the nightly check and the monitor write at any time
    draft.write_text(json.dumps(heads))
    sync(draft)  # or a power cut may leave the new name without what it names
    draft.replace(path)
    sync(path.parent)
