//! Facts from structs.

use std::sync::Arc;

use jiff::{SignedDuration, Zoned};
use rust_decimal::Decimal;

use crate::error::{Error, Problem, Result};
use crate::facts::Facts;
use crate::schema::{Schema, SchemaBuilder};
use crate::set::Line;
use crate::types::Type;
use crate::value::{Moment, Value};

/// A struct whose fields are facts. Derive it.
pub trait RuleFacts {
    /// Adds its facts to a schema.
    ///
    /// # Errors
    ///
    /// None for what is derived: names and currencies have been checked by the compiler.
    fn declare(schema: SchemaBuilder) -> Result<SchemaBuilder>;

    /// Calls `see` with the name and the value of each fact.
    fn each(&self, see: &mut dyn FnMut(&str, Value));

    /// A schema of these facts alone.
    ///
    /// # Errors
    ///
    /// As [`SchemaBuilder::build`].
    fn schema() -> Result<Arc<Schema>> {
        Self::declare(Schema::builder())?.build()
    }

    /// Whether these are the facts that `schema` asks for, which may come from a file: best called once, at the start.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) with every fact that `schema` does not know, that has another type
    /// there, or that it needs and does not get.
    fn check(schema: &Schema) -> Result<()> {
        let own = Self::schema()?;
        let mut problems = Vec::new();
        for field in own.fields() {
            match schema.position(field.name()).and_then(|place| schema.fields().get(place)) {
                Some(known) if takes(known.ty(), field.ty()) => {}
                Some(known) => {
                    problems
                        .push(Problem::error(field.name(), format!("is {} here and {} there", field.ty(), known.ty())));
                }
                None => {
                    let hint = schema.nearest(field.name()).map(|near| format!(", only `{near}`")).unwrap_or_default();
                    problems.push(Problem::error(field.name(), format!("there is no such fact{hint}")));
                }
            }
        }
        for needed in schema.fields().iter().filter(|field| field.default().is_none()) {
            if own.position(needed.name()).is_none() {
                problems.push(Problem::error(needed.name(), "is needed and not given"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::invalid("the facts of a struct", problems)) }
    }

    /// The facts, for `schema`. What is optional and not there is left to the schema's default.
    ///
    /// # Errors
    ///
    /// As [`FactsBuilder::build`](crate::FactsBuilder::build).
    fn facts(&self, schema: &Arc<Schema>) -> Result<Facts> {
        let mut given = Vec::new();
        self.each(&mut |name, value| given.push((name.to_owned(), value)));
        given.into_iter().fold(schema.facts(), |builder, (name, value)| builder.set(&name, value)).build()
    }
}

impl Line {
    /// With facts from a struct.
    #[must_use]
    pub fn with_facts(mut self, facts: &impl RuleFacts) -> Self {
        facts.each(&mut |name, value| drop(self.facts.insert(name.to_owned(), value)));
        self
    }
}

/// Whether every value of `given` can stand where `wanted` is.
fn takes(wanted: &Type, given: &Type) -> bool {
    match (wanted, given) {
        (Type::Decimal, Type::Int) | (Type::Text, Type::Enum(_)) => true,
        (Type::Enum(all), Type::Enum(some)) => some.iter().all(|name| all.contains(name)),
        (Type::List(wanted), Type::List(given)) => takes(wanted, given),
        (wanted, given) => wanted == given,
    }
}

/// A Rust type whose values are all of one [`Type`]. `Money` is not among them: its currency is part of its type.
pub trait FactType {
    /// The type.
    fn fact_type() -> Type;
}

macro_rules! fact_type {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl FactType for $type {
            fn fact_type() -> Type {
                Type::$variant
            }
        }
    )*};
}

fact_type! {
    bool => Bool, i64 => Int, i32 => Int, u32 => Int, u16 => Int, u8 => Int, Decimal => Decimal, u64 => Decimal,
    String => Text, Arc<str> => Text, &str => Text, Zoned => DateTime, Moment => DateTime, SignedDuration => Duration,
}

impl<T: FactType> FactType for Vec<T> {
    fn fact_type() -> Type {
        Type::list(T::fact_type())
    }
}
