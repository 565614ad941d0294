"""The peers' works on the pools of Python: `runner.py --peer P --method M --work W --seconds S
--deadline D`. `cargo xtask peers` runs it in a virtual environment that has loky.

P is `pool` (multiprocessing.Pool), `executor` (concurrent.futures.ProcessPoolExecutor) or `loky`
(loky.ProcessPoolExecutor); M is a start method, or `default`.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import signal
import time
from multiprocessing import shared_memory

import tasks
from measure import answer, batches, bulk, each, memory, now, ns

MEBIBYTE = 1 << 20
MEGABYTES_100 = 100_000_000
SETTLE = 0.3


def context(method):
    return multiprocessing.get_context(None if method == "default" else method)


class Pool:
    """multiprocessing.Pool; cuts the input of `map` by itself."""

    def __init__(self, workers, method):
        self.workers = workers
        self.pool = context(method).Pool(workers)

    def call(self, function, *arguments):
        return self.pool.apply(function, arguments)

    def call_within(self, deadline, function, *arguments):
        # `apply` is this without a deadline.
        return self.pool.apply_async(function, arguments).get(deadline)

    def map(self, function, items, chunk):
        return self.pool.map(function, items, chunk)

    def close(self):
        self.pool.close()
        self.pool.join()


class Executor:
    """concurrent.futures.ProcessPoolExecutor, or loky's, which has the same face."""

    def __init__(self, workers, method, make):
        self.workers = workers
        self.executor = make(workers, method)

    def call(self, function, *arguments):
        return self.executor.submit(function, *arguments).result()

    def call_within(self, deadline, function, *arguments):
        return self.executor.submit(function, *arguments).result(deadline)

    def map(self, function, items, chunk):
        if chunk is None:
            # It does not choose: as many as multiprocessing.Pool would take.
            chunk = -(-len(items) // (self.workers * 4))
        return self.executor.map(function, items, chunksize=chunk)

    def close(self):
        self.executor.shutdown()


def make_standard(workers, method):
    made = concurrent.futures.ProcessPoolExecutor
    return made(workers, mp_context=context(method))


def make_loky(workers, method):
    import loky

    kind = {} if method == "default" else {"context": method}
    return loky.ProcessPoolExecutor(workers, **kind)


PEERS = {
    "pool": Pool,
    "executor": lambda workers, method: Executor(workers, method, make_standard),
    "loky": lambda workers, method: Executor(workers, method, make_loky),
}


class Runner:
    def __init__(self, arguments):
        self.make = lambda workers: PEERS[arguments.peer](workers, arguments.method)
        self.seconds = arguments.seconds
        self.deadline = arguments.deadline

    def calls(self, make_call):
        """Times calls of a pool of one worker, one after another."""
        pool = self.make(1)
        call = make_call(pool)
        samples = batches(self.seconds, call)
        pool.close()
        return {"time": samples}

    def round_trip(self):
        def make_call(pool):
            def call():
                assert pool.call(tasks.add_one, 1) == 2

            return call

        return self.calls(make_call)

    def tiny(self, chunk):
        pool = self.make(2)

        def body(items):
            total = sum(pool.map(tasks.add_one, range(items), chunk))
            assert total == items * (items + 1) // 2

        samples = bulk(self.seconds, body)
        pool.close()
        return {"time": samples}

    def send(self, size):
        data = b"\1" * size

        def make_call(pool):
            def call():
                assert pool.call(tasks.length, data) == size + 1

            return call

        return self.calls(make_call)

    def shared(self, put_each_time):
        """100 MB that lie in shared memory; put there anew for each task, or once."""
        size = MEGABYTES_100
        data = b"\1" * size
        block = shared_memory.SharedMemory(create=True, size=size)
        block.buf[:size] = data

        def make_call(pool):
            def call():
                if put_each_time:
                    block.buf[:size] = data
                assert pool.call(tasks.three_places, block.name, size) == 3

            return call

        try:
            return self.calls(make_call)
        finally:
            block.close()
            block.unlink()

    def start(self, workers):
        def body():
            start = now()
            pool = self.make(workers)
            assert pool.call(tasks.add_one, 1) == 2
            spent = now() - start
            pool.close()
            return spent

        return {"time": each(self.seconds, body)}

    def memory(self):
        pool = self.make(2)
        pids = set()
        while len(pids) < 2:
            pids |= set(pool.map(tasks.pid_after_a_while, range(4), 1))
        time.sleep(SETTLE)
        series = memory(pids)
        pool.close()
        return series

    def crash(self):
        series, words = {}, {}

        def take(name, pool, function):
            start = now()
            try:
                pool.call_within(self.deadline, function, 1)
                words[name] = "a result"
            except (multiprocessing.TimeoutError, concurrent.futures.TimeoutError):
                words[name] = "no answer"
                return
            except Exception as error:  # whatever the peer makes of it is what is measured
                words[name] = type(error).__name__
            series.setdefault(name, []).append(ns(now() - start))

        def body():
            if "no answer" in words.values():
                return 0
            pool = self.make(1)
            assert pool.call(tasks.add_one, 1) == 2
            take("error", pool, tasks.die)
            take("next", pool, tasks.add_one)
            if "no answer" not in words.values():
                pool.close()
            return 0

        each(self.seconds, body)
        return series, words


def run(arguments):
    runner = Runner(arguments)
    works = {
        "round-trip": runner.round_trip,
        "tiny-one": lambda: runner.tiny(1),
        "tiny-best": lambda: runner.tiny(None),
        "bytes-1m": lambda: runner.send(MEBIBYTE),
        "bytes-100m": lambda: runner.send(MEGABYTES_100),
        "shared-100m": lambda: runner.shared(False),
        "put-100m": lambda: runner.shared(True),
        "start-one": lambda: runner.start(1),
        "start-two": lambda: runner.start(2),
        "crash": runner.crash,
        "memory": runner.memory,
    }
    result = works[arguments.work]()
    if isinstance(result, tuple):
        answer(*result)
    else:
        answer(result)
    if arguments.work == "crash":
        # A pool that hangs cannot be closed; its workers go as this process goes.
        for child in multiprocessing.active_children():
            child.kill()
        os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--method", default="default")
    parser.add_argument("--work", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--deadline", type=float, required=True)
    run(parser.parse_args())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    main()
