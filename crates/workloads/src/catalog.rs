//! The list of workloads, for whoever wants to know what there is.

/// One workload, as the list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The name by which the command runs it.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// A command line that shows it.
    pub example: &'static str,
}

/// Every workload of the command.
pub const CATALOG: [Entry; 4] = [
    Entry {
        name: "primes",
        about: "Search ranges for a prime; the first worker to find one stops the others",
        example: "forkyard run primes 1e12..1e13 --workers 2",
    },
    Entry {
        name: "count-primes",
        about: "Count the primes up to a limit, to see what looking at the stop flag costs",
        example: "forkyard run count-primes 1e6 --check-every 10",
    },
    Entry {
        name: "hash-files",
        about: "SHA-256 of every regular file below the paths, printed as sha256sum does",
        example: "forkyard run hash-files /usr/share/doc --payload shared --output sums.txt",
    },
    Entry {
        name: "spin",
        about: "Tasks of a given length with payloads and results of a given size",
        example: "forkyard run spin --task-us 50 --payload-bytes 1MiB --tasks 500 --against sequential",
    },
];
