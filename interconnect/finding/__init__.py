"""Finding messages, and all that belongs to one."""
