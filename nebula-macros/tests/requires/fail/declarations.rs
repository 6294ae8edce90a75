mod twice {
    nebula_auth::permissions! {
        order: [Read = "order:read", Again = "order:read"],
    }
}

mod malformed {
    nebula_auth::permissions! {
        order: [Read = "order:*"],
    }
}

fn forged() -> nebula_auth::access::Granted<malformed::order::Read> {
    nebula_auth::access::Granted(std::marker::PhantomData)
}

fn main() {}
