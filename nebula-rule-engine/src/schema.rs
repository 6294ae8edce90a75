//! Which facts there are, and of what type.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Problem, Result};
use crate::facts::{Facts, FactsBuilder};
use crate::types::Type;
use crate::value::{Val, Value};

/// More facts than this are a mistake.
const MAX_FACTS: usize = 1024;

/// The facts that rules may speak of. Everything else is refused when rules are loaded and when facts are given.
///
/// A fact is required unless it has a default: there is no *null* that a condition could stumble over.
///
/// ```
/// use nebula_rule_engine::{Schema, Type, Value};
///
/// let schema = Schema::builder()
///     .fact("level", Type::one_of(["BASIC", "VIP"]))
///     .fact("order.total", Type::Money("CNY".parse()?))
///     .fact_or("first_order", Type::Bool, Value::Bool(false))
///     .build()?;
/// let facts = schema.facts().set("level", "VIP").set("order.total", "100.00 CNY".parse::<nebula_rule_engine::Money>()?).build()?;
/// assert_eq!(facts.get("first_order"), Some(Value::Bool(false)));
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    fields: Vec<Field>,
    places: HashMap<Arc<str>, usize>,
}

/// One fact of a [`Schema`].
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    name: Arc<str>,
    ty: Type,
    default: Option<Val>,
}

impl Field {
    /// The name: words of ASCII letters, digits and `_`, with dots between them.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type.
    #[must_use]
    pub const fn ty(&self) -> &Type {
        &self.ty
    }

    /// What holds where the fact is not given.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        self.default.as_ref().map(|value| value.to_value(&self.ty))
    }

    pub(crate) const fn default(&self) -> Option<&Val> {
        self.default.as_ref()
    }
}

impl Schema {
    /// An empty schema to fill.
    #[must_use]
    pub fn builder() -> SchemaBuilder {
        SchemaBuilder::default()
    }

    /// The facts, in the order of their declaration.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Facts of this schema, to fill.
    #[must_use]
    pub fn facts(self: &Arc<Self>) -> FactsBuilder {
        FactsBuilder::new(Arc::clone(self))
    }

    /// Facts from a JSON object. Names with dots may be nested objects: `{"order": {"total": "100 CNY"}}`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadFact`] for what is missing, unknown or of the wrong type; [`ErrorKind::Float`] for numbers with
    /// a fraction, which have to be text; [`ErrorKind::Currency`] for an amount in another currency.
    pub fn facts_from_json(self: &Arc<Self>, json: &serde_json::Value) -> Result<Facts> {
        self.facts().json(json)?.build()
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The declared name that looks most like `name`, for messages.
    pub(crate) fn nearest(&self, name: &str) -> Option<&str> {
        let distance = |field: &&Field| edits(&field.name, name);
        self.fields.iter().min_by_key(distance).filter(|field| edits(&field.name, name) <= 2).map(Field::name)
    }
}

/// Levenshtein distance over characters, for short names.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// Collects the facts of a [`Schema`].
#[derive(Clone, Debug, Default)]
pub struct SchemaBuilder {
    fields: Vec<(String, Type, Option<Value>)>,
}

impl SchemaBuilder {
    /// A fact that has to be given.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, ty: Type) -> Self {
        self.fields.push((name.into(), ty, None));
        self
    }

    /// A fact that is `default` where it is not given.
    #[must_use]
    pub fn fact_or(mut self, name: impl Into<String>, ty: Type, default: Value) -> Self {
        self.fields.push((name.into(), ty, Some(default)));
        self
    }

    /// The schema.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for names that cannot be written in an expression, names that stand twice or inside one
    /// another, and defaults that are not of their type.
    pub fn build(self) -> Result<Arc<Schema>> {
        if self.fields.len() > MAX_FACTS {
            return Err(Error::new(ErrorKind::TooLarge, format!("more than {MAX_FACTS} facts")));
        }
        let mut problems = Vec::new();
        let mut places = HashMap::new();
        let mut fields = Vec::with_capacity(self.fields.len());
        for (name, ty, default) in self.fields {
            let place = format!("facts.{name}");
            if !name.split('.').all(is_word) {
                problems.push(Problem::error(&place, "a name consists of words of ASCII letters, digits and `_`"));
            }
            let default = match default.map(|value| Val::from_value(&value, &ty)).transpose() {
                Ok(default) => default,
                Err(error) => {
                    problems.push(Problem::error(&place, format!("the default: {}", error.context())));
                    None
                }
            };
            let name: Arc<str> = name.into();
            if places.insert(Arc::clone(&name), fields.len()).is_some() {
                problems.push(Problem::error(&place, "declared twice"));
            }
            fields.push(Field { name, ty, default });
        }
        for field in &fields {
            for (end, _) in field.name.match_indices('.') {
                if places.contains_key(&field.name[..end]) {
                    let place = format!("facts.{}", field.name);
                    problems.push(Problem::error(place, format!("`{}` is a fact already", &field.name[..end])));
                }
            }
        }
        if problems.is_empty() {
            Ok(Arc::new(Schema { fields, places }))
        } else {
            Err(Error::invalid("the facts cannot be declared so", problems))
        }
    }
}

/// Words that the language reads as something else.
const RESERVED: &[&str] = &["and", "or", "not", "in", "true", "false", "null", "as"];

pub(crate) fn is_word(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !RESERVED.contains(&word)
}
