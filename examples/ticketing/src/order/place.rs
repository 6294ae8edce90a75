//! Placing an order: hold the seats and write the order, in one idempotent step.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use futures_util::future::BoxFuture;
use metrics::Counter;
use nebula_tenant::TenantId;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{
    best::{self, Best},
    domain::OrderState,
    quota::Quota,
    sale::{self, Sale},
    storage::{self, Inserted, OrderRow, OrderSeat},
};
use crate::{
    admission::PerPerson,
    breaker::{Breaker, Circuit},
    clock::Millis,
    funnel::{Count, Funnel},
    identity::{self, Identities, Named, RealName, WishedAttendee, Wishes},
    ids::{OrderId, SeatPosition, SessionId, UserId},
    inventory::{Hold, HoldRequest, Inventory},
    marketing::{self, OrderPrice, Prices},
    merchant::Merchants,
    money::Money,
    outbox::Timeouts,
    problem::{Code, Problem, Result},
    show::{Catalog, PricedSeat, SessionInfo},
    storage::Database,
    telemetry::{about_order, context::Carrier},
};

/// A hold this old is not made an order any more: the sweep, which frees holds without an order after
/// [`ORPHAN`](crate::sweep::ORPHAN), must not come in between. The rest is for the commit.
const LATEST: Duration = Duration::from_secs(15);

/// How often a hold is taken again because the ledger was rebuilt between the hold and the order.
const ATTEMPTS: usize = 3;

/// What a buyer asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The buyer.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// Which seats.
    pub places: Places,
    /// The code of a coupon.
    pub coupon: Option<String>,
    /// What the buyer believes it costs.
    pub expected_total: Option<Money>,
    /// Makes a repeated wish the same order.
    pub idempotency_key: Option<String>,
    /// How much one person may order.
    pub per_person: Option<PerPerson>,
    /// Who sells it, if that is at a counter.
    pub sale: Option<Sale>,
    /// Whose names the sale asks for.
    pub real_name: Option<RealName>,
    /// Whom the seats are for, where the sale asks.
    pub attendees: Vec<WishedAttendee>,
}

impl Wish {
    /// The order that this wish is, each time it is made.
    fn order(&self) -> Option<OrderId> {
        let key = self.idempotency_key.as_deref()?;
        Some(match &self.sale {
            Some(sale) => at_counter(sale.clerk, key),
            None => derive("order", self.user, key),
        })
    }
}

/// Which seats a buyer asks for.
#[derive(Clone, Debug)]
pub enum Places {
    /// Those of these names.
    Named(Vec<String>),
    /// Good ones.
    Best(Best),
}

/// A wish that may be granted, while its seats are looked for.
pub(super) struct Work<'w> {
    wish: &'w Wish,
    pub(super) session: &'w SessionInfo,
    id: OrderId,
    fingerprint: String,
    quota: Option<Quota>,
}

/// What became of a try at certain seats.
pub(super) enum Attempt {
    /// They are the order's.
    Placed(Placed),
    /// These are somebody else's.
    Taken(Vec<SeatPosition>),
    /// The order has these already.
    Other(Vec<SeatPosition>),
}

/// The answer to a wish that was granted.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The order.
    pub order: OrderRow,
    /// Its seats, unless it was placed by an earlier request with the same key.
    pub seats: Option<Arc<[OrderSeat]>>,
}

impl Placed {
    /// It was placed by an earlier request with the same key.
    #[must_use]
    pub const fn is_replayed(&self) -> bool {
        self.seats.is_none()
    }
}

/// What orders are placed with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The database.
    pub database: Database,
    /// Sessions and list prices.
    pub catalog: Catalog,
    /// Who sells.
    pub merchants: Merchants,
    /// What seats cost.
    pub prices: Prices,
    /// Seats.
    pub inventory: Inventory,
    /// Ends unpaid orders.
    pub timeouts: Timeouts,
    /// Whom seats are for.
    pub identities: Identities,
    /// Counts holds and orders.
    pub funnel: Funnel,
    /// Work that goes on when its request is gone.
    pub tasks: TaskTracker,
}

