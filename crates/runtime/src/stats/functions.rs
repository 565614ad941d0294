//! What functions are called: by the compiler, with the whole path, and by people.

use forkyard_shm::control::Control;
use forkyard_shm::layout::{NAME_BYTES, NAMED};

use crate::trampoline::Function;

/// The functions that have a name in the control segment, each by its entry and in its place. The
/// supervisor's own list: what stands in the segment can be written over.
#[derive(Debug, Default)]
pub(crate) struct Named {
    entries: Vec<u64>,
    /// Whose place the next one takes, once all are taken: the oldest's.
    oldest: usize,
}

impl Named {
    /// Tasks of this function are to come.
    #[inline]
    pub(crate) fn note(&mut self, control: &Control, function: Function) {
        if !self.entries.contains(&function.entry) {
            self.add(control, function);
        }
    }

    #[cold]
    fn add(&mut self, control: &Control, function: Function) {
        let place = if self.entries.len() < NAMED {
            self.entries.push(function.entry);
            self.entries.len() - 1
        } else {
            let place = self.oldest;
            self.oldest = (place + 1) % NAMED;
            self.entries[place] = function.entry;
            place
        };
        let name = cut(&short_name(function.name), NAME_BYTES, str::len);
        control.header().names.set(place, function.entry, &name);
    }
}

/// A function's name without the modules that lead to it. Of a method the type stays, of a
/// closure the function that it is in: `Image::load`, `main::{closure}`, `total<String>`.
pub(crate) fn short_name(path: &str) -> String {
    let mut short = String::with_capacity(path.len());
    let is_of_path = |c: char| c.is_alphanumeric() || "_:{}#".contains(c);
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let is_path = is_of_path(first);
        let end = rest.find(|c| is_of_path(c) != is_path);
        let (piece, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if is_path {
            short.push_str(&without_modules(piece));
        } else {
            short.push_str(piece);
        }
        rest = behind;
    }
    short
}

fn without_modules(path: &str) -> String {
    let path = path.replace("{{closure}}", "{closure}");
    let segments: Vec<&str> = path.split("::").collect();
    let is_named = |segment: &&str| !segment.starts_with('{');
    let mut from = segments.iter().rposition(is_named).unwrap_or(0);
    if from > 0 {
        let before = segments[from - 1];
        // A type, or nothing: what is before belongs to another piece, as in `<A as B>::c`.
        if before.is_empty() || before.starts_with(char::is_uppercase) {
            from -= 1;
        }
    }
    segments[from..].join("::")
}

/// As much of a text as has room, with `…` for the rest; `size` is what is counted.
pub(super) fn cut(text: &str, most: usize, size: fn(&str) -> usize) -> String {
    if size(text) <= most {
        return text.to_owned();
    }
    let fits = |end: &usize| size(&text[..*end]) + size("…") <= most;
    let ends = text.char_indices().map(|(at, _)| at);
    let end = ends.take_while(fits).last().unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::identity;
    use crate::mapped::PoolMemory;
    use forkyard_shm::layout::Shape;

    fn name_of<F>(_: F) -> String {
        short_name(std::any::type_name::<F>())
    }

    fn generic<T>(_: T) {}

    #[test]
    fn names_are_those_that_people_use() {
        assert_eq!(name_of(short_name), "short_name");
        assert_eq!(
            name_of(|n: u64| n),
            "names_are_those_that_people_use::{closure}"
        );
        assert_eq!(name_of(generic::<Vec<String>>), "generic<Vec<String>>");
        assert_eq!(name_of(Named::add), "Named::add");
        assert_eq!(
            name_of(<Named as Default>::default),
            "<Named as Default>::default"
        );
        for (path, short) in [
            ("", ""),
            ("main", "main"),
            (
                "a::b::main::{{closure}}::{{closure}}",
                "main::{closure}::{closure}",
            ),
            ("a::b<[u8; 4], &a::B>", "b<[u8; 4], &B>"),
            ("a::größe", "größe"),
            ("::::", "::"),
            ("{{closure}}", "{closure}"),
        ] {
            assert_eq!(short_name(path), short, "{path}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let chars = |text: &str| text.chars().count();
        assert_eq!(cut("größe", 5, chars), "größe");
        assert_eq!(cut("größe", 4, chars), "grö…");
        assert_eq!(cut("größe", 7, str::len), "größe");
        assert_eq!(cut("größe", 6, str::len), "gr…");
        assert_eq!(cut("größe", 1, chars), "…");
    }

    #[test]
    fn the_oldest_makes_room_for_another() {
        let shape = Shape {
            workers: 1,
            slots: 2,
        };
        let memory = PoolMemory::create(shape, identity()).expect("a segment");
        let mut named = Named::default();
        let function = |entry| Function {
            entry,
            name: "crate::a_name",
        };
        let found = || memory.control().look().functions;
        for entry in (1..=NAMED as u64).chain([1]) {
            named.note(memory.control(), function(entry));
        }
        assert_eq!(found().len(), NAMED);
        assert_eq!(found()[0], (1, "a_name".to_owned()));
        for entry in [100, 101, 100] {
            named.note(memory.control(), function(entry));
        }
        let entries: Vec<u64> = found().iter().map(|(entry, _)| *entry).collect();
        assert_eq!(entries[..3], [100, 101, 3]);
        named.note(memory.control(), function(1));
        assert_eq!(found()[2].0, 1);
    }
}
