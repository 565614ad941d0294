"""How samples are taken and answered: what common.rs is for the runners in Rust, line by line."""

import json
import time

FEWEST_SAMPLES = 3
MOST_SAMPLES = 40

now = time.perf_counter


def ns(seconds):
    return seconds * 1e9


def each(seconds, body):
    """Nanoseconds of each run of `body`, which says itself how many seconds what counts took; the
    first run is the warm-up and does not count."""
    body()
    start = now()
    samples = []
    while len(samples) < FEWEST_SAMPLES or (
        len(samples) < MOST_SAMPLES and now() - start < seconds
    ):
        samples.append(ns(body()))
    return samples


def timed(body):
    start = now()
    body()
    return now() - start


def batches(seconds, body):
    """Nanoseconds of one run of `body`, in batches: as many runs in each as take a fortieth of the
    time. Half the time again is the warm-up, which finds out how many that are."""
    start = now()
    runs = 0
    while runs == 0 or now() - start < seconds / 2:
        body()
        runs += 1
    one = (now() - start) / runs
    batch = max(int(seconds / MOST_SAMPLES / one), 1)

    def run():
        for _ in range(batch):
            body()

    return [sample / batch for sample in each(seconds, lambda: timed(run))]


def bulk(seconds, body):
    """Nanoseconds per item of `body(items)`, of so many items that it takes a third of the time.
    Finding that out is the warm-up."""
    items = 1000
    while timed(lambda: body(items)) < seconds / 3:
        items *= 2
    return [sample / items for sample in each(seconds, lambda: timed(lambda: body(items)))]


def memory(pids):
    """The memory of these processes: proportional, resident and private bytes."""
    series = {"pss": [], "rss": [], "private": []}
    for pid in pids:
        fields = {}
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as text:
            for line in text:
                name, _, rest = line.partition(":")
                if rest.strip().endswith(" kB"):
                    fields[name] = float(rest.split()[0]) * 1024
        series["pss"].append(fields["Pss"])
        series["rss"].append(fields["Rss"])
        series["private"].append(fields["Private_Clean"] + fields["Private_Dirty"])
    return series


def answer(series, words=None):
    print(json.dumps({"series": series, "words": words or {}}), flush=True)
