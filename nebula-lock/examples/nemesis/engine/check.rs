//! Judges a history.

use std::collections::{BTreeMap, HashSet};

use super::history::{History, Hold};

/// What the history is judged by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The longest lease in use, in nanoseconds.
    pub(crate) lease: u64,
    /// Between these times servers forgot, or passed on incompletely, what they held. Two holders at once, and holds that
    /// vanish, are counted where such a time explains them. Where none does they are violations.
    pub(crate) excuses: Vec<Excuse>,
    /// Holds have tokens.
    pub(crate) tokens: bool,
    /// Tokens are microseconds of one server's clock: what to subtract from it, in nanoseconds, to get our time.
    pub(crate) wall_ahead: Option<u64>,
    /// What the two clocks drifted apart during the run.
    pub(crate) drift: u64,
    /// So long after the end of its lease, by its own clock, a holder that gets to run has been told by `lost()`.
    pub(crate) told_within: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { lease: 0, excuses: Vec::new(), tokens: true, wall_ahead: None, drift: 0, told_within: u64::MAX }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Excuse {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Everything was forgotten, for certain, when it was over.
    pub(crate) total: bool,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<String>,
    /// Two holders at once where the promise ends.
    pub(crate) overlaps: usize,
    /// Holds that ended under their holders where the promise ends.
    pub(crate) vanished: usize,
    /// What these were, in words.
    pub(crate) explained: Vec<String>,
    /// How late the latest holder noticed that its lease had ended, in nanoseconds. Paused holders included.
    pub(crate) noticed_late: u64,
    /// The same for `lost()`, less the time during which the client did not get to run.
    pub(crate) told_late: u64,
}

pub(crate) fn judge(history: &History, rules: &Rules) -> Verdict {
    let mut verdict = Verdict { violations: history.complaints.clone(), ..Verdict::default() };
    let mut keys: BTreeMap<&str, Vec<&Hold>> = BTreeMap::new();
    for hold in &history.holds {
        keys.entry(&hold.key).or_default().push(hold);
        if let Some(at) = hold.vanished {
            verdict.count_or_complain(
                rules,
                hold.asked,
                at,
                |v| &mut v.vanished,
                || format!("hold {} vanished {} before its lease ended", name(hold), millis(hold.until - at)),
            );
        }
        if let Some(noticed) = hold.noticed {
            verdict.noticed_late = verdict.noticed_late.max(noticed.saturating_sub(hold.until));
        }
        told_in_time(hold, history, rules, &mut verdict);
        for excuse in rules.excuses.iter().filter(|excuse| excuse.total && hold.begin < excuse.from) {
            if hold.end > excuse.to + rules.lease {
                let late = millis(hold.end - excuse.to - rules.lease);
                verdict.violations.push(format!("hold {} was believed in {late} too long after a wipe", name(hold)));
            }
        }
    }
    for holds in keys.values_mut() {
        exclusion(holds, rules, &mut verdict);
        if rules.tokens {
            tokens(holds, rules, &mut verdict);
        }
        server_order(holds, rules, &mut verdict);
    }
    verdict
}

/// Whoever holds on to a lock is told when its lease ends, as soon as the client gets to run.
fn told_in_time(hold: &Hold, history: &History, rules: &Rules, verdict: &mut Verdict) {
    let Some(told) = hold.told else { return };
    let late = told.saturating_sub(hold.until);
    let late = late.saturating_sub(history.stalled(hold.id >> 32, hold.until, told));
    verdict.told_late = verdict.told_late.max(late);
    if late > rules.told_within {
        let late = millis(late);
        verdict.violations.push(format!("{} was not told of the end of its lease until {late} after it", name(hold)));
    }
}

