//! What was found in a plan: problems that forbid the import, and notes that do not.

use std::{collections::BTreeMap, fmt};

use super::place::Place;

/// Problems that are listed; of more there is only the number.
const LISTED: usize = 50;

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    problems: Vec<String>,
    more_problems: usize,
    /// Places of one kind, with their number.
    ignored: BTreeMap<String, usize>,
    notes: Vec<String>,
}

impl Findings {
    pub(super) fn problem(&mut self, place: &Place<'_>, text: impl fmt::Display) {
        self.problem_at(&place.to_string(), text);
    }

    pub(super) fn problem_at(&mut self, place: &str, text: impl fmt::Display) {
        if self.problems.len() < LISTED {
            self.problems.push(format!("{place}: {text}"));
        } else {
            self.more_problems += 1;
        }
    }

    pub(super) fn ignored(&mut self, place: &Place<'_>) {
        *self.ignored.entry(place.pattern()).or_default() += 1;
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        if self.notes.len() < LISTED {
            self.notes.push(text.into());
        }
    }

    /// Whether nothing forbids the import.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems, each with its place.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// What was ignored or assumed.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let ignored = self.ignored.iter().map(|(place, times)| format!("{place}: unknown, ignored ({times}×)"));
        ignored.chain(self.notes.iter().cloned()).collect()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.problems.len() + self.more_problems;
        writeln!(f, "{number} problem{} in the seating plan:", if number == 1 { "" } else { "s" })?;
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        if self.more_problems > 0 {
            writeln!(f, "  … and {} more", self.more_problems)?;
        }
        Ok(())
    }
}
