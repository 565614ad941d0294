//! How wide and how colourful text may be.

use std::io::IsTerminal;

use terminal_size::terminal_size_of;

/// The width for those who have no terminal, such as a file or a pipe.
const DEFAULT_WIDTH: usize = 80;

/// How wide and how colourful text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether colours may be used. Everything can be read without.
    pub colour: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: DEFAULT_WIDTH,
            colour: false,
        }
    }
}

impl Style {
    /// For text that goes to `stream`. Its width is that of the terminal, else `COLUMNS`, else
    /// 80. Without `colour`, colours are used on a terminal unless `NO_COLOR` is set or `TERM`
    /// is `dumb`.
    pub fn for_stream(
        stream: &(impl IsTerminal + std::os::fd::AsFd),
        colour: Option<bool>,
    ) -> Self {
        let columns = std::env::var("COLUMNS").ok();
        let width = terminal_size_of(stream)
            .map(|(width, _)| usize::from(width.0))
            .or_else(|| columns.and_then(|columns| columns.parse().ok()))
            .filter(|&width| width > 0)
            .unwrap_or(DEFAULT_WIDTH);
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour =
            colour.unwrap_or_else(|| stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb);
        Self { width, colour }
    }

    /// `text` in this style, where colours are used.
    pub(crate) fn paint(self, style: anstyle::Style, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// What stays on the line of the number before it.
const UNITS: [&str; 11] = [
    "ns", "µs", "ms", "s", "min", "h", "B", "KiB", "MiB", "GiB", "%",
];

/// Breaks `text` between words, but not before a unit, so that no line is longer than `width`,
/// except for words that are. Lines after the first are indented by `indent`.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in words(text) {
        let len = word.chars().count();
        if used > 0 && used + 1 + len > width {
            lines.push(std::mem::take(&mut line));
            line.push_str(&" ".repeat(indent));
            used = indent;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(&word);
        used += len;
    }
    lines.push(line);
    lines
}

/// Words, each number together with its unit.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let bare = word.trim_end_matches([',', ';', ':', '.', ')']);
        match words.last_mut() {
            Some(number)
                if UNITS.contains(&bare) && number.ends_with(|c: char| c.is_ascii_digit()) =>
            {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words() {
        let lines = wrap("limit: one two three four", 14, 2);
        assert_eq!(lines, ["limit: one two", "  three four"]);
        assert_eq!(wrap("took 81.5 ms, ok", 12, 0), ["took", "81.5 ms, ok"]);
        assert_eq!(wrap("unbreakable", 4, 2), ["unbreakable"]);
        assert_eq!(wrap("", 4, 2), [""]);
    }

    #[test]
    fn no_colour_means_no_escape_codes() {
        let bold = anstyle::Style::new().bold();
        assert_eq!(Style::default().paint(bold, "x"), "x");
        let style = Style {
            colour: true,
            ..Style::default()
        };
        assert_eq!(style.paint(bold, "x"), "\u{1b}[1mx\u{1b}[0m");
    }
}
