use nebula_rule_engine::RuleFacts;

#[derive(RuleFacts)]
struct Misspelt {
    #[fact(nmae = "a")]
    a: bool,
}

#[derive(RuleFacts)]
#[facts(rename_all = "lowercase")]
struct Renamed {
    a: bool,
}

#[derive(RuleFacts)]
#[facts(rename_all = "CamelCase")]
enum Style {
    A,
}

#[derive(RuleFacts)]
enum Carrying {
    A,
    B(u32),
    #[fact(name = "A")]
    C,
}

fn main() {}
