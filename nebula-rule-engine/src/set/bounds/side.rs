//! How far rules can take a price to one side.

use rust_decimal::Decimal;

use super::range::{Linear, Range};
use crate::set::action::Act;
use crate::set::{Group, Most, RuleSet, Stacking};

/// States that are kept apart after a group; more are a set that nobody can survey.
const MAX_STATES: usize = 256;
/// What the division of decimals may be off by.
const DUST: Decimal = Decimal::from_parts(1, 0, 0, false, 9);

/// Which bound is looked at. Both are lower bounds: of the total, or of the total with its sign turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Floor,
    Cap,
}

/// What holds for some values of the facts.
pub(super) struct Setting<'a> {
    pub(super) set: &'a RuleSet,
    pub(super) side: Side,
    /// The price before any rule, both ends included.
    pub(super) subtotal: (Decimal, Option<Decimal>),
    /// What the facts can be.
    pub(super) facts: &'a dyn Fn(usize) -> Range,
    /// Whether the conditions that an index answers hold for all that may apply.
    pub(super) exact: bool,
    /// Which rules may apply.
    pub(super) may: &'a dyn Fn(usize) -> bool,
}

/// The total (or its opposite) is at least the greatest of the lines, if these rules have changed it.
#[derive(Clone, Debug)]
pub(super) struct State {
    lines: Vec<Linear>,
    pub(super) rules: Vec<usize>,
    /// In this phase: whether a group has changed prices, and whether an exclusive one has ended it.
    changed: bool,
    ended: bool,
}

/// What a rule can do at most.
#[derive(Clone, Copy, Debug)]
struct Effect {
    /// This part of the total,
    share: Decimal,
    /// and this amount; `None` if there is no telling.
    amount: Option<Linear>,
    /// Instead, what is left is at least this.
    left: Option<Linear>,
    /// If it applies, the total before was at least this.
    given: Option<Linear>,
}

impl Effect {
    const NOTHING: Self = Self { share: Decimal::ZERO, amount: Some(Linear::ZERO), left: None, given: None };

    const fn share(share: Decimal) -> Self {
        Self { share, ..Self::NOTHING }
    }

    const fn amount(amount: Option<Linear>) -> Self {
        Self { amount, ..Self::NOTHING }
    }
}

