"""What every test shares: one thread, so that figures do not depend on the machine, and reproducible properties."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy and torch read them; commands that tests start inherit them

settings.register_profile("multigan", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("multigan")

# A job in the background may have inherited that Ctrl-C is ignored; what tests start would inherit it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
