//! Sales at a counter: box offices of merchants, and agents who sell for several.
//!
//! A clerk holds seats for whoever stands there and takes the money; the rest is as everywhere: the ledger holds, the payment
//! settles, messages sell the seats and issue the tickets. What a till took stands in a journal of its own, which is the bill
//! that the books are compared with.

mod buyer;
mod commission;
mod domain;
mod http;
mod provider;
mod ring;
mod take;
mod till;

pub use self::{
    buyer::{Buyer, address as buyer_address},
    domain::Method,
    http::desk,
    provider::CounterProvider,
    ring::{Rung, Taking},
    take::take_money,
};