/// No two holders at once, except readers. A lock may have been granted long before its holder begins: the reply was late, or it is
/// the first one of several. So what happened since either of them asked may explain it.
fn exclusion(holds: &mut [&Hold], rules: &Rules, verdict: &mut Verdict) {
    holds.sort_by_key(|hold| hold.begin);
    let mut alive: Vec<&Hold> = Vec::new();
    for hold in holds.iter() {
        alive.retain(|earlier| earlier.end > hold.begin);
        for earlier in alive.iter().filter(|earlier| conflict(earlier, hold) && hold.end > hold.begin) {
            verdict.count_or_complain(
                rules,
                earlier.asked.min(hold.asked),
                hold.begin,
                |v| &mut v.overlaps,
                || {
                    let long = millis(earlier.end.min(hold.end) - hold.begin);
                    format!("two holders for {long}: {} and {}", name(earlier), name(hold))
                },
            );
        }
        alive.push(hold);
    }
}

/// Tokens increase strictly, over everything that happens to servers.
fn tokens(holds: &mut [&Hold], rules: &Rules, verdict: &mut Verdict) {
    let mut seen = HashSet::new();
    for hold in holds.iter().filter(|hold| !seen.insert(hold.fence)) {
        verdict.violations.push(format!("token {} was given out twice, the second time to {}", hold.fence, name(hold)));
    }
    // Whoever asked after another had got the lock has a greater token, whatever became of the other.
    let mut by_begin = holds.to_vec();
    by_begin.sort_by_key(|hold| hold.begin);
    holds.sort_by_key(|hold| hold.asked);
    let (mut next, mut greatest): (usize, Option<&Hold>) = (0, None);
    for hold in holds.iter() {
        while by_begin.get(next).is_some_and(|earlier| earlier.begin < hold.asked) {
            greatest = greatest.filter(|old| old.fence > by_begin[next].fence).or(Some(by_begin[next]));
            next += 1;
        }
        complain_about_order(greatest, hold, verdict);
    }
    // Where two never hold at once, those who waited are in order as well.
    let (mut all, mut alone): (Option<&Hold>, Option<&Hold>) = (None, None);
    for hold in by_begin {
        let before = if hold.shared { alone } else { all };
        let promised = before.is_none_or(|before| !rules.excused(before.asked.min(hold.asked), hold.begin));
        if promised {
            complain_about_order(before, hold, verdict);
        }
        all = all.filter(|old| old.fence > hold.fence).or(Some(hold));
        if !hold.shared {
            alone = alone.filter(|old| old.fence > hold.fence).or(Some(hold));
        }
    }
}

fn complain_about_order(before: Option<&Hold>, hold: &Hold, verdict: &mut Verdict) {
    if let Some(before) = before.filter(|before| before.fence >= hold.fence) {
        verdict.violations.push(format!("the token of {} is not greater than that of {}", name(hold), name(before)));
    }
}

/// Nobody believes in a hold when the server, by its own clock, grants the lock to another.
fn server_order(holds: &mut [&Hold], rules: &Rules, verdict: &mut Verdict) {
    let Some(ahead) = rules.wall_ahead else { return };
    holds.sort_by_key(|hold| hold.fence);
    for (place, hold) in holds.iter().enumerate() {
        let granted = (hold.fence * 1000).saturating_sub(ahead) + 1_000_000 + rules.drift;
        // Holds are short; those that could still last are not far back.
        for earlier in holds[..place].iter().rev().take(100) {
            if conflict(earlier, hold) && earlier.end > granted && !rules.excused(earlier.asked, hold.begin) {
                let late = millis(earlier.end - granted);
                let (earlier, hold) = (name(earlier), name(hold));
                verdict.violations.push(format!("{earlier} was believed in {late} after the server granted {hold}"));
            }
        }
    }
}

const fn conflict(one: &Hold, other: &Hold) -> bool {
    !(one.shared && other.shared)
}

impl Rules {
    fn excused(&self, from: u64, to: u64) -> bool {
        self.excuses.iter().any(|excuse| excuse.from <= to && excuse.to >= from)
    }
}

