"""Work that runs ahead of who waits for it: reading one chunk further, several blocks at once, always in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")
_END = object()


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """The same items; the next one is made in a thread of its own while the caller works on this one."""
    with ThreadPoolExecutor(1, "ahead") as worker:
        coming = worker.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = worker.submit(next, items, _END)
            yield item  # type: ignore[misc]


def abreast(
    work: Callable[[_Item], _Done],
    items: Iterable[_Item],
    workers: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[_Done]:
    """`work` of each item, in order, `workers` at once and one more that is done and waits; `prepare` runs first in each thread."""
    with ThreadPoolExecutor(workers, "abreast", prepare) as pool:
        coming: deque[Future[_Done]] = deque()
        try:
            for item in items:
                coming.append(pool.submit(work, item))
                if len(coming) > workers:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            # Who is at work looks at the token itself; who waits need not begin.
            for later in coming:
                later.cancel()
