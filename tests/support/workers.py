"""Functions that other processes call."""

import os
import signal
import threading


def ends(x):
    """Ends its process, as the system does where memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


class Lock:
    """Does not travel."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, x):
        return x
