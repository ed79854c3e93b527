"""Several calls at once: what any layer may use. Knows nothing of what the calls do."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def all_of(tasks: Sequence[Callable[[], T]], workers: int) -> list[T]:
    """The results in order, so many at once. The first failure is raised when what had begun has ended; what had not
    begun is dropped."""
    if len(tasks) <= 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(max_workers=min(workers, len(tasks)), thread_name_prefix="together") as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
