//! What can go wrong, where, and whether trying again can help.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The same type under a name that stays clear beside other crates' errors: `impl From<RuleError> for AppError`.
pub type RuleError = Error;

/// A failure. That no rule applies is no failure.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    problems: Vec<Problem>,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The classes of failures. Match on what you handle and leave the rest to a catch-all arm.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Rules, a table or an expression cannot be used as written; [`Error::problems`] says what is wrong and where.
    Invalid,
    /// A fact is missing, unknown, or not of the type that the schema gives it.
    BadFact,
    /// A binary floating-point number was offered where money or a decimal is wanted.
    Float,
    /// A number left the range of decimals (28 digits).
    Overflow,
    /// A number was divided by zero.
    DivisionByZero,
    /// A list was empty where an element is needed.
    EmptyList,
    /// Time ran out.
    DeadlineExceeded,
    /// More cells and steps were needed than the budget allows.
    CellBudget,
    /// An expression is nested, or rules are chained, more deeply than the budget allows.
    TooDeep,
    /// A list is longer than the budget allows.
    ListTooLong,
    /// A text or a document is longer than is accepted.
    TooLarge,
    /// Several rows apply where the hit policy allows one, or they disagree.
    HitPolicy,
    /// Two amounts are not in the same currency.
    Currency,
    /// An expression gave a percentage or an amount that its action cannot use.
    BadAmount,
    /// A test in a rule file does not come out as it says.
    TestFailed,
    /// A combination of rules passes the floor or the cap, or that could not be excluded where it has to be.
    BoundPassed,
    /// A proof does not belong to these rules, or replaying it gives something else.
    ProofMismatch,
    /// What is asked for is not there.
    NotFound,
    /// A file, a server or a database cannot be used now.
    Unavailable,
    /// A database does not accept a statement, or what it holds cannot be read.
    Store,
}

/// How serious a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Usable, but probably not what was meant.
    Warning,
    /// Not usable.
    Error,
}

/// One thing that is wrong with rules, a table or an expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How serious it is.
    pub severity: Severity,
    /// Where: `rules.vip.when`, `tables.fees.rows[3].amount`; a column of text follows after `@` where one is known.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// A problem that makes the whole unusable.
    #[must_use]
    pub fn error(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: place.into(), message: message.into() }
    }

    /// Something that is probably not what was meant.
    #[must_use]
    pub fn warning(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, place: place.into(), message: message.into() }
    }

    /// The same problem, seen from further out.
    #[must_use]
    pub(crate) fn within(mut self, outer: &str) -> Self {
        self.place = match self.place.as_str() {
            "" => outer.to_owned(),
            place if place.starts_with(['@', '[']) => format!("{outer}{place}"),
            place => format!("{outer}.{place}"),
        };
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        if self.place.is_empty() {
            write!(f, "{severity}: {}", self.message)
        } else {
            write!(f, "{severity} at {}: {}", self.place, self.message)
        }
    }
}

impl Error {
    /// An error of `kind`; `context` says what was tried or what is wrong.
    #[must_use]
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, context: context.into(), problems: Vec::new(), source: None }
    }

    /// [`ErrorKind::Invalid`] with everything that was found.
    #[must_use]
    pub fn invalid(context: impl Into<Cow<'static, str>>, problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::new(ErrorKind::Invalid, context) }
    }

    /// With everything that was found.
    #[must_use]
    pub(crate) fn with_problems(mut self, problems: Vec<Problem>) -> Self {
        self.problems = problems;
        self
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Puts `place` before what the error says.
    #[must_use]
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.context = format!("{place}: {}", self.context).into();
        self
    }

    /// The class of the failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was tried or what is wrong, without the class.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Everything that is wrong with the rules, for [`ErrorKind::Invalid`] and [`ErrorKind::TestFailed`].
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether the same call may succeed later without anybody mending anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::DeadlineExceeded | ErrorKind::Unavailable)
    }

    /// Whether a budget ended the evaluation: for these, a caller may prefer to go on without the rules.
    #[must_use]
    pub const fn is_budget(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::DeadlineExceeded | ErrorKind::CellBudget | ErrorKind::TooDeep | ErrorKind::ListTooLong
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.context)?;
        for problem in self.problems.iter().take(8) {
            write!(f, "\n  {problem}")?;
        }
        match self.problems.len() {
            0..=8 => Ok(()),
            more => write!(f, "\n  and {} more", more - 8),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid rules",
            Self::BadFact => "bad fact",
            Self::Float => "floating-point number refused",
            Self::Overflow => "number out of range",
            Self::DivisionByZero => "division by zero",
            Self::EmptyList => "empty list",
            Self::DeadlineExceeded => "evaluation took too long",
            Self::CellBudget => "evaluation needed too many steps",
            Self::TooDeep => "nested too deeply",
            Self::ListTooLong => "list too long",
            Self::TooLarge => "too large",
            Self::HitPolicy => "hit policy violated",
            Self::Currency => "currencies differ",
            Self::BadAmount => "amount out of range",
            Self::TestFailed => "test failed",
            Self::BoundPassed => "floor or cap passed",
            Self::ProofMismatch => "proof does not hold",
            Self::NotFound => "not found",
            Self::Unavailable => "unavailable",
            Self::Store => "database error",
        })
    }
}
