//! How a new process's environment differs from its parent's.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// Variables that a process is to have, and some that it is not to have. The last word on each
/// counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(Vec<(OsString, Option<OsString>)>);

/// No variable can have that name, or that value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadVariable {
    /// The name is empty, or holds `=` or a zero byte.
    #[error(
        "{0:?} cannot be the name of an environment variable: it is empty, or holds `=` or a zero byte"
    )]
    Name(OsString),
    /// The value holds a zero byte.
    #[error("the value of the environment variable {0:?} holds a zero byte")]
    Value(OsString),
}

impl Environment {
    /// With this variable, whatever the parent's is.
    pub fn set(&mut self, name: &OsStr, value: &OsStr) {
        self.put(name, Some(value.to_owned()));
    }

    /// Without this variable.
    pub fn remove(&mut self, name: &OsStr) {
        self.put(name, None);
    }

    /// Whether something was said about that variable.
    #[must_use]
    pub fn names(&self, name: &OsStr) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    fn put(&mut self, name: &OsStr, value: Option<OsString>) {
        self.0.retain(|(found, _)| found != name);
        self.0.push((name.to_owned(), value));
    }

    /// Whether the system can have such variables.
    ///
    /// # Errors
    /// [`BadVariable`], the first.
    pub fn check(&self) -> Result<(), BadVariable> {
        for (name, value) in &self.0 {
            let bytes = name.as_bytes();
            if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
                return Err(BadVariable::Name(name.clone()));
            }
            if value
                .as_ref()
                .is_some_and(|value| value.as_bytes().contains(&0))
            {
                return Err(BadVariable::Value(name.clone()));
            }
        }
        Ok(())
    }

    /// The process that `command` starts has it.
    pub(crate) fn apply_to(&self, command: &mut Command) {
        for (name, value) in &self.0 {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }

    /// The calling process has it from here on. Only after [`check`](Self::check).
    ///
    /// # Safety
    /// The process has no other thread, which could read its environment meanwhile.
    pub unsafe fn apply_here(&self) {
        for (name, value) in &self.0 {
            match value {
                // SAFETY: the caller's word.
                Some(value) => unsafe { std::env::set_var(name, value) },
                // SAFETY: the caller's word.
                None => unsafe { std::env::remove_var(name) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_variable_counts() {
        let mut environment = Environment::default();
        let name = |text: &'static str| OsStr::new(text);
        environment.set(name("A"), name("1"));
        environment.set(name("A"), name("2"));
        environment.set(name("PATH"), name("x"));
        environment.remove(name("PATH"));
        assert!(environment.names(name("PATH")) && !environment.names(name("HOME")));
        assert_eq!(environment.check(), Ok(()));
        let mut command = Command::new("true");
        environment.apply_to(&mut command);
        let found: Vec<_> = command.get_envs().collect();
        let wanted = [(name("A"), Some(name("2"))), (name("PATH"), None)];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_cannot_be_a_variable_is_told() {
        for bad in ["", "A=B", "A\0"] {
            let mut environment = Environment::default();
            environment.set(OsStr::new(bad), OsStr::new("1"));
            assert_eq!(environment.check(), Err(BadVariable::Name(bad.into())));
        }
        let mut environment = Environment::default();
        environment.set(OsStr::new("A"), OsStr::new("1\0"));
        assert_eq!(environment.check(), Err(BadVariable::Value("A".into())));
    }
}
