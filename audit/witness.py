"""The witness: where each stream ended when somebody last looked, in a file the database's administrators cannot write.

The database alone cannot show that a trail was cut together with the stream's earlier, properly signed row.
"""

import json
from collections.abc import Mapping
from pathlib import Path

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


def write(path: Path, heads: Mapping[int, Head]) -> None:
    """Replace the file in one step: a crash leaves the old one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(heads))
    draft.replace(path)


def advance(path: Path) -> None:
    """Note where the streams end now. One that ends earlier than it did keeps its old end: `verify_audit` finds it."""
    seen = read(path)
    heads = {pk: Head(seq, bytes(mac).hex()) for pk, seq, mac in AuditStream.objects.values_list("pk", "seq", "mac")}
    ahead = {pk: head for pk, head in heads.items() if pk not in seen or head.seq > seen[pk].seq}
    if ahead:
        write(path, seen | ahead)
