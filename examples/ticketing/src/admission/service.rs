//! The service: finds out what the chain asks for, and does what its refusals need.

use std::{net::IpAddr, sync::Arc};

use axum::http::HeaderMap;

use super::{
    chain::{Facts, Question, Refusal, Ticket, Verdict, decide},
    kinds::{Domain, Domains, Kind, Kinds},
    limits::limited,
    policies::Policies,
    policy::Policy,
    reservations::Reservations,
    room::{Crowd, RoomError, Rules, Standing},
    tokens::{Check, Purpose, Tokens},
};
use crate::{
    clock::Millis,
    funnel::Step,
    ids::{SessionId, UserId},
    inventory::Inventory,
    problem::{Code, Problem, Result},
    risk::{Blacklist, Conduct},
    show::{Catalog, SessionInfo},
    telemetry::Counters,
};

/// How long a solved challenge is good for.
const HUMAN: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// What admission is made of.
#[derive(Debug)]
pub struct Parts {
    /// What sales ask.
    pub policies: Policies,
    /// Who reserved.
    pub reservations: Reservations,
    /// Who may not buy.
    pub blacklist: Blacklist,
    /// Counters and rooms, by domain.
    pub domains: Domains,
    /// Signs.
    pub tokens: Tokens,
    /// Shows and sessions.
    pub catalog: Catalog,
    /// Has the sold-out flag.
    pub inventory: Inventory,
}

/// The service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    /// Orders that were refused, by the code of the answer.
    refused: Counters<{ Code::ALL.len() }>,
}

/// Somebody who wants to order, and what they show.
#[derive(Clone, Debug)]
pub struct Knock {
    /// The buyer.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The address.
    pub address: IpAddr,
    /// The network by which limits count.
    pub network: String,
    /// What the device calls itself.
    pub device: Option<String>,
    /// The token of the waiting room.
    pub ticket: Option<String>,
    /// The token of a reservation.
    pub qualification: Option<String>,
    /// The token of a solved challenge.
    pub human: Option<String>,
}

/// The answer to a knock.
#[derive(Debug)]
pub struct Admitted {
    /// Whether the buyer may order, or why not.
    pub outcome: Result<()>,
    /// The step that refused, if one did.
    pub step: Option<Step>,
    /// What the answer says about limits.
    pub headers: HeaderMap,
}

impl From<RoomError> for Problem {
    fn from(error: RoomError) -> Self {
        Self::new(Code::OneMoment, "The waiting room cannot be reached; nobody loses a place.").caused_by(error)
    }
}

