"""The store of plans that the configuration names."""

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final

from standfast.control.store import PlanStore
from standfast.io.control.stores.etcd import EtcdPlanStore
from standfast.io.control.stores.etcd_gateway import EtcdGateway
from standfast.io.control.stores.sqlite import SqlitePlanStore
from standfast.io.roots import roots_of_probes
from standfast.io.settings.control import ControlConfig
from standfast.io.settings.control_keys import ETCD_PREFIX

ETCD_USER: Final = "STANDFAST_ETCD_USER"  # "name:password": a password belongs into no configuration


def open_store(
    control: ControlConfig, *, environ: Mapping[str, str] = os.environ
) -> AbstractAsyncContextManager[PlanStore]:
    """Return the store, which is open while the context is.

    Raises:
        PlanStoreError: when it is entered: it cannot be used, and why.
        OSError: the file of certificate authorities, or a certificate, cannot be read.
    """
    if not control.store.startswith(ETCD_PREFIX):
        return SqlitePlanStore(control.state_dir).opened()
    name, _, password = environ.get(ETCD_USER, "").partition(":")
    context = roots_of_probes(control.ca_file)
    if (shown := control.store_certificate) is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    gateway = EtcdGateway(
        control.store.removeprefix(ETCD_PREFIX).split(","),
        context=context,
        user=(name, password) if name else None,
    )
    return EtcdPlanStore(gateway).opened()
