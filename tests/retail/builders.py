"""Small files, written as the origin writes them."""

from comptoir.retail.reader import COLUMNS, RetailLine, read_rows

HEADER = ",".join(COLUMNS)


def row(
    invoice: str,
    code: str = "85123A",
    quantity: int = 1,
    price: str = "2.55",
    *,
    at: str = "2011-10-03 10:00:00",
    customer: str = "17850.0",
    country: str = "United Kingdom",
    text: str = "T-LIGHT HOLDER",
) -> str:
    return f'{invoice},{code},"{text}",{quantity},{at},{price},{customer},{country}'


def lines(*rows: str) -> list[RetailLine]:
    return list(read_rows([HEADER + "\r\n", *(one + "\r\n" for one in rows)]))
