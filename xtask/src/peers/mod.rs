//! `cargo xtask peers`: the same works on forkyard and on its peers, in turns, and the page that
//! tells what came of it.
//!
//! [`roster`] says who does what, [`toolbox`] builds and installs it, each turn is a process (see
//! `benches/peers/`) that answers with one line of JSON, [`samples`] keeps the answers and [`page`]
//! writes `docs/peers.md`.

mod machine;
mod page;
mod roster;
mod samples;
mod toolbox;

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Outcome, workspace};
use page::{Measured, Terms};
use roster::{CONTESTANTS, Contestant, WORKS, Work};
use samples::All;
use toolbox::Toolbox;

/// At most: on a busy machine there are as many rounds as fit into [`ENOUGH`].
const WHOLE: Terms = Terms {
    rounds: 5,
    seconds: 0.1,
    deadline: 10.0,
};
const QUICK: Terms = Terms {
    rounds: 1,
    seconds: 0.05,
    deadline: 3.0,
};

/// No round is begun that would probably not end by then.
const ENOUGH: Duration = Duration::from_secs(330);
/// How long a turn may take beyond its deadlines; one takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked whether a turn is over.
const GLANCE: Duration = Duration::from_millis(20);

/// Measures everything and writes `docs/peers.md`.
pub(crate) fn run() -> Outcome {
    measure(WHOLE, Path::new("docs/peers.md"))
}

/// A short run; the page lands below `target/`, so that coarse figures are not published.
pub(crate) fn quick() -> Outcome {
    measure(QUICK, Path::new("target/peers/peers.md"))
}

fn measure(terms: Terms, page: &Path) -> Outcome {
    if std::env::consts::OS != "linux" {
        return Err("memory and machine are read as Linux tells of them: run it there".to_owned());
    }
    let workspace = workspace::load()?;
    let folder = workspace.target_dir.join("peers");
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    println!("peers: building, and looking for Python and loky");
    let mut facts = machine::facts();
    let toolbox = toolbox::fill(&workspace, &folder);
    facts.extend(toolbox.versions.iter().cloned());
    for (program, why) in &toolbox.programs {
        if let Err(why) = why {
            println!("peers: going on without {program:?}: {why}");
        }
    }
    let start = Instant::now();
    let (all, done) = rounds(terms, &toolbox, &folder)?;
    let terms = Terms {
        rounds: done,
        ..terms
    };
    write(&folder.join("samples.json"), &samples::to_json(&all))?;
    let measured = Measured { terms, facts, all };
    // Beside the other target folders, wherever that is.
    let page = match page.strip_prefix("target/peers") {
        Ok(name) => folder.join(name),
        Err(_) => workspace.root.join(page),
    };
    write(&page, &page::render(&measured))?;
    println!(
        "peers: {} written after {:.0} s of measuring; raw samples are beside {}",
        page.display(),
        start.elapsed().as_secs_f64(),
        folder.join("samples.json").display()
    );
    let failed = measured.all.values().filter(|outcome| {
        let absent = outcome.absent.as_deref();
        absent.is_some_and(|why| why.starts_with(FAILED))
    });
    Ok(failed.count() == 0)
}

/// How the reason of a turn begins that went wrong.
const FAILED: &str = "failed: ";

/// All turns of all rounds, and how many rounds there were.
fn rounds(terms: Terms, toolbox: &Toolbox, folder: &Path) -> Result<(All, usize), String> {
    let mut all = All::new();
    let start = Instant::now();
    for round in 0..terms.rounds {
        if round > 0 && start.elapsed() + start.elapsed() / round as u32 > ENOUGH {
            println!("peers: {round} rounds have to do, the machine is busy");
            return Ok((all, round));
        }
        for work in WORKS {
            println!(
                "peers: round {} of {}: {}",
                round + 1,
                terms.rounds,
                work.id
            );
            let mut turns: Vec<&Contestant> = CONTESTANTS
                .iter()
                .filter(|contestant| contestant.takes_part_in(work))
                .collect();
            let first = round % turns.len();
            turns.rotate_left(first);
            for contestant in turns {
                let key = (work.id.to_owned(), contestant.id.to_owned());
                let so_far = all.entry(key).or_default();
                // Once it was seen to hang, it is not waited for again; nor is who is not there.
                if so_far.hung() || so_far.absent.is_some() {
                    continue;
                }
                match turn(work, contestant, terms, toolbox, folder)? {
                    Ok(outcome) => so_far.add(outcome),
                    Err(why) => {
                        println!("peers: {} at {}: {why}", contestant.id, work.id);
                        so_far.add(samples::Outcome::absent(&why));
                    }
                }
            }
        }
    }
    Ok((all, terms.rounds))
}

/// One contestant at one work; the inner error is the contestant's, the outer one ours.
fn turn(
    work: &Work,
    contestant: &Contestant,
    terms: Terms,
    toolbox: &Toolbox,
    folder: &Path,
) -> Result<Result<samples::Outcome, String>, String> {
    let words = match toolbox.programs.get(&contestant.program) {
        Some(Ok(words)) => words,
        Some(Err(why)) => return Ok(Err(why.clone())),
        None => return Ok(Err("not looked for".to_owned())),
    };
    // Files, not pipes: what a turn leaves behind could keep a pipe open.
    let (said_at, errors_at) = (folder.join("stdout.txt"), folder.join("stderr.txt"));
    let create = |path: &Path| {
        File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(contestant.arguments)
        .args(["--work", work.id])
        .args(["--seconds", &terms.seconds.to_string()])
        .args(["--deadline", &terms.deadline.to_string()])
        .stdin(Stdio::null())
        .stdout(create(&said_at)?)
        .stderr(create(&errors_at)?)
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", words[0].display()))?;
    let patience = PATIENCE + Duration::from_secs_f64(2.0 * terms.deadline);
    let ended = wait(&mut child, patience);
    // What it leaves would be in the way of the next turn.
    let group = format!("-{}", child.id());
    let _ = toolbox::quietly(Command::new("kill").args(["-KILL", "--", &group]));
    let said = std::fs::read_to_string(&said_at).unwrap_or_default();
    let outcome = said.lines().last().and_then(samples::Outcome::parse);
    Ok(match (ended, outcome) {
        (Ok(true), Some(outcome)) => Ok(outcome),
        (Err(why), _) => Err(format!("{FAILED}{why}")),
        _ => {
            let errors = std::fs::read_to_string(&errors_at).unwrap_or_default();
            let last = errors.trim().lines().last().unwrap_or("nothing was said");
            Err(format!("{FAILED}{}", last.replace('|', "/")))
        }
    })
}

/// Waits for a turn, and ends it when it takes too long. Says whether it succeeded.
fn wait(child: &mut Child, patience: Duration) -> Result<bool, String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if start.elapsed() < patience => std::thread::sleep(GLANCE),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no end within {} s", patience.as_secs()));
            }
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    }
}