impl Setting<'_> {
    /// The totals after all phases that go furthest; `None` if there are too many ways to them.
    pub(super) fn states(&self) -> Option<Vec<State>> {
        let list = match self.side {
            Side::Floor => Linear::SUBTOTAL,
            Side::Cap => Linear { slope: -Decimal::ONE, ..Linear::ZERO },
        };
        let mut states = vec![State { lines: vec![list], rules: Vec::new(), changed: false, ended: false }];
        for phase in &self.set.phases {
            for state in &mut states {
                (state.changed, state.ended) = (false, false);
            }
            for group in &phase.groups {
                let candidates: Vec<(usize, Vec<Effect>)> = group
                    .rules
                    .clone()
                    .filter(|rule| (self.may)(*rule))
                    .map(|rule| (rule, self.effects(rule, &self.set.rules[rule].act)))
                    .collect();
                if candidates.is_empty() {
                    continue;
                }
                states = states.iter().flat_map(|state| self.group(group, state, &candidates)).collect();
                self.prune(&mut states);
                if states.len() > MAX_STATES {
                    return None;
                }
            }
        }
        Some(states)
    }

    /// How far `state` can pass `bound` where the price before any rule does not, and that price.
    pub(super) fn breach(&self, state: &State, bound: Linear) -> Option<(Decimal, Decimal)> {
        let list = match self.side {
            Side::Floor => Linear::SUBTOTAL,
            Side::Cap => Linear { slope: -Decimal::ONE, ..Linear::ZERO },
        };
        let mut lines = state.lines.clone();
        lines.extend([bound, list]);
        let gap = |at: Decimal| {
            let wanted = bound.at(at)?.min(list.at(at)?);
            // Without a line there is no bound at all.
            Some(state.at(at).map_or(Decimal::MAX, |x| wanted.saturating_sub(x)))
        };
        let points = self.points(&lines);
        points.into_iter().filter_map(|at| Some((gap(at)?, at))).filter(|(gap, _)| *gap > DUST).max()
    }

    fn group(&self, group: &Group, state: &State, candidates: &[(usize, Vec<Effect>)]) -> Vec<State> {
        let mut next = vec![state.clone()];
        if state.ended || (group.stacking == Stacking::Exclusive && state.changed) {
            return next;
        }
        match group.stacking {
            Stacking::Best => {
                let alternatives = candidates.iter().flat_map(|(rule, effects)| effects.iter().map(|it| (*rule, it)));
                next.extend(alternatives.map(|(rule, effect)| self.apply(state, &[rule], *effect)));
            }
            Stacking::First | Stacking::Exclusive => {
                for (rule, effects) in candidates {
                    next.extend(effects.iter().map(|effect| self.apply(state, &[*rule], *effect)));
                    if self.surely(*rule) {
                        break;
                    }
                }
            }
            Stacking::Accumulate | Stacking::Cap => {
                let all: Vec<usize> = candidates.iter().map(|(rule, _)| *rule).collect();
                let worst: Vec<Effect> = candidates.iter().map(|(_, effects)| worst(effects)).collect();
                let mut after = match worst.as_slice() {
                    [one] => self.apply(state, &all, *one),
                    several => self.apply(state, &all, together(several)),
                };
                if let (Some(limit), Side::Floor) = (&group.limit, self.side) {
                    after.lines.extend(self.limited(limit, state).into_iter().flatten());
                }
                next.push(after);
            }
        }
        if group.stacking == Stacking::Exclusive {
            next.iter_mut().skip(1).for_each(|state| state.ended = true);
        }
        next
    }

    /// What is left if a group takes off its limit.
    fn limited(&self, limit: &Most, state: &State) -> Option<Vec<Linear>> {
        match limit {
            Most::Amount(amount) => {
                let most = Range::of(amount.ir(), self.facts).high?;
                state.lines.iter().map(|line| line.minus(most)).collect()
            }
            Most::Percent(percent) => {
                let most = Range::of(percent.ir(), self.facts).greatest()?.checked_div(Decimal::ONE_HUNDRED)?;
                let left = (Decimal::ONE - most.min(Decimal::ONE)).max(Decimal::ZERO);
                state.lines.iter().map(|line| line.scaled(left)).collect()
            }
        }
    }

    /// Whether a rule that may apply here is one of the candidates of its group for sure.
    fn surely(&self, rule: usize) -> bool {
        let rule = &self.set.rules[rule];
        let always = matches!(
            rule.act,
            Act::PercentOff(_) | Act::PercentOn(_) | Act::AmountOff(_) | Act::AmountOn(_) | Act::AmountOffEach(_)
        );
        self.exact
            && always
            && rule.lines.is_none()
            && rule.rest.is_empty()
            && !rule.wants.iter().any(|(fact, _)| self.set.varies(*fact))
    }

    fn effects(&self, rule: usize, act: &Act) -> Vec<Effect> {
        let rule = &self.set.rules[rule];
        let mut effects = self.of(act, rule.lines.is_some());
        // What the rule demands of the total, which is the total before the phase.
        let total = rule.wants.iter().find(|(fact, _)| *fact == self.set.total_place()).map(|(_, domain)| domain);
        let given = total.and_then(|domain| match self.side {
            Side::Floor => domain.least(),
            Side::Cap => domain.greatest().map(|most| -most),
        });
        for effect in &mut effects {
            effect.given = effect.given.or(given.map(Linear::constant));
        }
        effects
    }

    fn of(&self, act: &Act, some_lines: bool) -> Vec<Effect> {
        let hundredth = |percent: Decimal| percent / Decimal::ONE_HUNDRED;
        let range = |expression: &crate::expr::Expression| Range::of(expression.ir(), self.facts);
        let units = (self.facts)(self.set.total_place() + 1);
        let percent = |expression| range(expression).greatest().map_or(Decimal::ONE_HUNDRED, |it| it.min(100.into()));
        let each = |expression| range(expression).high.zip(units.greatest()).and_then(|(it, units)| it.scaled(units));
        let one = match (self.side, act) {
            (_, Act::Tiers { steps, .. }) => {
                let by_amount = matches!(act, Act::Tiers { by: super::super::TierBy::Amount, .. });
                let step = |(from, act): &(Decimal, Act)| {
                    let mut effects = self.of(act, some_lines);
                    if by_amount && self.side == Side::Floor {
                        effects.iter_mut().for_each(|effect| effect.given = Some(Linear::constant(*from)));
                    }
                    effects
                };
                return steps.iter().flat_map(step).collect();
            }
            (Side::Floor, Act::PercentOff(it)) => Effect::share(hundredth(percent(it))),
            (Side::Floor, Act::AmountOff(it)) => Effect::amount(range(it).high),
            (Side::Floor, Act::AmountOffEach(it)) => Effect::amount(each(it)),
            (Side::Floor, Act::PriceEach(it)) => {
                let price = range(it).at_least(Decimal::ZERO).unwrap_or_default();
                let units = if some_lines { Some(Decimal::ONE) } else { units.at_least(Decimal::ONE) };
                let left = units.and_then(|units| price.checked_mul(units)).unwrap_or_default();
                Effect { left: Some(Linear::constant(left)), ..Effect::NOTHING }
            }
            (Side::Floor, Act::BuyGet { buy, get, percent: off }) => {
                // The cheapest of all units cost no more than their share of the number.
                let part = Decimal::from(*get) / (Decimal::from(*buy) + Decimal::from(*get)).max(Decimal::ONE);
                Effect::share(hundredth(percent(off)) * part)
            }
            (Side::Floor, Act::Bundle { price, .. }) => {
                let left = range(price).at_least(Decimal::ZERO).unwrap_or_default();
                Effect { left: Some(Linear::constant(left)), ..Effect::NOTHING }
            }
            (Side::Cap, Act::PercentOn(it)) => match range(it).greatest() {
                Some(percent) => Effect::share(hundredth(percent.max(Decimal::ZERO))),
                None => Effect::amount(None),
            },
            (Side::Cap, Act::AmountOn(it)) => Effect::amount(range(it).high),
            (Side::Cap, Act::PriceEach(it)) => Effect::amount(each(it)),
            _ => Effect::NOTHING,
        };
        vec![one]
    }

    fn apply(&self, state: &State, rules: &[usize], effect: Effect) -> State {
        let factor = match self.side {
            Side::Floor => (Decimal::ONE - effect.share).max(Decimal::ZERO),
            Side::Cap => Decimal::ONE + effect.share,
        };
        // What the rule asks of the total counts as long as the total is that of the phase's beginning.
        let given = effect.given.filter(|_| !state.changed);
        let after = |line: &Linear| line.scaled(factor)?.minus(effect.amount?);
        let mut lines: Vec<Linear> = match effect.left {
            Some(left) => vec![left],
            None => state.lines.iter().chain(&given).filter_map(after).collect(),
        };
        if self.side == Side::Floor {
            lines.push(Linear::ZERO);
        }
        lines.sort_by(|one, other| one.slope.cmp(&other.slope).then(one.constant.cmp(&other.constant)));
        lines.dedup();
        let rules = state.rules.iter().chain(rules).copied().collect();
        State { lines, rules, changed: true, ended: state.ended }
    }

    /// Forgets states that another one goes beyond everywhere.
    fn prune(&self, states: &mut Vec<State>) {
        let mut kept: Vec<State> = Vec::new();
        for state in states.drain(..) {
            if kept.iter().any(|other| self.beyond(other, &state)) {
                continue;
            }
            kept.retain(|other| !self.beyond(&state, other));
            kept.push(state);
        }
        *states = kept;
    }

    /// Whether `one` goes at least as far as `other` everywhere, and leaves the rest of the phase as many ways to go on.
    fn beyond(&self, one: &State, other: &State) -> bool {
        let freer = (!one.changed || other.changed) && (!one.ended || other.ended);
        let lines: Vec<Linear> = one.lines.iter().chain(&other.lines).copied().collect();
        freer
            && self.points(&lines).into_iter().all(|at| match (one.at(at), other.at(at)) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(one), Some(other)) => one <= other,
            })
    }

    /// The ends of the subtotal, where lines meet, and one point beyond all of them: what holds in these holds everywhere.
    fn points(&self, lines: &[Linear]) -> Vec<Decimal> {
        let (low, high) = self.subtotal;
        let inside = |at: &Decimal| *at >= low && high.is_none_or(|high| *at <= high);
        let mut points = vec![low];
        for (place, line) in lines.iter().enumerate() {
            points.extend(lines[place + 1..].iter().filter_map(|other| line.meets(*other)).filter(inside));
        }
        points.push(high.unwrap_or_else(|| {
            let last = points.iter().max().copied().unwrap_or(low);
            last.saturating_mul(Decimal::TWO).saturating_add(Decimal::ONE_THOUSAND).min(Decimal::from(1_u64 << 50))
        }));
        points.sort_unstable();
        points.dedup();
        points
    }
}

impl State {
    fn at(&self, subtotal: Decimal) -> Option<Decimal> {
        self.lines.iter().filter_map(|line| line.at(subtotal)).max()
    }
}

/// The worst of several ways.
fn worst(effects: &[Effect]) -> Effect {
    let [one] = effects else {
        let share = effects.iter().map(|effect| effect.share).max().unwrap_or_default();
        let flat = |effect: &Effect| effect.amount.filter(|it| it.slope.is_zero() && effect.left.is_none());
        let amounts: Option<Vec<Decimal>> = effects.iter().map(|it| flat(it).map(|it| it.constant)).collect();
        let amount = amounts.map(|amounts| Linear::constant(amounts.into_iter().max().unwrap_or_default()));
        return Effect { share, amount, left: None, given: None };
    };
    *one
}

/// All of them, each on the same prices.
fn together(effects: &[Effect]) -> Effect {
    let share = effects.iter().map(|effect| effect.share).sum();
    let amount = |effect: &Effect| effect.amount.filter(|_| effect.left.is_none());
    let amount = effects.iter().try_fold(Linear::ZERO, |sum, effect| sum.plus(amount(effect)?));
    Effect { share, amount, left: None, given: None }
}
