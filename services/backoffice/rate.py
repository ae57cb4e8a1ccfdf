"""How often one address may ask for what can be guessed: passwords, links. Each process counts for itself."""

from datetime import datetime, timedelta


class Rate:
    """So many requests of each key (an address, an order) within a time; what it remembers is bounded."""

    KEPT = 20_000

    def __init__(self, most: int, within: timedelta) -> None:
        self.most, self.within = most, within
        self.seen: dict[str, tuple[datetime, int]] = {}

    def full(self, key: str, now: datetime) -> bool:
        since, n = self.seen.get(key, (now, 0))
        return n >= self.most and now - since < self.within

    def add(self, key: str, now: datetime) -> None:
        since, n = self.seen.get(key, (now, 0))
        if now - since >= self.within:
            since, n = now, 0
        if key not in self.seen and len(self.seen) >= self.KEPT:
            self.seen = {k: v for k, v in self.seen.items() if now - v[0] < self.within}
            if len(self.seen) >= self.KEPT:
                self.seen.clear()
        self.seen[key] = since, n + 1
