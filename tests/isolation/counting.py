"""A hasher that counts: what it costs to say no must be the same whoever was asked for."""

from collections import Counter
from typing import ClassVar

from django.contrib.auth.hashers import MD5PasswordHasher


class CountingHasher(MD5PasswordHasher):
    """Hashes for real, and counts it. Verifying a password hashes it once too."""

    algorithm = "counting"
    calls: ClassVar[Counter[str]] = Counter()

    def encode(self, password: str, salt: str) -> str:
        """One hash."""
        self.calls["hashed"] += 1
        encoded: str = super().encode(password, salt)
        return encoded
