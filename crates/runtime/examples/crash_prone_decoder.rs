//! A decoder that can take its process down, kept apart: a parser of nested lists that recurses as
//! deep as its input says, and so overflows its stack when somebody means harm. The pool runs each
//! document in a worker; one that kills its worker is tried once more in another, and then given up
//! with what is known of both deaths. All others have their results.
//!
//! `cargo run --release --example crash_prone_decoder -- FILE...` (default: four documents
//! are made)

use forkyard::{OnCrash, Pool, TaskError};

/// A list's depth, and how many lists there are in all.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
struct Shape {
    depth: usize,
    lists: usize,
}

/// Parses a list behind its opening parenthesis. As many calls lie on the stack as lists are open.
fn list(mut rest: &str, depth: usize) -> Result<(Shape, &str), String> {
    let mut shape = Shape { depth, lists: 1 };
    loop {
        let at = rest.find(['(', ')']).ok_or("a list without an end")?;
        let (symbol, behind) = (rest.as_bytes()[at], &rest[at + 1..]);
        if symbol == b')' {
            return Ok((shape, behind));
        }
        let (inner, behind) = list(behind, depth + 1)?;
        shape.depth = shape.depth.max(inner.depth);
        shape.lists += inner.lists;
        rest = behind;
    }
}

/// What a document is, or why it is none.
fn decode(document: &str) -> Result<Shape, String> {
    let text = document.trim();
    let inside = text.strip_prefix('(').ok_or("no list")?;
    let (shape, behind) = list(inside, 1)?;
    if behind.trim().is_empty() {
        Ok(shape)
    } else {
        Err(format!("{} bytes behind the end", behind.len()))
    }
}

/// Documents with their names: the files, or some that are good, broken and deadly.
fn documents() -> Result<Vec<(String, String)>, String> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        let made = [
            ("good", "(a (b c) (d (e)))".to_owned()),
            ("broken", "(a (b)".to_owned()),
            ("deadly", "(".repeat(10_000_000)),
            ("also good", "(1 2 3)".to_owned()),
        ];
        return Ok(made.map(|(name, text)| (name.to_owned(), text)).into());
    }
    let read = |name: String| match std::fs::read_to_string(&name) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(format!(
            "{name}: {error}; usage: crash_prone_decoder [FILE...]"
        )),
    };
    files.into_iter().map(read).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    forkyard::init();
    let pool = Pool::builder()
        .name("decoders")
        .workers(2)
        .on_crash(OnCrash::Retry { max: 1 })
        .core_dumps(false)
        .build()?;
    let (names, texts): (Vec<_>, Vec<_>) = documents()?.into_iter().unzip();
    let decoded = pool.map(|document: String| decode(&document), texts);
    for (name, result) in names.iter().zip(decoded) {
        match result {
            Ok(Ok(shape)) => println!("{name}: {} lists, {} deep", shape.lists, shape.depth),
            Ok(Err(why)) => println!("{name}: not a document: {why}"),
            Err(TaskError::GaveUp(gave_up)) => {
                println!("{name}: killed {} workers", gave_up.deaths.len());
                for death in &gave_up.deaths {
                    println!("  {death}");
                }
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
    Ok(())
}
