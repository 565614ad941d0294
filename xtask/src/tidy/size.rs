//! Rule `size`: a file is read in one sitting. (Functions are left to `clippy::too_many_lines`.)

use std::path::Component;

use super::Finding;
use super::source::Source;

const RULE: &str = "size";

/// For code, comments and blank lines together.
const LIMIT_LINES: usize = 400;
/// The same, for files below a `tests` or `benches` folder.
const LIMIT_LINES_TESTS: usize = 600;

/// Checks every file.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().filter_map(check_source).collect()
}

fn check_source(source: &Source) -> Option<Finding> {
    let is_test =
        |part: Component<'_>| part.as_os_str() == "tests" || part.as_os_str() == "benches";
    let limit = if source.path.components().any(is_test) {
        LIMIT_LINES_TESTS
    } else {
        LIMIT_LINES
    };
    let count = source.lines.len();
    (count > limit).then(|| Finding {
        path: source.path.clone(),
        line: limit + 1,
        rule: RULE,
        advice: format!("{count} lines, at most {limit}: split it by what the parts do"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, count: usize) -> usize {
        check(&[Source::parse(path, &"x;\n".repeat(count))]).len()
    }

    #[test]
    fn files_up_to_the_limit_pass() {
        assert_eq!(findings("crates/os/src/map.rs", 400), 0);
        assert_eq!(findings("tests/tests/kill.rs", 600), 0);
        assert_eq!(findings("crates/os/tests/map.rs", 600), 0);
    }

    #[test]
    fn longer_files_are_found() {
        assert_eq!(findings("crates/os/src/map.rs", 401), 1);
        assert_eq!(findings("benches/benches/round_trip.rs", 601), 1);
    }
}