/// What is written down with an order.
struct Made {
    seats: Arc<[OrderSeat]>,
    price: Option<Arc<OrderPrice>>,
    quota: Option<Quota>,
    sale: Option<Arc<Sale>>,
    named: Option<Arc<Named>>,
    merchant: TenantId,
}

/// The order service.
#[derive(Clone, Debug)]
pub struct Orders {
    parts: Parts,
    /// Around the database: orders are refused at once while it is away, and hold nothing.
    breaker: Arc<Breaker>,
    /// Orders that were placed.
    placed: Counter,
}

impl Orders {
    /// The service on its parts. Call it when metrics are recorded.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let placed = metrics::counter!("ticketing_orders_placed_total");
        let database = parts.database.clone();
        let look = move || -> BoxFuture<'static, bool> {
            let database = database.clone();
            Box::pin(async move { database.answers().await })
        };
        Self { parts, breaker: Arc::new(Breaker::new("database").looking(look)), placed }
    }

    /// What guards the database.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        self.breaker.circuit()
    }

    /// Holds the seats and writes the order: when this answers, the order survives any crash.
    ///
    /// The order's identifier is derived from the buyer and the idempotency key, so a request that is repeated because
    /// its answer was lost finds the same hold and the same order, wherever the first attempt broke off.
    ///
    /// # Errors
    ///
    /// A refusal with its code, see the documentation of `POST /orders`; nothing is held then.
    ///
    /// # Cancel safety
    ///
    /// The work goes on when the future is dropped: a buyer who lost the connection has the order nevertheless.
    pub async fn place(&self, wish: Wish) -> Result<Placed> {
        let this = self.clone();
        self.parts
            .tasks
            .spawn(Carrier::here().over(async move { this.place_now(wish).await }))
            .await
            .map_err(Problem::internal)?
    }

    /// The order that an earlier request with the same key placed. Without a key nobody is asked.
    ///
    /// # Errors
    ///
    /// [`Code::IdempotencyKeyReused`] when the key was used for other seats; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn placed(&self, wish: &Wish) -> Result<Option<Placed>> {
        let Some(id) = wish.order() else { return Ok(None) };
        let Some(known) = storage::find_any(&self.parts.database.read, id).await? else { return Ok(None) };
        let session = self.parts.catalog.session(wish.session).await?;
        let named = named(&session, wish)?;
        replay(known, &self.fingerprint(wish, named.as_deref()).await?).map(Some)
    }

    async fn place_now(&self, wish: Wish) -> Result<Placed> {
        let session = self.parts.catalog.session(wish.session).await?;
        let named = named(&session, &wish)?;
        let fingerprint = self.fingerprint(&wish, named.as_deref()).await?;
        let id = wish.order().unwrap_or_else(OrderId::new);
        about_order(id);
        if wish.idempotency_key.is_some()
            && let Some(known) = storage::find_any(&self.parts.database.read, id).await?
        {
            return replay(known, &fingerprint);
        }
        check_sale(&session)?;
        if !session.published || !self.parts.merchants.is_active(&session.merchant).await? {
            return Err(Problem::not_found("session"));
        }
        let quota = wish.per_person.map(|limits| Quota { limits, session: wish.session, user: wish.user });
        if let Some(quota) = quota {
            // Refused without a hold; what comes in between is found by the transaction.
            quota.leaves(&self.parts.database.read, wish.places.count()).await?;
        }
        let work = Work { wish: &wish, session: &session, id, fingerprint, quota };
        match (&wish.places, named) {
            (Places::Named(_), Some(chosen)) => match self.attempt(&work, &chosen).await? {
                Attempt::Placed(placed) => Ok(placed),
                Attempt::Taken(taken) => {
                    let name = |position: &SeatPosition| session.plan.seat(*position).map(|seat| seat.guid.to_string());
                    let names: Vec<String> = taken.iter().filter_map(name).collect();
                    Err(Problem::new(Code::SeatTaken, "Somebody else was quicker.").with("seats", names))
                }
                Attempt::Other(_) => Err(key_reused()),
            },
            (Places::Best(best), _) => best::place(self, &work, best).await,
            (Places::Named(_), None) => Err(Problem::internal("seats with names were not looked up")),
        }
    }

    /// Holds these seats and writes the order of them.
    pub(super) async fn attempt(&self, work: &Work<'_>, chosen: &[PricedSeat<'_>]) -> Result<Attempt> {
        let Work { wish, session, id, .. } = *work;
        let mut seats: Vec<OrderSeat> = chosen.iter().map(OrderSeat::from).collect();
        let named = self.named(wish, session, id, chosen).await?.map(Arc::new);
        let price = self.parts.prices.of(session, chosen, wish.user, wish.coupon.as_deref()).await?;
        for (seat, price) in seats.iter_mut().zip(price.iter().flat_map(|price| &price.quoted.prices)) {
            seat.price = *price;
        }
        let total = check_price(&seats, wish.expected_total)?;
        let price = match price {
            None => None,
            Some(price) => Some(OrderPrice::of(&price, &self.parts.prices.coupons, wish.user, chosen).await?),
        };
        let price = price.map(Arc::new);
        let sale = wish.sale.clone().map(Arc::new);
        let request = HoldRequest {
            session: wish.session,
            order: id,
            user: wish.user,
            seats: seats.iter().map(|seat| seat.position).collect(),
        };
        let seats: Arc<[OrderSeat]> = seats.into();
        for attempt in 0..ATTEMPTS {
            // What cannot be written down is not held either.
            self.breaker.look()?;
            let asked = Instant::now();
            let epoch = match self.hold(&request).await? {
                Held::Under(epoch) => epoch,
                Held::Taken(taken) => return Ok(Attempt::Taken(taken)),
                Held::Other(seats) => return Ok(Attempt::Other(seats)),
            };
            if attempt == 0 {
                self.parts.funnel.count(wish.session, Count::Held);
            }
            let now = Millis::now();
            let order = OrderRow {
                id,
                user: wish.user,
                session: wish.session,
                state: OrderState::Locked,
                total,
                fingerprint: work.fingerprint.clone(),
                created_at: now,
                expires_at: now.plus(session.hold),
                archived_at: None,
            };
            let made = Made {
                seats: Arc::clone(&seats),
                price: price.clone(),
                quota: work.quota,
                sale: sale.clone(),
                named: named.clone(),
                merchant: session.merchant.clone(),
            };
            let written = self.write(order.clone(), made, epoch, asked, session.hold);
            match self.breaker.call(written, |problem| problem.code == Code::Unavailable).await {
                Ok(Inserted::New) => {
                    self.placed.increment(1);
                    self.parts.funnel.count(wish.session, Count::Placed);
                    return Ok(Attempt::Placed(Placed { order, seats: Some(seats) }));
                }
                // Another request with the same key was quicker.
                Ok(Inserted::Exists) => {
                    let known = storage::find(&self.parts.database.read, id).await?;
                    let known = known.ok_or_else(|| Problem::internal("an order vanished"))?;
                    if !known.state.is_live() && !known.state.owns_seats() {
                        self.parts.inventory.release(wish.session, id).await?;
                    }
                    return replay(known, &work.fingerprint).map(Attempt::Placed);
                }
                Ok(Inserted::EpochPassed) => self.parts.inventory.invalidate(wish.session, epoch).await?,
                // Nobody else can have this order's identifier: its hold is of no use any more.
                Err(problem) if wish.idempotency_key.is_none() && is_quota(&problem) => {
                    self.parts.inventory.release(wish.session, id).await?;
                    return Err(problem);
                }
                // The hold, if the order did not come to be, is left to the sweep: a request with the same key may be
                // on its way with it.
                Err(problem) => return Err(problem),
            }
        }
        Err(Problem::new(Code::OneMoment, "The seats of this session are being counted anew."))
    }

    /// Whom the seats are for, where the sale asks; refused without a hold if they have as much as they may.
    async fn named(
        &self,
        wish: &Wish,
        session: &SessionInfo,
        order: OrderId,
        chosen: &[PricedSeat<'_>],
    ) -> Result<Option<Named>> {
        let Some(rule) = wish.real_name else { return Ok(None) };
        let position = |guid: &String| chosen.iter().find(|seat| *seat.seat.guid == **guid).map(|seat| seat.position);
        // In the order in which the buyer named the seats; where they are chosen here, any seat is as good as another.
        let seats: Vec<SeatPosition> = match &wish.places {
            Places::Named(names) => names.iter().filter_map(position).collect(),
            Places::Best(_) => chosen.iter().map(|seat| seat.position).collect(),
        };
        let wishes = Wishes {
            user: wish.user,
            limited: wish.sale.is_none().then_some(wish.user),
            order,
            session: wish.session,
            merchant: &session.merchant,
            attendees: &wish.attendees,
            seats: &seats,
        };
        let named = self.parts.identities.named(rule, wishes).await?;
        named.quota.leaves(&self.parts.database.read).await?;
        Ok(Some(named))
    }

    /// Tells a repeated request from another one under the same key.
    async fn fingerprint(&self, wish: &Wish, named: Option<&[PricedSeat<'_>]>) -> Result<String> {
        let plain = fingerprint(wish, named);
        if wish.attendees.is_empty() {
            return Ok(plain);
        }
        let mark = self.parts.identities.mark(&wish.attendees).await?;
        Ok(format!("{plain}:{mark}"))
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Takes the hold.
    async fn hold(&self, request: &HoldRequest) -> Result<Held> {
        match self.parts.inventory.hold(request).await? {
            Hold::Held { epoch } => Ok(Held::Under(epoch)),
            Hold::NotReady => Err(Problem::new(Code::OneMoment, "The seats of this session are being counted.")),
            Hold::Taken(taken) => Ok(Held::Taken(taken)),
            Hold::UserLimit { has, limit } => {
                let detail = format!("A buyer may have {limit} seats of this session; you have {has}.");
                Err(Problem::new(Code::UserLimit, detail).with("limit", limit).with("has", has))
            }
            Hold::OtherSeats(seats) => Ok(Held::Other(seats)),
            Hold::UnknownSeat(position) => {
                Err(Problem::internal(format!("the ledger does not know position {position}")))
            }
        }
    }

    async fn write(
        &self,
        order: OrderRow,
        made: Made,
        epoch: i64,
        asked: Instant,
        hold: Duration,
    ) -> Result<Inserted, Problem> {
        let timeouts = self.parts.timeouts.clone();
        let inserted = self
            .parts
            .database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move {
                    if asked.elapsed() > LATEST {
                        return Err(Problem::new(Code::Busy, "The database was too slow for this order."));
                    }
                    let Made { seats, price, quota, sale, named, merchant } = made;
                    if let Some(quota) = quota {
                        quota.alone(connection).await?;
                    }
                    if let Some(named) = &named {
                        named.quota.alone(connection).await?;
                    }
                    let inserted = storage::insert(connection, &order, &seats, epoch).await?;
                    if inserted == Inserted::New {
                        if let Some(quota) = quota {
                            quota.left(connection, seats.len()).await?;
                        }
                        if let Some(sale) = sale {
                            sale::insert(connection, order.id, &sale, order.created_at).await?;
                        }
                        if let Some(named) = named {
                            identity::insert(connection, order.id, merchant.as_str(), &named.attendees).await?;
                            named.quota.left(connection).await?;
                        }
                        if let Some(price) = price {
                            marketing::keep(connection, order.id, order.user, &price).await?;
                        }
                        timeouts.arm_in(connection, order.id, hold).await?;
                    }
                    Ok(inserted)
                })
            })
            .await;
        self.parts.timeouts.wake();
        inserted
    }
}

