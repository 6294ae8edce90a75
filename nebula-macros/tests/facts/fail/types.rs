use nebula_rule_engine::{Money, RuleFacts};

#[derive(RuleFacts)]
struct Types {
    rate: f64,
    total: Money,
    #[fact(money = "yuan")]
    price: Money,
    seats: Option<u32>,
}

struct Opaque;

#[derive(RuleFacts)]
struct Unknown {
    opaque: Opaque,
}

fn main() {}
