//! The page: `docs/peers.md`, written whole.

use std::fmt::Write as _;

use super::roster::{CONTESTANTS, Contestant, OURS, Unit, WORKS, Work};
use super::samples::{All, NO_ANSWER, Outcome, bytes, digits, rate, time};

/// How a run was done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) rounds: usize,
    pub(super) seconds: f64,
    pub(super) deadline: f64,
}

/// Everything that the page tells.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) terms: Terms,
    /// What the machine is and which of what was measured: names and values.
    pub(super) facts: Vec<(String, String)>,
    pub(super) all: All,
}

const HEAD: &str = "\
<!-- Written by `cargo run -p xtask -- peers`. Do not edit: every number was measured by that run. -->

# forkyard beside its peers

The same works on forkyard, on [procspawn](https://crates.io/crates/procspawn), on Python's
`multiprocessing.Pool` and `concurrent.futures.ProcessPoolExecutor`, and on
[loky](https://pypi.org/project/loky/). To measure again, on Linux:

    cargo run -p xtask -- peers

It builds what it needs, makes a virtual environment below `target/`, leaves all raw samples in
`target/peers/samples.json`, and writes this page. `--quick` is a short run, to see that all works,
and writes to `target/peers/` instead.
";

const TERMS: &str = "\
## What is compared with what

* **The work.** The function adds one to a number, or tells a length; it is the same everywhere, so
  what is measured is all around it. Results are checked.
* **The time.** Everybody has the same time for samples, not the same count: what is faster does
  more. How many operations make a sample is found out in a warm-up, which does not count, nor do the
  start and the end of the pool except where they are the work. The clock runs in the program that
  uses the pool.
* **In turns.** For each work all take their turn, then all again in the next round, and each turn is
  a process of its own; each round another begins. Shown are the median and the quartiles of all
  samples.
* **The machine is shared.** Other work may have run on it at the same time; the load when it began
  is told above. Taking turns spreads that over all, but does not take it away: with a load beyond the
  cores, figures are higher than on a quiet machine, quartiles are far apart, and ratios are coarse.
* **Encoding.** Python's pools pickle; forkyard's copy path and procspawn's encode with serde
  (bincode and postcard), byte strings as one piece in both. The sender's bytes are there already and
  are not copied for the task by anything but the peer.
* **Start methods.** Unless it is said otherwise, each has its default: forkyard and procspawn start
  the program anew, Python's standard library forks (on Linux, before 3.14), and loky starts a new
  interpreter. A forked worker costs less to start, and has whatever its parent had, locks included.
* **Different promises.** forkyard tells the task that died from those that did not, keeps timings of
  each worker by stage, and watches its workers' deaths and its own. It does so in all figures here.
";

/// The page as it is after that run.
pub(super) fn render(measured: &Measured) -> String {
    let mut page = String::from(HEAD);
    let Terms {
        rounds,
        seconds,
        deadline,
    } = measured.terms;
    let _ = write!(
        page,
        "\n## Where and when\n\n{}\n{rounds} rounds, {seconds} s of samples for each work in each; a \
         task without an answer was waited for {deadline} s.\n\n",
        table(
            &["what", "which"],
            measured
                .facts
                .iter()
                .map(|(name, fact)| vec![name.clone(), fact.clone()])
        )
    );
    page.push_str(TERMS);
    for work in WORKS {
        let _ = write!(page, "\n## {}\n\n{}\n\n", work.title, work.what);
        page.push_str(&results(work, measured));
    }
    page
}

fn results(work: &Work, measured: &Measured) -> String {
    let outcomes = CONTESTANTS
        .iter()
        .filter(|contestant| contestant.takes_part_in(work))
        .map(|contestant| (contestant, outcome(work, contestant.id, &measured.all)));
    let ours = outcome(work, OURS, &measured.all);
    let ours = ours.spread("time").map(|spread| spread.median);
    let deadline = measured.terms.deadline;
    match work.unit {
        Unit::Time => table(
            &["", "median", "quartiles", "× forkyard", "samples"],
            outcomes.map(|(who, outcome)| with_absence(who, &outcome, 5, |o| times(o, ours))),
        ),
        Unit::Rate => table(
            &[
                "",
                "median",
                "quartiles",
                "a second",
                "× forkyard",
                "samples",
            ],
            outcomes.map(|(who, outcome)| {
                with_absence(who, &outcome, 6, |o| {
                    let mut cells = times(o, ours)?;
                    let median = o.spread("time")?.median;
                    cells.insert(2, rate(median));
                    Some(cells)
                })
            }),
        ),
        Unit::Death => table(
            &["", "is told", "after", "the next task gets", "after"],
            outcomes.map(|(who, outcome)| with_absence(who, &outcome, 5, |o| death(o, deadline))),
        ),
        Unit::Memory => table(
            &["", "proportional", "private", "resident"],
            outcomes.map(|(who, outcome)| {
                with_absence(who, &outcome, 4, |o| {
                    let median = |name| Some(bytes(o.spread(name)?.median));
                    Some(vec![median("pss")?, median("private")?, median("rss")?])
                })
            }),
        ),
    }
}

fn outcome(work: &Work, contestant: &str, all: &All) -> Outcome {
    let key = (work.id.to_owned(), contestant.to_owned());
    all.get(&key)
        .cloned()
        .unwrap_or_else(|| Outcome::absent("not measured"))
}

/// A row: the name, then what `cells` makes of the outcome, or why there is none.
fn with_absence(
    who: &Contestant,
    outcome: &Outcome,
    columns: usize,
    cells: impl Fn(&Outcome) -> Option<Vec<String>>,
) -> Vec<String> {
    let why = || outcome.absent.clone().unwrap_or("no samples".to_owned());
    let cells = cells(outcome).unwrap_or_else(|| vec![format!("— ({})", why())]);
    let mut row = vec![who.title.to_owned()];
    row.extend(cells);
    row.resize(columns, String::new());
    row
}

fn times(outcome: &Outcome, ours: Option<f64>) -> Option<Vec<String>> {
    let spread = outcome.spread("time")?;
    let ratio = ours.map_or_else(String::new, |ours| digits(spread.median / ours));
    Some(vec![
        time(spread.median),
        format!("{} … {}", time(spread.lower), time(spread.upper)),
        ratio,
        spread.count.to_string(),
    ])
}

fn death(outcome: &Outcome, deadline: f64) -> Option<Vec<String>> {
    let word = |name: &str| outcome.words.get(name).cloned();
    let after = |name: &str| match outcome.spread(name) {
        _ if word(name).as_deref() == Some(NO_ANSWER) => format!("none within {deadline} s"),
        Some(spread) => format!(
            "{} ({} … {})",
            time(spread.median),
            time(spread.lower),
            time(spread.upper)
        ),
        None => String::new(),
    };
    let told = |name: &str| Some(word(name)?.replace('|', "/"));
    Some(vec![
        told("error")?,
        after("error"),
        told("next")?,
        after("next"),
    ])
}

/// A table as Markdown has it, numbers to the right.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|---|", header.join(" | "));
    text.push_str(&"---:|".repeat(header.len() - 1));
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        rounds: 1,
        seconds: 0.1,
        deadline: 3.0,
    };

    fn rendered(facts: &[&str], all: All) -> String {
        render(&Measured {
            terms: TERMS,
            facts: facts
                .iter()
                .map(|name| ((*name).to_owned(), String::new()))
                .collect(),
            all,
        })
    }

    /// The page without what was measured: of tables the first column, and no digits.
    fn bones(page: &str) -> Vec<String> {
        let facts = page.lines().skip_while(|line| *line != "| what | which |");
        let after_facts = facts.skip_while(|line| line.starts_with('|'));
        let head = page
            .lines()
            .take_while(|line| *line != "| what | which |")
            .map(str::to_owned);
        head.chain(after_facts.map(|line| match line.strip_prefix("| ") {
            Some(row) => row.split(" |").next().unwrap_or_default().to_owned(),
            None => line.replace(|c: char| c.is_ascii_digit() || c == '.', ""),
        }))
        .collect()
    }

    #[test]
    fn the_page_in_docs_is_this_generators() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/peers.md");
        let page = std::fs::read_to_string(path).expect("docs/peers.md is there");
        let expected = rendered(&["x"], All::new());
        let pairs = bones(&page).into_iter().zip(bones(&expected));
        for (found, wanted) in pairs {
            assert_eq!(found, wanted, "run `cargo run -p xtask -- peers` again");
        }
        assert_eq!(bones(&page).len(), bones(&expected).len());
    }

    #[test]
    fn samples_become_rows_and_absence_is_told() {
        let mut all = All::new();
        let mut add = |work: &str, who: &str, line: &str| {
            let outcome = Outcome::parse(line).expect("it is well-formed");
            all.insert((work.to_owned(), who.to_owned()), outcome);
        };
        let time = |ns: u32| format!(r#"{{"series": {{"time": [{ns}]}}, "words": {{}}}}"#);
        add("round-trip", OURS, &time(500));
        add("round-trip", "pool", &time(100_000));
        add("tiny-best", "procspawn", r#"{"absent": "has no chunks"}"#);
        let hang = r#"{"series": {"next": [8e6]},
            "words": {"error": "no answer", "next": "a result"}}"#;
        add("crash", "pool", hang);
        let page = rendered(&["x"], all);
        for row in [
            "| multiprocessing `Pool` | 100 µs | 100 µs … 100 µs | 10.0 thousand | 200 | 1 |",
            "| procspawn `Pool` | — (has no chunks) |  |  |  |  |",
            "| multiprocessing `Pool` | no answer | none within 3 s | a result | 8.00 ms (8.00 ms … 8.00 ms) |",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
    }
}