fn is_quota(problem: &Problem) -> bool {
    matches!(problem.code, Code::DailyLimit | Code::PersonLimit | Code::IdentityLimit)
}

fn check_sale(session: &SessionInfo) -> Result<()> {
    let now = Millis::now();
    if now < session.sale_opens_at {
        return Err(Problem::new(Code::SaleNotOpen, "The sale has not begun.").with("opens_at", session.sale_opens_at));
    }
    if now >= session.sale_closes_at {
        return Err(Problem::new(Code::SaleClosed, "The sale is over.").with("closed_at", session.sale_closes_at));
    }
    Ok(())
}

fn check_price(seats: &[OrderSeat], expected: Option<Money>) -> Result<Money> {
    let total = Money::sum(seats.iter().map(|seat| seat.price))
        .ok_or_else(|| Problem::internal("the prices of a session cannot be added up"))?;
    match expected {
        Some(expected) if expected != total => {
            let detail = format!("You expected {expected}; these seats cost {total} now.");
            Err(Problem::new(Code::PriceChanged, detail).with("total", total))
        }
        _ => Ok(total),
    }
}

/// What the ledger said.
enum Held {
    /// They are the order's, under this epoch of the ledger.
    Under(i64),
    /// These are somebody else's.
    Taken(Vec<SeatPosition>),
    /// The order has these already.
    Other(Vec<SeatPosition>),
}