impl Verdict {
    fn count_or_complain(
        &mut self,
        rules: &Rules,
        from: u64,
        to: u64,
        count: impl FnOnce(&mut Self) -> &mut usize,
        complaint: impl FnOnce() -> String,
    ) {
        if rules.excused(from, to) {
            *count(self) += 1;
            self.explained.push(complaint());
        } else {
            self.violations.push(complaint());
        }
    }
}

fn name(hold: &Hold) -> String {
    let (client, number) = (hold.id >> 32, hold.id & 0xffff_ffff);
    format!("{client}/{number} ({}, token {}, {}..{})", hold.key, hold.fence, hold.begin, hold.end)
}

fn millis(nanos: u64) -> String {
    format!("{:.3} ms", std::time::Duration::from_nanos(nanos).as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Holds of one key, by begin and end in seconds, in the order of their tokens.
    fn history(holds: &[(u64, u64)]) -> History {
        let holds = holds.iter().zip(1..).map(|((begin, end), fence)| Hold {
            id: fence,
            key: "key".to_owned(),
            fence,
            asked: begin * SECOND - 1,
            begin: begin * SECOND,
            end: end * SECOND,
            until: end * SECOND,
            ..Hold::default()
        });
        History { holds: holds.collect(), ..History::default() }
    }

    fn violations(history: &History, rules: &Rules) -> usize {
        judge(history, rules).violations.len()
    }

    fn excuse(from: u64, to: u64, total: bool) -> Rules {
        let excuses = vec![Excuse { from: from * SECOND, to: to * SECOND, total }];
        Rules { lease: 2 * SECOND, excuses, ..Rules::default() }
    }

    #[test]
    fn order_is_no_violation() {
        assert_eq!(violations(&history(&[(1, 2), (2, 3), (5, 6)]), &Rules::default()), 0);
    }

    #[test]
    fn two_holders_are() {
        assert_eq!(violations(&history(&[(1, 4), (3, 5)]), &Rules::default()), 1);
        assert_eq!(violations(&history(&[(1, 10), (2, 3), (4, 5)]), &Rules::default()), 2);
        let mut readers = history(&[(1, 4), (3, 5)]);
        readers.holds.iter_mut().for_each(|hold| hold.shared = true);
        assert_eq!(violations(&readers, &Rules::default()), 0);
        readers.holds[1].shared = false;
        assert_eq!(violations(&readers, &Rules::default()), 1);
    }

    #[test]
    fn a_wipe_explains_two_holders_only_if_it_fell_between_them() {
        let verdict = judge(&history(&[(1, 4), (3, 5)]), &excuse(2, 2, true));
        assert_eq!((verdict.violations.len(), verdict.overlaps), (0, 1));
        assert_eq!(violations(&history(&[(3, 6), (4, 5)]), &excuse(2, 2, true)), 1);
        let mut late = history(&[(3, 6), (4, 5)]);
        late.holds[1].asked = SECOND;
        assert_eq!(violations(&late, &excuse(2, 2, true)), 0, "granted before the wipe, and begun after it");
    }

    #[test]
    fn nobody_believes_for_longer_than_a_lease_after_a_wipe() {
        assert_eq!(violations(&history(&[(1, 4)]), &excuse(2, 2, true)), 0);
        assert_eq!(violations(&history(&[(1, 5)]), &excuse(2, 2, true)), 1);
        assert_eq!(violations(&history(&[(1, 5)]), &excuse(2, 2, false)), 0, "nobody knows what was forgotten");
    }

    #[test]
    fn tokens_have_to_increase() {
        let mut backwards = history(&[(1, 2), (3, 4)]);
        backwards.holds[1].fence = 1;
        assert!(violations(&backwards, &Rules::default()) > 0, "the same token twice");
        backwards.holds[1].fence = 0;
        assert!(violations(&backwards, &Rules::default()) > 0);
        assert!(violations(&backwards, &excuse(1, 4, true)) > 0, "whatever servers forget");
        // Having waited all the time, it may have been granted before the other, where the promise ends.
        backwards.holds[1].asked = 0;
        assert_eq!(violations(&backwards, &excuse(1, 4, true)), 0);
        assert_eq!(violations(&backwards, &Rules::default()), 1);
        assert_eq!(violations(&backwards, &excuse(0, 0, true)), 0, "granted before the other asked, and forgotten");
        backwards.holds[1].asked = SECOND / 2;
        assert_eq!(violations(&backwards, &excuse(0, 0, true)), 1);
    }

    #[test]
    fn a_hold_has_to_end_before_the_server_grants_the_next() {
        let mut late = history(&[(1, 4), (5, 6)]);
        let rules = Rules { wall_ahead: Some(0), ..Rules::default() };
        (late.holds[0].fence, late.holds[1].fence) = (SECOND / 1000, 4 * SECOND / 1000);
        assert_eq!(violations(&late, &rules), 0);
        late.holds[1].fence = 3 * SECOND / 1000;
        assert_eq!(violations(&late, &rules), 1, "granted a second before the first stopped to believe");
    }

    #[test]
    fn a_hold_must_not_vanish() {
        let text = "acquired 1 key 0 7 0 10 1000\nended 1 500 Gone\nacquired 2 key 0 8 0 2000 3000\n\
                    ended 2 2100 GivenBack\noutcome 2 2200 AlreadyLost\n";
        let mut history = History::default();
        history.add(text, None).unwrap();
        assert_eq!(violations(&history, &Rules::default()), 2);
        let late = text.replace("500 Gone", "1000 Gone").replace("2200", "3000");
        let mut history = History::default();
        history.add(&late, None).unwrap();
        assert_eq!(violations(&history, &Rules::default()), 0, "their time was over");
    }

    #[test]
    fn the_end_of_a_lease_has_to_be_told_at_once() {
        let (client, rules) = (3_u64, Rules { told_within: 500, ..Rules::default() });
        let hold = (client << 32) | 1;
        let judged = |events: &str| {
            let mut history = History::default();
            history.add(&format!("acquired {hold} key 0 7 0 10 1000\nextended {hold} 2000\n{events}"), None).unwrap();
            judge(&history, &rules)
        };
        let verdict = judged(&format!("told {hold} 2400\nended {hold} 9000 GivenBack\n"));
        assert_eq!((verdict.violations.len(), verdict.told_late), (0, 400), "what it does then is its own business");
        assert_eq!(judged(&format!("ended {hold} 1900 GivenBack\n")).told_late, 0, "it ended before");
        assert_eq!(judged(&format!("told {hold} 2600\n")).violations.len(), 1, "too late");
        assert_eq!(judged(&format!("ended {hold} 2600 GivenBack\n")).violations.len(), 1, "never, although it lasted");
        assert_eq!(judged(&format!("ended {hold} 2600 Expired\ntold {hold} 2700\n")).violations.len(), 1);
        // Before the end, across it, and after it: what counts is when it could have been told.
        let stalls = format!("stalled {client} 500 900\nstalled {client} 1500 2300\nstalled {client} 2500 2900\n");
        let verdict = judged(&format!("{stalls}told {hold} 3100\n"));
        assert_eq!((verdict.violations.len(), verdict.told_late), (0, 400), "frozen for the rest of the time");
        assert_eq!(judged(&format!("{stalls}told {hold} 3300\n")).violations.len(), 1);
        let other = stalls.replace(&format!("stalled {client}"), "stalled 4");
        assert_eq!(judged(&format!("{other}told {hold} 3100\n")).violations.len(), 1, "another client was");
    }

    #[test]
    fn the_dead_do_not_believe() {
        let text = "acquired 1 key 0 7 0 10 1000\nextended 1 2000\nacqui";
        for (died, end) in [(None, 2000), (Some(300), 300), (Some(5000), 2000)] {
            let mut history = History::default();
            history.add(text, died).unwrap();
            assert_eq!(history.holds[0].end, end);
        }
        assert!(History::default().add("acquired\n", None).is_err(), "a gap in the history is noticed");
    }
}
