"""Processes that work for this one on all cores, and end with it, however it ends."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Final

ORPHANED: Final = 1  # the exit code of a worker whose parent is gone; nobody is left to read it


def workers(count: int) -> ProcessPoolExecutor:
    """Return a pool of so many processes. They begin anew, so that what they do does not depend on what was done here.

    A pool tells its workers to end. One whose process is killed cannot, and they would wait for ever: each holds both
    ends of the pipe that work comes by. So each watches for the end of its parent itself.
    """
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_watch_parent)


def _watch_parent() -> None:
    Thread(target=_end_with_parent, name="end with parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(ORPHANED)  # whatever is being worked out is for nobody
