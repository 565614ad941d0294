"""What the workers of the peers in Python run. In a module of its own: processes that are not
forked import it by name."""

import os
import time
from multiprocessing import shared_memory


def add_one(number):
    return number + 1


def length(data):
    return len(data) + 1


def three_places(name, size):
    """Looks at three bytes of a block of shared memory."""
    block = shared_memory.SharedMemory(name=name)
    try:
        view = block.buf
        return view[0] + view[size // 2] + view[size - 1]
    finally:
        block.close()


def die(_):
    os._exit(1)


def pid_after_a_while(_):
    time.sleep(0.005)
    return os.getpid()
