"""Works off a file of orders. Each is reserved, charged and shipped, or undone in reverse; a canceled
run undoes them all. The activities are those of examples/order-saga, in Rust."""

from dataclasses import dataclass, field
from datetime import timedelta

from sandglass import ActivityError, activity, cancellable, compensate, workflow

SHORT = timedelta(seconds=10)


@dataclass
class Item:
    """What is ordered, and how many."""

    sku: str
    quantity: int


@dataclass
class Order:
    """One order, a line of the orders file."""

    id: str
    customer: str
    card: str
    cents: int
    items: list[Item]
    parcels: int


@dataclass
class Report:
    """What became of a file of orders."""

    shipped: list[str] = field(default_factory=list)
    """Orders on their way to the customer."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Orders that could not be fulfilled, with the reason. Nothing of them is left."""


@activity(start_to_close=SHORT)
async def read_orders(file: str) -> list[Order]:
    """Reads a file of orders."""


@activity(start_to_close=SHORT)
async def reserve(order: Order) -> None:
    """Takes the order's items out of stock."""


@activity(start_to_close=SHORT)
async def release(order: Order) -> None:
    """Puts the order's items back."""


@activity(start_to_close=SHORT)
async def charge(order: Order) -> None:
    """Charges the customer's card."""


@activity(start_to_close=SHORT)
async def refund(order: Order) -> None:
    """Pays the money back."""


@activity(start_to_close=timedelta(minutes=10), heartbeat=5)
async def ship(order: Order) -> None:
    """Packs the order parcel by parcel and hands it over."""


@activity(start_to_close=SHORT)
async def recall(order: Order) -> None:
    """Calls the parcels back and unpacks them."""


@workflow
async def fulfill_orders(file: str) -> Report:
    """Works off the orders of a file, one after another."""
    report = Report()
    for order in await read_orders(file):
        try:
            async with cancellable():
                await fulfill(order)
        # A cancellation is not caught: the host then runs every compensation, newest first.
        except ActivityError as failure:
            report.refused.append((order.id, failure.cause.message))
        else:
            report.shipped.append(order.id)
    return report


async def fulfill(order: Order) -> None:
    """Takes one order through all its steps. If one fails, undoes those before it."""
    try:
        # Each step says how it is undone, before it is known how it goes.
        await reserve(order).compensated_by(release.call(order))
        await charge(order).compensated_by(refund.call(order))
        await ship(order).compensated_by(recall.call(order))
    except ActivityError:
        await compensate()
        raise
