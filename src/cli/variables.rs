//! The variables of the environment that stand for arguments.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};

use super::Cli;

impl Cli {
    /// What the words of a command line say, the program's name first, and the environment where they say nothing. A
    /// variable that is set to nothing counts as one that is not set.
    ///
    /// # Errors
    /// What clap says of them; of a value that comes from a variable, also which one.
    pub fn from_words<W: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<Self, clap::Error> {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let variable = |name: &std::ffi::OsStr| std::env::var_os(name);
        let mut command = without_empty(Self::command(), &variable);
        let matches = command.try_get_matches_from_mut(&words);
        matches
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| named(error, command, &words))
    }
}

type Variable<'v> = dyn Fn(&std::ffi::OsStr) -> Option<OsString> + 'v;

/// Arguments whose variable is set to nothing are left to what is said elsewhere.
fn without_empty(command: Command, variable: &Variable<'_>) -> Command {
    command
        .mut_args(|argument| {
            let value = argument.get_env().and_then(variable);
            match value {
                Some(value) if value.to_string_lossy().trim().is_empty() => argument.env(None::<&str>),
                _ => argument,
            }
        })
        .mut_subcommands(|below| without_empty(below, variable))
}

/// Says which variable a wrong value comes from: who set it gave no argument.
fn named(mut error: clap::Error, mut command: Command, words: &[OsString]) -> clap::Error {
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return error;
    }
    let (Some(ContextValue::String(argument)), Some(ContextValue::String(value))) = (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
    ) else {
        return error;
    };
    command.build();
    let Some(found) = find(&command, argument) else {
        return error;
    };
    let typed = found.get_long().is_some_and(|long| {
        let long = format!("--{long}");
        words.iter().any(|word| {
            let word = word.to_string_lossy();
            word.strip_prefix(&long)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    });
    let name = found.get_env().map(|name| name.to_string_lossy().into_owned());
    let set = found.get_env().and_then(std::env::var_os);
    if let (Some(name), Some(set), false) = (name, set, typed)
        && set.to_string_lossy() == value.as_str()
    {
        let tip = format!("the value is that of the variable {name}: mend it, or unset it");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// The argument that is written so, of the command or of one below it, where a variable stands for it.
fn find<'c>(command: &'c Command, written: &str) -> Option<&'c Arg> {
    let own = command
        .get_arguments()
        .find(|a| a.get_env().is_some() && a.to_string() == written);
    own.or_else(|| command.get_subcommands().find_map(|below| find(below, written)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_may_be_set_to_nothing() {
        fn variables(command: &Command) -> usize {
            let own = command.get_arguments().filter(|a| a.get_env().is_some()).count();
            own + command.get_subcommands().map(variables).sum::<usize>()
        }
        let all = variables(&Cli::command());
        assert!(all > 10, "{all}");
        assert_eq!(
            variables(&without_empty(Cli::command(), &|_| Some(" ".into()))),
            0
        );
        assert_eq!(
            variables(&without_empty(Cli::command(), &|_| Some("1".into()))),
            all
        );
        assert_eq!(variables(&without_empty(Cli::command(), &|_| None)), all);
    }

    #[test]
    fn no_variable_that_may_hold_a_secret_is_shown_by_help() {
        fn open(command: &Command, found: &mut Vec<String>) {
            for argument in command.get_arguments() {
                let url = argument
                    .get_value_names()
                    .is_some_and(|names| names.iter().any(|name| name == "URL"));
                if url && argument.get_env().is_some() && !argument.is_hide_env_values_set() {
                    found.push(argument.to_string());
                }
            }
            command.get_subcommands().for_each(|below| open(below, found));
        }
        let mut found = Vec::new();
        open(&Cli::command(), &mut found);
        assert_eq!(found, [""; 0]);
    }
}
