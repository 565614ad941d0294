//! What it was measured on, as Linux tells.

use std::process::Command;

use super::toolbox::quietly;

/// Facts about the machine, each with its name.
pub(super) fn facts() -> Vec<(String, String)> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|total| total.trim_end_matches(" kB").parse::<f64>().ok())
        .map(|kib| format!("{:.1} GiB", kib / f64::from(1 << 20)));
    let kernel = quietly(Command::new("uname").args(["-s", "-r", "-m"])).ok();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().map(str::to_owned);
    let date = quietly(Command::new("date").args(["-u", "+%F"])).ok();
    [
        ("date", date),
        ("processor", processor),
        ("cores to use", Some(cpus.to_string())),
        ("memory", memory),
        ("kernel", kernel),
        ("load when it began", load),
    ]
    .into_iter()
    .map(|(name, fact)| (name.to_owned(), fact.unwrap_or_else(|| "not told".into())))
    .collect()
}

/// The first value of a `name : value` line.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "processor\t: 0\nmodel name\t: A B\nmodel name\t: C\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A B"));
        assert_eq!(field(text, "model"), None);
    }
}
