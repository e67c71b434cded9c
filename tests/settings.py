"""Settings for type checkers and other tools that read them without servers."""

import os

for name in ("DATABASE_URL", "REDIS_SESSIONS_URL", "REDIS_QUEUE_URL", "REDIS_CACHE_URL"):
    os.environ.setdefault(f"EPICOPS_{name}", "unix:///nowhere" if "REDIS" in name else "postgresql:///nowhere")
os.environ.setdefault("EPICOPS_SECRET_KEY", "none")

from epicops.settings import *  # noqa: E402, F403
