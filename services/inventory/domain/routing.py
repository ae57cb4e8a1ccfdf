"""Which warehouses ship an order (R-32): all that can be had, in few parcels, near, by rank; and why not others."""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from services.inventory.domain.rows import Warehouse

EXACT_UP_TO = 8
"""Up to so many warehouses the fewest parcels are found exactly; with more the fullest warehouse is taken first."""

Free = Mapping[str, Mapping[str, int]]
"""Per warehouse and SKU: so much could be taken there."""
Choice = tuple[str, str, str]


def in_order_of_preference(warehouses: Sequence[Warehouse], country: str) -> list[Warehouse]:
    """Same country first, then rank; the code breaks ties, so that the same stock always gives the same answer."""
    return sorted(warehouses, key=lambda w: (not country or w.country != country, w.rank, w.code))


def filled(codes: Sequence[str], free: Free, missing: Mapping[str, int]) -> int:
    """Pieces that these warehouses can ship together. Lines of one SKU are summed before (SC-02)."""
    total = 0
    for sku, quantity in missing.items():
        there = 0
        for code in codes:
            there += free[code].get(sku, 0)
        total += min(quantity, there)
    return total


def choose(codes: Sequence[str], held: Sequence[str], free: Free, missing: Mapping[str, int]) -> tuple[str, ...]:
    """The warehouses to take from, best first. `held` ship a parcel of this order anyway, so they cost nothing.

    `codes` are in order of preference; `free` has an entry for each.
    """
    if codes and not held and filled(codes[:1], free, missing) == sum(missing.values()) > 0:
        return (codes[0],)  # nearly always: the one that is preferred has everything
    most = filled(codes, free, missing)
    base = tuple(code for code in codes if code in held)
    if not most or filled(base, free, missing) == most:
        return base if most else ()
    others = [code for code in codes if code not in held]
    for parcels in range(1, min(len(others), 2 if len(others) > EXACT_UP_TO else len(others)) + 1):
        for more in combinations(others, parcels):
            if filled((*base, *more), free, missing) == most:
                return (*base, *more)
    chosen = list(base)
    while others and filled(chosen, free, missing) < most:
        best = max(others, key=lambda code: (filled((*chosen, code), free, missing), -others.index(code)))
        others.remove(best)
        chosen.append(best)
    return tuple(chosen)


def explain(
    ordered: Sequence[Warehouse],
    chosen: Sequence[str],
    held: Sequence[str],
    free: Free,
    limited: Collection[str],
    missing: Mapping[str, int],
    country: str,
) -> tuple[Choice, ...]:
    """Each candidate with the reason why it ships or does not; at most twenty."""
    countries = {w.code: w.country for w in ordered}
    wanted, most = sum(missing.values()), filled(chosen, free, missing)
    said: list[Choice] = []
    for w in ordered[:20]:
        can = filled((w.code,), free, missing)
        if w.code in chosen:
            why = "ships a parcel of this order anyway" if w.code in held else f"has {can} of {wanted}"
            said.append((w.code, "chosen", why))
        elif w.code in limited and not can:
            said.append((w.code, "refused", "refused to ship this order"))
        elif not can:
            said.append((w.code, "refused", "nothing free"))
        elif not chosen:
            said.append((w.code, "refused", "what is free is owed to older orders"))
        elif most > can:
            said.append((w.code, "refused", f"has only {can}: it would be one parcel more"))
        elif country and w.country != country and countries.get(chosen[0]) == country:
            said.append((w.code, "refused", "in another country"))
        else:
            said.append((w.code, "refused", "lower rank"))
    return tuple(said)
