//! The facts of one evaluation.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Zoned};
use rust_decimal::Decimal;

use crate::error::{Error, ErrorKind, Result};
use crate::money::Money;
use crate::schema::Schema;
use crate::types::Type;
use crate::value::{Moment, Val, Value};

/// Nested objects in JSON facts; names have fewer dots than that.
const MAX_NESTING: usize = 16;

/// Values for all facts of a [`Schema`], checked. Made by [`Schema::facts`] or [`Schema::facts_from_json`].
#[derive(Clone, PartialEq)]
pub struct Facts {
    schema: Arc<Schema>,
    values: Box<[Val]>,
}

impl Facts {
    /// What they are facts of.
    #[must_use]
    pub const fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The value of the fact `name`; `None` if the schema has no such fact.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        let position = self.schema.position(name)?;
        Some(self.values[position].to_value(self.schema.fields()[position].ty()))
    }

    /// As a JSON object, by full names.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let fields = self.schema.fields().iter().zip(&self.values);
        let entries = fields.map(|(field, value)| (field.name().to_owned(), value.to_value(field.ty()).to_json()));
        serde_json::Value::Object(entries.collect())
    }

    pub(crate) fn values(&self) -> &[Val] {
        &self.values
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.schema.fields().iter().zip(&self.values);
        f.debug_map().entries(fields.map(|(field, value)| (field.name(), value.to_value(field.ty())))).finish()
    }
}

/// Collects [`Facts`]; the first mistake is reported by [`build`](Self::build).
#[derive(Clone, Debug)]
pub struct FactsBuilder {
    schema: Arc<Schema>,
    values: Vec<Option<Val>>,
    mistake: Option<(ErrorKind, String)>,
}

impl FactsBuilder {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        let values = vec![None; schema.fields().len()];
        Self { schema, values, mistake: None }
    }

    /// Sets the fact `name`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl FactValue) -> Self {
        let value = value.into_value();
        self.put(name, |ty| Val::from_value(&value, ty));
        self
    }

    /// Sets what a JSON object holds. Numbers with a fraction have to be text.
    ///
    /// # Errors
    ///
    /// As [`Schema::facts_from_json`].
    pub fn json(mut self, json: &serde_json::Value) -> Result<Self> {
        self.object("", json, 0);
        match self.mistake.take() {
            None => Ok(self),
            Some((kind, context)) => Err(Error::new(kind, context)),
        }
    }

    fn object(&mut self, prefix: &str, json: &serde_json::Value, depth: usize) {
        let Some(object) = json.as_object() else {
            return self.note(ErrorKind::BadFact, format!("`{prefix}`: facts are a JSON object"));
        };
        for (key, value) in object {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            if value.is_object() && self.schema.position(&name).is_none() && depth < MAX_NESTING {
                self.object(&name, value, depth + 1);
            } else {
                self.put(&name, |ty| Val::from_json(value, ty));
            }
        }
    }

    fn put(&mut self, name: &str, read: impl FnOnce(&Type) -> Result<Val>) {
        let Some(position) = self.schema.position(name) else {
            let hint = self.schema.nearest(name).map(|near| format!(", only `{near}`")).unwrap_or_default();
            return self.note(ErrorKind::BadFact, format!("there is no fact `{name}`{hint}"));
        };
        match read(self.schema.fields()[position].ty()) {
            Ok(value) => self.values[position] = Some(value),
            Err(error) => self.note(error.kind(), format!("fact `{name}`: {}", error.context())),
        }
    }

    fn note(&mut self, kind: ErrorKind, context: String) {
        self.mistake.get_or_insert((kind, context));
    }

    /// The facts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadFact`] for the first fact that is unknown, missing or of the wrong type;
    /// [`ErrorKind::Currency`] for an amount in another currency.
    pub fn build(self) -> Result<Facts> {
        if let Some((kind, context)) = self.mistake {
            return Err(Error::new(kind, context));
        }
        let mut values = Vec::with_capacity(self.values.len());
        for (field, value) in self.schema.fields().iter().zip(self.values) {
            values.push(value.or_else(|| field.default().cloned()).ok_or_else(|| {
                Error::new(ErrorKind::BadFact, format!("fact `{}` is missing and has no default", field.name()))
            })?);
        }
        Ok(Facts { schema: self.schema, values: values.into() })
    }
}

/// What can be the value of a fact. Floating-point numbers cannot, so a struct with an `f64` does not compile:
///
/// ```compile_fail
/// let _ = nebula_rule_engine::Schema::builder().build().unwrap().facts().set("total", 99.9_f64);
/// ```
pub trait FactValue {
    /// The value.
    fn into_value(self) -> Value;
}

macro_rules! fact {
    ($($type:ty => $variant:ident($from:expr);)*) => {$(
        impl FactValue for $type {
            fn into_value(self) -> Value {
                Value::$variant($from(self))
            }
        }
    )*};
}

fact! {
    bool => Bool(std::convert::identity);
    i64 => Int(std::convert::identity);
    i32 => Int(i64::from);
    u32 => Int(i64::from);
    u16 => Int(i64::from);
    u8 => Int(i64::from);
    Decimal => Decimal(std::convert::identity);
    u64 => Decimal(Decimal::from);
    String => Text(Arc::from);
    Arc<str> => Text(std::convert::identity);
    &str => Text(Arc::from);
    Zoned => DateTime(Moment::from);
    Moment => DateTime(std::convert::identity);
    SignedDuration => Duration(std::convert::identity);
}

impl FactValue for Money {
    fn into_value(self) -> Value {
        Value::Money(self)
    }
}

impl FactValue for Value {
    fn into_value(self) -> Value {
        self
    }
}

impl<T: FactValue> FactValue for Vec<T> {
    fn into_value(self) -> Value {
        Value::List(self.into_iter().map(FactValue::into_value).collect())
    }
}
