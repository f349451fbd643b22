"""Work that runs ahead of who waits for it: reading one chunk further, several blocks at once, always in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from inference_backend.cancel import CancelToken

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")
_END = object()
_LOOK_S = 0.1


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
    cancel: CancelToken,
    prepare: Callable[[], None] | None = None,
) -> Iterator[_Done]:
    """`work` of each item, in order, `workers` at once and one more that is done and waits; `prepare` runs first in each thread.

    Raises Cancelled at once: what is under way is left behind.
    """
    pool = ThreadPoolExecutor(workers, "abreast", prepare)
    coming: deque[Future[_Done]] = deque()
    try:
        for item in items:
            coming.append(pool.submit(work, item))
            if len(coming) > workers:
                yield _awaited(coming.popleft(), cancel)
        while coming:
            yield _awaited(coming.popleft(), cancel)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def patient(work: Callable[[], _Done], cancel: CancelToken) -> _Done:
    """`work()`, left behind where a cancel comes before its end. Raises Cancelled."""
    pool = ThreadPoolExecutor(1, "patient")
    try:
        return _awaited(pool.submit(work), cancel)
    finally:
        pool.shutdown(wait=False)


def _awaited(coming: Future[_Done], cancel: CancelToken) -> _Done:
    while not coming.done():
        cancel.check()
        wait([coming], _LOOK_S)
    cancel.check()
    return coming.result()
