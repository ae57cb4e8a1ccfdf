"""The benchmark suite: each command prints one JSON line and verifies what it did (docs/performance.md)."""