impl Places {
    /// How many seats are asked for.
    fn count(&self) -> usize {
        match self {
            Self::Named(names) => names.len(),
            Self::Best(best) => best.count,
        }
    }
}

/// The seats that the wish names; `None` where any good ones will do, and there are such.
fn named<'s>(session: &'s SessionInfo, wish: &Wish) -> Result<Option<Vec<PricedSeat<'s>>>> {
    match &wish.places {
        Places::Named(names) => session.choose(names).map(Some),
        Places::Best(best) => best.fit(session).map(|_| None),
    }
}

/// What a repeated request has in common with the first one, but for the attendees.
fn fingerprint(wish: &Wish, named: Option<&[PricedSeat<'_>]>) -> String {
    let places = match (&wish.places, named) {
        (Places::Best(best), _) => best.fingerprint(),
        (Places::Named(_), seats) => {
            let seats: Vec<String> = seats.into_iter().flatten().map(|seat| seat.position.to_string()).collect();
            seats.join(",")
        }
    };
    let coupon = wish.coupon.as_deref().map(|code| format!(":{}", marketing::coupon::code(code))).unwrap_or_default();
    format!("{}:{places}{coupon}", wish.session)
}

/// The order that a clerk's use of this key leads to. What clerks buy for themselves has other names.
#[must_use]
pub fn at_counter(clerk: UserId, key: &str) -> OrderId {
    derive("counter", clerk, key)
}

/// An identifier that only this person's use of this key leads to (UUID version 8, RFC 9562 section 5.8).
fn derive(domain: &str, user: UserId, key: &str) -> OrderId {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(domain.as_bytes());
    context.update(b"\0");
    context.update(user.0.as_bytes());
    context.update(key.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&context.finish().as_ref()[..16]);
    OrderId(Uuid::new_v8(bytes))
}

fn replay(known: OrderRow, fingerprint: &str) -> Result<Placed> {
    if known.fingerprint == fingerprint { Ok(Placed { order: known, seats: None }) } else { Err(key_reused()) }
}

pub(super) fn key_reused() -> Problem {
    Problem::new(Code::IdempotencyKeyReused, "This key was used for an order of other seats.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_named_by_buyer_and_key() {
        let (a, b) = (UserId::new(), UserId::new());
        let derive = |user, key| super::derive("order", user, key);
        assert_eq!(derive(a, "k"), derive(a, "k"));
        assert_ne!(derive(a, "k"), derive(b, "k"));
        assert_ne!(derive(a, "k"), derive(a, "l"));
        assert_ne!(derive(a, "k"), at_counter(a, "k"));
    }
}
