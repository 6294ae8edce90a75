use std::fmt;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::model::{Content, NotificationTemplate};
use crate::{
    error::{Error, ErrorKind, Result},
    params::Params,
};

/// Steps that a template may take: no loop in one holds up a sender.
const FUEL: u64 = 200_000;

/// What a template says, filled in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// The subject or title: one line of text.
    pub title: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The HTML.
    pub html: Option<String>,
}

impl fmt::Debug for Rendered {
    /// It may contain a code: only what there is, not what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = |text: &Option<String>| text.as_ref().map(String::len);
        f.debug_struct("Rendered")
            .field("title", &there(&self.title))
            .field("text", &there(&self.text))
            .field("html", &there(&self.html))
            .finish()
    }
}

impl NotificationTemplate {
    /// Fills the template in, in the language that fits best. Values are checked first; those in HTML are escaped.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParams`] if a value is missing, unknown or of another type, or if it puts a line break into the
    /// title; [`ErrorKind::InvalidTemplate`] if the template itself is wrong.
    pub fn render(&self, locale: &str, params: &Params) -> Result<Rendered> {
        self.check_params(params)?;
        let Some((_, content)) = self.best(locale) else {
            return Err(Error::new(ErrorKind::InvalidTemplate, format!("{:?} says nothing", self.name)));
        };
        let environment = environment();
        let fill = |source: &Option<String>, escape: AutoEscape| {
            source.as_ref().map(|source| self.fill(&environment, source, &escape, params)).transpose()
        };
        let rendered = Rendered {
            title: fill(&content.title, AutoEscape::None)?,
            text: fill(&content.text, AutoEscape::None)?,
            html: fill(&content.html, AutoEscape::Html)?,
        };
        // Where a title becomes a header, a line break would begin another one.
        if rendered.title.as_ref().is_some_and(|title| title.chars().any(char::is_control)) {
            let text = format!("the title of {:?} would have a control character", self.name);
            return Err(Error::new(ErrorKind::InvalidParams, text));
        }
        Ok(rendered)
    }

    fn fill(
        &self,
        environment: &Environment<'_>,
        source: &str,
        escape: &AutoEscape,
        params: &Params,
    ) -> Result<String> {
        let name = if *escape == AutoEscape::Html { "template.html" } else { "template.txt" };
        environment.render_named_str(name, source, minijinja::value::Serde(params)).map_err(|error| self.wrong(&error))
    }

    /// What the template engine says may repeat values: only the kind and the line are kept.
    fn wrong(&self, error: &minijinja::Error) -> Error {
        let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
        Error::new(ErrorKind::InvalidTemplate, format!("{:?}: {}{line}", self.name, error.kind()))
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(
        |name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        },
    );
    environment
}

/// Whether the sources parse, and use declared values only.
pub(super) fn check(template: &NotificationTemplate, content: &Content) -> Result<()> {
    let environment = environment();
    for source in [&content.title, &content.text, &content.html].into_iter().flatten() {
        let parsed = environment.template_from_str(source).map_err(|error| template.wrong(&error))?;
        let used = parsed.undeclared_variables(false);
        let global = |name: &String| environment.globals().any(|(known, _)| known == name);
        if let Some(unknown) = used.iter().find(|name| !template.params.contains_key(*name) && !global(name)) {
            let text = format!("{:?} uses {unknown:?}, which is not declared", template.name);
            return Err(Error::new(ErrorKind::InvalidTemplate, text));
        }
    }
    Ok(())
}
