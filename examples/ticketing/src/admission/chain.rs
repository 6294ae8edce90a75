//! The chain: from what a sale asks and what is known of a request to what to do next. Nothing here waits or looks.

use std::time::Duration;

use super::policy::Policy;
use crate::{
    clock::Millis,
    funnel::Step,
    risk::{Conduct, Listed},
};

/// What is known of a request; what is not known yet is `None`.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Nothing is left.
    pub sold_out: Option<bool>,
    /// Why the buyer may not buy, if so.
    pub listed: Option<Option<Listed>>,
    /// How long to wait because too many orders were placed; zero for not at all.
    pub wait: Option<Duration>,
    /// How the buyer behaves.
    pub conduct: Option<Conduct>,
    /// The buyer has a token of a reservation.
    pub qualified: Option<bool>,
    /// The buyer has reserved.
    pub reserved: Option<bool>,
    /// The buyer has solved a challenge.
    pub human: Option<bool>,
    /// The buyer has a token of the waiting room.
    pub ticket: Option<Ticket>,
    /// The waiting room knows the buyer as somebody inside.
    pub inside: Option<bool>,
}

/// What a token of the waiting room is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// It lets in.
    Good,
    /// It did.
    Expired,
    /// There is none, or it is another buyer's or another sale's.
    None,
}

/// What has to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// [`Facts::sold_out`]
    SoldOut,
    /// [`Facts::listed`]
    Listed,
    /// [`Facts::wait`]
    Limits,
    /// [`Facts::conduct`]
    Conduct,
    /// [`Facts::qualified`]
    Qualified,
    /// [`Facts::reserved`]
    Reserved,
    /// [`Facts::human`]
    Human,
    /// [`Facts::ticket`]
    Ticket,
    /// [`Facts::inside`]
    Inside,
}

/// Why a buyer is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is left.
    SoldOut,
    /// On the blacklist, until then.
    Blocked(Option<Millis>),
    /// Too many orders: wait so long.
    Limited(Duration),
    /// A challenge has to be solved.
    ChallengeRequired,
    /// The token of the reservation is missing or not good.
    QualificationRequired,
    /// Only those who reserved may buy.
    ReservationRequired,
    /// The waiting room comes first.
    WaitingRoom,
    /// The time inside is over, or given up.
    AdmissionEnded,
}

