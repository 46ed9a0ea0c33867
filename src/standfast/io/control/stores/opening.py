"""The store of plans that the configuration names."""

from contextlib import AbstractAsyncContextManager

from standfast.control.store import PlanStore
from standfast.io.control.stores.sqlite import SqlitePlanStore
from standfast.io.settings.control import ControlConfig


def open_store(control: ControlConfig) -> AbstractAsyncContextManager[PlanStore]:
    """Return the store, which is open while the context is.

    Raises:
        PlanStoreError: when it is entered: it cannot be used, and why.
    """
    return SqlitePlanStore(control.state_dir).opened()
