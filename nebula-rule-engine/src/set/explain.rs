//! Prices in words.

use std::fmt::Write as _;

use super::RuleSet;
use super::trace::{Priced, Trace};
use crate::expr::{Expr, Expression};
use crate::value::Val;

impl RuleSet {
    /// A price in words, with the titles of the rules: one line for each step, then what nearly happened, as far as the
    /// trace has it.
    ///
    /// ```text
    /// 300.00 CNY before any rule
    ///   -30.00 CNY  VIP week (vip, best of `campaign`): 10 % of 300.00 CNY
    /// 270.00 CNY to pay
    /// not `big`: basket.total is 300, wanted >= 500
    /// ```
    #[must_use]
    pub fn explain(&self, priced: &Priced) -> String {
        let mut text = format!("{} before any rule\n", priced.subtotal);
        // Writing to a string cannot fail.
        for step in &priced.trace.steps {
            let _ = write!(text, "  {}  ", step.change);
            let rule = self.def.rules.iter().find(|rule| rule.id == step.rule && rule.group == step.group);
            let _ = match rule {
                Some(rule) => {
                    let title = rule.title.as_deref().unwrap_or(&rule.id);
                    write!(text, "{title} ({}, {} of `{}`)", rule.id, self.stacking(&step.group), step.group)
                }
                None => write!(text, "{}", step.rule),
            };
            let _ = writeln!(text, ": {}", step.arithmetic);
        }
        let _ = writeln!(text, "{} to pay", priced.total);
        let Trace { passed_over, near_misses, .. } = &priced.trace;
        for passed in passed_over.iter().chain(near_misses) {
            let _ = writeln!(text, "not `{}`: {}", passed.rule, passed.reason);
        }
        text
    }

    fn stacking(&self, group: &str) -> &'static str {
        let groups = self.def.phases.iter().flat_map(|phase| &phase.groups);
        match groups.filter(|known| known.id == group).map(|known| known.stacking).next() {
            Some(super::Stacking::Best) | None => "best",
            Some(super::Stacking::First) => "first",
            Some(super::Stacking::Exclusive) => "exclusively",
            Some(super::Stacking::Accumulate) => "one",
            Some(super::Stacking::Cap) => "one, with a limit,",
        }
    }

    /// Why the index held a rule back.
    pub(super) fn wanted(&self, number: usize, fact: usize, found: &Val) -> String {
        let Some(field) = self.inner.fields().get(fact) else { return String::new() };
        let domain = self.rules[number].wants.iter().find(|(own, _)| *own == fact).map(|(_, domain)| domain);
        let wanted = domain.map(|domain| domain.describe(field.ty())).unwrap_or_default();
        let found = match found {
            // In the same clock as what is wanted.
            Val::Time(at) => at.timestamp().to_string(),
            other => other.to_value(field.ty()).to_string(),
        };
        format!("{} is {found}, wanted {wanted}", field.name())
    }

    pub(super) fn not_held(condition: &Expression) -> String {
        format!("does not hold: {}", condition.source())
    }
}
