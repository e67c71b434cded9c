"""Files that hold secrets."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner reads; whoever reads it meanwhile, or after a crash, has the old or the new.

    It keeps its owner: root may write it, and the processes, which are not root's, have to read it still.
    """
    draft = path.with_name(f"{path.name}.new")
    draft.touch(mode=0o600)
    if path.exists():
        os.chown(draft, path.stat().st_uid, path.stat().st_gid)
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # or a power cut may leave the new name without what it names
    draft.replace(path)
