use nebula_rule_engine::RuleFacts;

#[derive(RuleFacts)]
struct Names {
    #[fact(name = "order total")]
    spaced: i64,
    #[fact(name = "not.now")]
    reserved: bool,
    #[fact(name = "twice")]
    one: bool,
    twice: bool,
    #[fact(name = "basket.size")]
    engine: i64,
}

#[derive(RuleFacts)]
struct Unnamed(bool);

fn main() {}