impl Refusal {
    /// The step that refuses, going by what is known.
    #[must_use]
    pub fn step(&self, facts: &Facts) -> Step {
        match self {
            Self::SoldOut => Step::SoldOut,
            Self::Blocked(_) if facts.conduct == Some(Conduct::Banned) => Step::Behaviour,
            Self::Blocked(_) => Step::Blacklist,
            Self::Limited(_) => Step::Limits,
            Self::ChallengeRequired if facts.conduct == Some(Conduct::Abnormal) => Step::Behaviour,
            Self::ChallengeRequired => Step::Slider,
            Self::QualificationRequired => Step::Qualification,
            Self::ReservationRequired => Step::Reservation,
            Self::WaitingRoom | Self::AdmissionEnded => Step::WaitingRoom,
        }
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let the buyer through.
    Admit,
    /// Do not.
    Refuse(Refusal),
    /// Find this out and decide again.
    Ask(Question),
}

/// Decides by what is known, or says what has to be found out.
#[must_use]
pub fn decide(policy: &Policy, facts: &Facts) -> Verdict {
    walk(policy, facts).map_or_else(|verdict| verdict, |()| Verdict::Admit)
}

fn walk(policy: &Policy, facts: &Facts) -> Result<(), Verdict> {
    if policy.sold_out && known(facts.sold_out, Question::SoldOut)? {
        return refuse(Refusal::SoldOut);
    }
    if policy.blacklist
        && let Some(listed) = known(facts.listed.as_ref(), Question::Listed)?
    {
        return refuse(Refusal::Blocked(listed.until));
    }
    if policy.limits {
        let wait = known(facts.wait, Question::Limits)?;
        if !wait.is_zero() {
            return refuse(Refusal::Limited(wait));
        }
    }
    let mut challenged = policy.slider;
    if policy.behaviour {
        match known(facts.conduct, Question::Conduct)? {
            Conduct::Ordinary => {}
            Conduct::Abnormal => challenged = true,
            Conduct::Banned => return refuse(Refusal::Blocked(None)),
        }
    }
    if policy.qualification && !known(facts.qualified, Question::Qualified)? {
        return refuse(Refusal::QualificationRequired);
    }
    // A token is signed for those who reserved: whoever shows it need not be looked up.
    if policy.reservation && !policy.qualification && !known(facts.reserved, Question::Reserved)? {
        return refuse(Refusal::ReservationRequired);
    }
    if challenged && !known(facts.human, Question::Human)? {
        return refuse(Refusal::ChallengeRequired);
    }
    if policy.room.is_some() {
        match known(facts.ticket, Question::Ticket)? {
            Ticket::Good => {}
            Ticket::Expired => return refuse(Refusal::AdmissionEnded),
            Ticket::None => return refuse(Refusal::WaitingRoom),
        }
        // The token outlives an admission that its owner gave up, or that ended with an order.
        if !known(facts.inside, Question::Inside)? {
            return refuse(Refusal::AdmissionEnded);
        }
    }
    Ok(())
}

fn known<T>(fact: Option<T>, question: Question) -> Result<T, Verdict> {
    fact.ok_or(Verdict::Ask(question))
}

fn refuse(refusal: Refusal) -> Result<(), Verdict> {
    Err(Verdict::Refuse(refusal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Room;

    fn all() -> Policy {
        Policy {
            sold_out: true,
            blacklist: true,
            limits: true,
            behaviour: true,
            reservation: true,
            qualification: false,
            slider: true,
            room: Some(Room::default()),
            per_person: None,
            real_name: None,
        }
    }

    fn fine() -> Facts {
        Facts {
            sold_out: Some(false),
            listed: Some(None),
            wait: Some(Duration::ZERO),
            conduct: Some(Conduct::Ordinary),
            qualified: Some(true),
            reserved: Some(true),
            human: Some(true),
            ticket: Some(Ticket::Good),
            inside: Some(true),
        }
    }

    #[test]
    fn a_sale_without_steps_asks_nothing() {
        let none = Policy { sold_out: false, ..Policy::default() };
        assert_eq!(decide(&none, &Facts::default()), Verdict::Admit);
        assert!(none.is_plain() && Policy::default().is_plain() && !all().is_plain());
    }

    #[test]
    fn questions_come_one_by_one_in_the_order_of_their_cost() {
        let (policy, fine) = (all(), fine());
        let mut facts = Facts::default();
        let mut asked = Vec::new();
        while let Verdict::Ask(question) = decide(&policy, &facts) {
            asked.push(question);
            match question {
                Question::SoldOut => facts.sold_out = fine.sold_out,
                Question::Listed => facts.listed = fine.listed.clone(),
                Question::Limits => facts.wait = fine.wait,
                Question::Conduct => facts.conduct = fine.conduct,
                Question::Qualified => facts.qualified = fine.qualified,
                Question::Reserved => facts.reserved = fine.reserved,
                Question::Human => facts.human = fine.human,
                Question::Ticket => facts.ticket = fine.ticket,
                Question::Inside => facts.inside = fine.inside,
            }
        }
        use Question::{Conduct, Human, Inside, Limits, Listed, Reserved, SoldOut, Ticket};
        assert_eq!(asked, [SoldOut, Listed, Limits, Conduct, Reserved, Human, Ticket, Inside]);
        assert_eq!(decide(&policy, &facts), Verdict::Admit);
    }

    #[test]
    fn a_refusal_names_the_step_that_it_is_of() {
        let with = |conduct| Facts { conduct: Some(conduct), ..Facts::default() };
        for (refusal, facts, step) in [
            (Refusal::SoldOut, Facts::default(), Step::SoldOut),
            (Refusal::Blocked(None), with(Conduct::Ordinary), Step::Blacklist),
            (Refusal::Blocked(None), with(Conduct::Banned), Step::Behaviour),
            (Refusal::ChallengeRequired, with(Conduct::Ordinary), Step::Slider),
            (Refusal::ChallengeRequired, with(Conduct::Abnormal), Step::Behaviour),
            (Refusal::AdmissionEnded, fine(), Step::WaitingRoom),
        ] {
            assert_eq!(refusal.step(&facts), step, "{refusal:?}");
        }
        for step in Step::ALL {
            assert_eq!(serde_json::to_value(step).unwrap(), step.as_str());
        }
    }

    #[test]
    fn each_step_refuses_by_its_own_word_and_only_when_it_is_on() {
        const UNTIL: Option<Millis> = Some(Millis(7));
        type Change<T> = &'static dyn Fn(&mut T);
        let cases: [(Change<Policy>, Change<Facts>, Refusal); 10] = [
            (&|policy| policy.sold_out = false, &|facts| facts.sold_out = Some(true), Refusal::SoldOut),
            (
                &|policy| policy.blacklist = false,
                &|facts| facts.listed = Some(Some(Listed { until: UNTIL })),
                Refusal::Blocked(UNTIL),
            ),
            (
                &|policy| policy.limits = false,
                &|facts| facts.wait = Some(Duration::from_secs(3)),
                Refusal::Limited(Duration::from_secs(3)),
            ),
            (
                &|policy| policy.behaviour = false,
                &|facts| facts.conduct = Some(Conduct::Banned),
                Refusal::Blocked(None),
            ),
            (&|policy| policy.slider = false, &|facts| facts.human = Some(false), Refusal::ChallengeRequired),
            (&|policy| policy.reservation = false, &|facts| facts.reserved = Some(false), Refusal::ReservationRequired),
            (&|policy| policy.room = None, &|facts| facts.ticket = Some(Ticket::None), Refusal::WaitingRoom),
            (&|policy| policy.room = None, &|facts| facts.ticket = Some(Ticket::Expired), Refusal::AdmissionEnded),
            (&|policy| policy.room = None, &|facts| facts.inside = Some(false), Refusal::AdmissionEnded),
            (
                &|policy| {
                    policy.behaviour = false;
                    policy.slider = false;
                },
                &|facts| {
                    facts.conduct = Some(Conduct::Abnormal);
                    facts.human = Some(false);
                },
                Refusal::ChallengeRequired,
            ),
        ];
        for (off, fault, refusal) in cases {
            let (mut policy, mut facts) = (all(), fine());
            fault(&mut facts);
            assert_eq!(decide(&policy, &facts), Verdict::Refuse(refusal.clone()));
            off(&mut policy);
            assert_eq!(decide(&policy, &facts), Verdict::Admit, "{refusal:?}");
        }
    }

    #[test]
    fn a_token_of_a_reservation_saves_the_look_at_the_reservations() {
        let policy = Policy { qualification: true, reservation: true, ..Policy::default() };
        let facts = Facts { sold_out: Some(false), qualified: Some(true), ..Facts::default() };
        assert_eq!(decide(&policy, &facts), Verdict::Admit);
        let facts = Facts { qualified: Some(false), ..facts };
        assert_eq!(decide(&policy, &facts), Verdict::Refuse(Refusal::QualificationRequired));
    }
}
