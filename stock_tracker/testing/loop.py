"""An event loop in a thread of its own, so that services that live in one are there for tests that do not."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """A running event loop; it ends with the ``with`` block."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.call(self._loop.shutdown_asyncgens())
        self.call(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, wait for its end, and return or raise what came of it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    @contextmanager
    def entered(self, context: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter an asynchronous context manager in the loop; it is left, by the same task, at the end of the block."""
        given: Future[T] = Future()
        over = asyncio.Event()

        async def hold() -> None:
            async with context as value:
                given.set_result(value)
                await over.wait()

        held = asyncio.run_coroutine_threadsafe(hold(), self._loop)
        either: list[Future[Any]] = [given, held]
        wait(either, return_when=FIRST_COMPLETED)
        if not given.done():
            held.result()
        try:
            yield given.result()
        finally:
            self._loop.call_soon_threadsafe(over.set)
            held.result()
