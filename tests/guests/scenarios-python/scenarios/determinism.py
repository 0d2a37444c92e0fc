"""A workflow whose commands depend on all that might differ between two processes: the order of
collections, the time, random numbers, the bits of floating point, JSON, addresses."""

import asyncio
import json
import math
import os
import random
import secrets
import struct
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sandglass import named_activity, signals, workflow

echo = named_activity("Echo", list[str])
EARLY = random.Random()
"""Made while the component is built."""


@workflow
async def observe(rounds: int) -> list[str]:
    """In each round: observes, tells an activity what it saw, sleeps as long as that says, and
    waits for the signal `next`. Returns what it saw last."""
    seen: list[str] = []
    for round in range(rounds):
        seen = await echo(look(round))
        digest = 7
        for letter in "".join(seen):
            digest = (digest * 31 + ord(letter)) % 65_521
        await asyncio.sleep((1 + digest % 1000) / 1000)
        await signals("next").receive()
    return seen


@workflow
async def draws() -> list[float]:
    """Draws a number of each generator."""
    return [EARLY.random(), random.random()]


def look(round: int) -> list[str]:
    """What can be seen now."""
    words = {f"{n * 7 % 40}-{random.random()}": n for n in range(40)}
    texts = {f"word {n * round}" for n in range(40)}
    numbers = {n * 2.5 for n in range(40)}
    objects = {object() for _ in range(5)}
    now = datetime.now()
    later = now + timedelta(days=random.randrange(10_000), seconds=random.gauss(0, 1000))
    return [
        f"words {json.dumps(words)}",
        f"set {list(texts)} {list(numbers)}",
        f"objects {objects} {hash(object())}",
        f"hash {hash('text')} {hash((1.5, 'a'))}",
        f"now {now.isoformat()} {datetime.now(UTC)} {date.today()} {later}",
        f"clocks {time.time()} {time.monotonic_ns()} {time.perf_counter()} {time.ctime()}",
        f"zone {now.astimezone().tzname()} {time.tzname}",
        f"random {random.random()} {random.sample(range(100), 5)} {random.Random().random()}",
        f"early {EARLY.random()}",
        f"ids {uuid.uuid4()} {uuid.uuid1()} {secrets.token_hex(4)} {os.urandom(4).hex()}",
        f"floats {floats(round)}",
        f"environment {dict(os.environ)} {os.getpid()}",
    ]


def floats(round: int) -> str:
    """NaNs made in different ways, and sums that round."""
    total = 0.1
    for n in range(1, 1000):
        total = math.sin(total + 1 / n) + math.exp(-n) + math.cbrt(n) / 1e3
    made = [math.inf - math.inf, math.nan * round, total, total**7.3, math.fsum([0.1] * 10)]
    bits = " ".join(struct.pack(">d", value).hex() for value in made)
    return f"{bits} {0.1 + 0.2} {1.005:.2f} {math.tan(1e22)} {Decimal(1) / Decimal(7)}"
