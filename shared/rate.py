"""How often somebody may ask: for what can be guessed (passwords, links), or by one key. Each process counts alone."""

from datetime import datetime, timedelta


class Rate:
    """So many requests of each key (an address, an order) within a time; what it remembers is bounded."""

    KEPT = 20_000

    def __init__(self, most: int, within: timedelta) -> None:
        self.most, self.within = most, within
        self.seen: dict[str, tuple[datetime, int]] = {}

    def full(self, key: str, now: datetime, most: int | None = None) -> bool:
        """`most`: another number for this key."""
        since, n = self.seen.get(key, (now, 0))
        return n >= (self.most if most is None else most) and now - since < self.within

    def add(self, key: str, now: datetime) -> None:
        since, n = self.seen.get(key, (now, 0))
        if now - since >= self.within:
            since, n = now, 0
        if key not in self.seen and len(self.seen) >= self.KEPT:
            self.seen = {k: v for k, v in self.seen.items() if now - v[0] < self.within}
            if len(self.seen) >= self.KEPT:
                self.seen.clear()
        self.seen[key] = since, n + 1

    def again_s(self, key: str, now: datetime) -> int:
        """Whole seconds until the key's time begins anew, at least one."""
        since, _ = self.seen.get(key, (now, 0))
        return max(1, -int((now - since - self.within).total_seconds() // 1))
