"""What an xApp is told of where it runs: whom it attaches to, with which certificate, and where it keeps what outlives it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.manager.lifecycle.descriptor import Place
from services.manager.settings import ManagerSettings


def xapp_environment(settings: ManagerSettings, place: Callable[[str], Place], kept: Path, name: str) -> dict[str, str]:
    """`RICITY_*` variables of an xApp; only those it knows, since an unknown one ends it.

    Args:
        place: what an xApp attaches to, by name.
        kept: folder, as the instances see it, of what is to be found again by the next instance.
    """
    wiring = {
        Place.RIC: {"RICITY_RIC": settings.ric},
        Place.RADIO: {"RICITY_RADIO": settings.radio, "RICITY_CRITIC": settings.critic},
        Place.CRITIC: {"RICITY_GRPC_PORT": settings.critic.rpartition(":")[2], "RICITY_OUT": str(kept / name)},
    }
    tls = settings.xapp_tls_dir
    return {
        **wiring[place(name)],
        **({"RICITY_INSECURE": "true"} if settings.insecure else {}),
        **({"RICITY_TLS_DIR": str(tls / name)} if tls else {}),
    }
