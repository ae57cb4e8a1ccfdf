"""Kits: what may be one, and how one becomes lines of its components, which all other services know alone. Pure."""

from collections.abc import Callable, Iterator, Sequence

from services.order.rows import Product


def misfits(
    products: Sequence[Product], known: Callable[[str], Product | None], kits_with: Callable[[str], Sequence[str]]
) -> Iterator[tuple[int, str, str]]:
    """What is wrong with kits and components among products that are to be so: (which of them, field, reason).

    Components are goods of the catalogue and no kits. `known`: a product as it is; `kits_with`: kits that it is in.
    """
    wanted = {product.sku: product for product in products}
    for i, product in enumerate(products):
        if product.components and product.kind != "goods":
            yield i, "kind", f"{product.sku} has components, so it is goods."
        if product.components or product.kind != "goods":
            for kit in kits_with(product.sku):
                if kit not in wanted or any(of.sku == product.sku for of in wanted[kit].components):
                    reason = f"{product.sku} is a component of the kit {kit}, so it is goods and no kit itself."
                    yield i, "components" if product.components else "kind", reason
        seen: set[str] = set()
        for j, component in enumerate(product.components):
            sku = component.sku
            found = wanted.get(sku) or known(sku)
            if sku == product.sku:
                reason = f"{sku} cannot be a component of itself."
            elif sku in seen:
                reason = f"{sku} is named twice; say how many pieces there are in all."
            elif found is None:
                reason = f"{sku} is not in the catalogue."
            elif found.components:
                reason = f"{sku} is a kit itself; name its components instead."
            elif found.kind != "goods":
                reason = f"{sku} is not goods."
            else:
                reason = ""
            seen.add(sku)
            if reason:
                yield i, f"components[{j}].sku", reason
