"""Passwords of tests: most tests make a user, and Argon2 is slow on purpose."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    """The production hasher with next to no work; production's own can read what it makes."""

    time_cost = 1
    memory_cost = 8  # KiB
    parallelism = 1