impl Admission {
    /// The service on its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let refused =
            |place: usize| metrics::counter!("ticketing_admission_refused_total", "code" => Code::ALL[place].as_str());
        Self(Arc::new(Inner { parts, refused: Counters::new(refused) }))
    }

    /// What sales ask.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.0.parts.policies
    }

    /// Who reserved.
    #[must_use]
    pub fn reservations(&self) -> &Reservations {
        &self.0.parts.reservations
    }

    /// Who may not buy.
    #[must_use]
    pub fn blacklist(&self) -> &Blacklist {
        &self.0.parts.blacklist
    }

    /// Which sessions are flash sales.
    #[must_use]
    pub fn kinds(&self) -> &Kinds {
        &self.0.parts.domains.kinds
    }

    /// Every domain there is, with its name.
    pub fn domains(&self) -> impl Iterator<Item = (Kind, &Domain)> {
        let flash = self.0.parts.domains.flash.as_ref().map(|domain| (Kind::Flash, domain));
        std::iter::once((Kind::Show, &self.0.parts.domains.show)).chain(flash)
    }

    /// The domain of a session.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn domain(&self, session: SessionId) -> Result<&Domain> {
        self.0.parts.domains.of(session).await
    }

    /// Whether this buyer may order now. The refusal says why, and what can be done about it.
    ///
    /// # Cancel safety
    ///
    /// The request may have been counted.
    pub async fn admit(&self, knock: &Knock) -> Admitted {
        let (mut headers, mut step) = (HeaderMap::new(), None);
        let outcome = self.walk(knock, &mut headers, &mut step).await;
        if let Err(problem) = &outcome {
            self.0.refused.count(problem.code as usize);
        }
        Admitted { outcome, step, headers }
    }

    async fn walk(&self, knock: &Knock, headers: &mut HeaderMap, step: &mut Option<Step>) -> Result<()> {
        let policy = self.0.parts.policies.of(knock.session).await?;
        let mut facts = Facts::default();
        loop {
            match decide(&policy, &facts) {
                Verdict::Admit => return Ok(()),
                Verdict::Refuse(refusal) => {
                    *step = Some(refusal.step(&facts));
                    return Err(problem(&refusal));
                }
                Verdict::Ask(question) => self.find_out(question, &policy, knock, headers, &mut facts).await?,
            }
        }
    }

    async fn find_out(
        &self,
        question: Question,
        policy: &Policy,
        knock: &Knock,
        headers: &mut HeaderMap,
        facts: &mut Facts,
    ) -> Result<()> {
        let parts = &self.0.parts;
        let &Knock { session, user, .. } = knock;
        match question {
            Question::SoldOut => facts.sold_out = Some(parts.inventory.sold_out(session)),
            Question::Listed => {
                let listed = parts.blacklist.find(user, knock.address, knock.device.as_deref()).await?;
                facts.listed = Some(listed);
            }
            Question::Limits => {
                let limits = &self.domain(session).await?.limits;
                facts.wait = Some(limits.order(&knock.network, user, session, headers).await?);
            }
            Question::Conduct => {
                let conduct = self.domain(session).await?.behaviour.observe(user, &knock.network).await?;
                if conduct == Conduct::Banned {
                    parts.blacklist.ban(user).await?;
                }
                facts.conduct = Some(conduct);
            }
            Question::Qualified => {
                let check = self.check(knock, Purpose::Qualification, knock.qualification.as_deref());
                facts.qualified = Some(check == Check::Good);
            }
            Question::Reserved => facts.reserved = Some(parts.reservations.has(session, user).await?),
            Question::Human => {
                facts.human = Some(self.check(knock, Purpose::Human, knock.human.as_deref()) == Check::Good);
            }
            Question::Ticket => {
                facts.ticket = Some(match self.check(knock, Purpose::Admission, knock.ticket.as_deref()) {
                    Check::Good => Ticket::Good,
                    Check::Expired => Ticket::Expired,
                    Check::Wrong => Ticket::None,
                });
            }
            Question::Inside => {
                let standing = self.look(policy, session, user).await?;
                facts.inside = Some(matches!(standing, Some((Standing::Inside { .. }, _))));
            }
        }
        Ok(())
    }

    fn check(&self, knock: &Knock, purpose: Purpose, token: Option<&str>) -> Check {
        let check = |token| self.0.parts.tokens.check(token, purpose, knock.session, knock.user, Millis::now());
        token.map_or(Check::Wrong, check)
    }

    /// Waits in the room of a sale, or shows that one still does; `None` where there is no room.
    ///
    /// # Errors
    ///
    /// [`Code::OneMoment`] when the room cannot be reached; [`Code::SaleClosed`]; [`Code::NotFound`].
    ///
    /// # Cancel safety
    ///
    /// The visit goes on.
    pub async fn join(&self, session: &SessionInfo, user: UserId) -> Result<Option<(Standing, Crowd)>> {
        let policy = self.0.parts.policies.of(session.id).await?;
        let Some(room) = &policy.room else { return Ok(None) };
        if Millis::now() >= session.sale_closes_at {
            return Err(Problem::new(Code::SaleClosed, "The sale is over."));
        }
        let rules = Rules::new(room, session.sale_opens_at);
        Ok(Some(self.domain(session.id).await?.rooms.join(session.id, rules, user).await?))
    }

    /// Where a buyer stands in the room of a sale; `None` where there is no room.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn look(&self, policy: &Policy, session: SessionId, user: UserId) -> Result<Option<(Standing, Crowd)>> {
        let Some(room) = &policy.room else { return Ok(None) };
        let info = self.0.parts.catalog.session(session).await?;
        let rules = Rules::new(room, info.sale_opens_at);
        Ok(Some(self.domain(session).await?.rooms.look(session, rules, user).await?))
    }

    /// The room of a sale, and how many may be inside; `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn crowd(&self, session: SessionId) -> Result<Option<(Crowd, u32)>> {
        let policy = self.0.parts.policies.of(session).await?;
        let Some(room) = &policy.room else { return Ok(None) };
        let info = self.0.parts.catalog.session(session).await?;
        let rules = Rules::new(room, info.sale_opens_at);
        Ok(Some((self.domain(session).await?.rooms.crowd(session, rules).await?, room.admitted)))
    }

    /// Gives up the place in the room of a sale, in the line or inside.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cancel safety
    ///
    /// It was given up or not.
    pub async fn leave(&self, session: SessionId, user: UserId) -> Result<()> {
        let policy = self.0.parts.policies.of(session).await?;
        let Some(room) = &policy.room else { return Ok(()) };
        let info = self.0.parts.catalog.session(session).await?;
        let rules = Rules::new(room, info.sale_opens_at);
        Ok(self.domain(session).await?.rooms.leave(session, rules, user).await?)
    }

    /// Whether the sale has a room.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn has_room(&self, session: SessionId) -> Result<bool> {
        Ok(self.0.parts.policies.of(session).await?.room.is_some())
    }

    /// The token of somebody who was let in.
    #[must_use]
    pub fn ticket(&self, session: SessionId, user: UserId, until: Millis) -> String {
        self.0.parts.tokens.issue(Purpose::Admission, session, user, until)
    }

    /// The token of somebody who reserved: good until the sale closes.
    #[must_use]
    pub fn qualification(&self, session: &SessionInfo, user: UserId) -> String {
        self.0.parts.tokens.issue(Purpose::Qualification, session.id, user, session.sale_closes_at)
    }

    /// The token of somebody who solved a challenge, and until when it is good.
    #[must_use]
    pub fn human(&self, session: SessionId, user: UserId) -> (String, Millis) {
        let until = Millis::now().plus(HUMAN);
        (self.0.parts.tokens.issue(Purpose::Human, session, user, until), until)
    }
}

fn problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::SoldOut => {
            Problem::new(Code::SoldOut, "Every seat is taken. Unpaid seats come back when their time is over.")
        }
        Refusal::Blocked(until) => {
            let problem = Problem::new(Code::Blocked, "Your account, network or device may not buy at present.");
            match until {
                Some(until) => problem.with("until", until),
                None => problem,
            }
        }
        Refusal::Limited(wait) => limited(*wait),
        Refusal::ChallengeRequired => {
            Problem::new(Code::ChallengeRequired, "Solve a challenge first, then send its token.")
        }
        Refusal::QualificationRequired => {
            Problem::new(Code::QualificationRequired, "Send the token that your reservation gave you.")
        }
        Refusal::ReservationRequired => {
            Problem::new(Code::ReservationRequired, "This sale is for those who reserved before it opened.")
        }
        Refusal::WaitingRoom => Problem::new(Code::WaitingRoom, "Join the waiting room first, then send its token."),
        Refusal::AdmissionEnded => {
            Problem::new(Code::AdmissionEnded, "Your time inside is over. Join the waiting room again.")
        }
    }
}
