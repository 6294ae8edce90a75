//! Parts of names and numbers, by which people are found whose whole name nobody remembers.
//!
//! What is kept of a part is a keyed hash under the keys of the merchant (decision 0058). Parts say where to look; whether somebody
//! is meant is decided by opening who was found.

use std::collections::BTreeSet;

use super::{name, person::Person, storage};
use crate::{
    ids::{OrderId, SeatPosition},
    merchant::Scope,
    personal::{GRAM, NUMBER_END, Vault},
    problem::{Code, Problem, Result},
    storage::{
        Connection, Database, Pool,
        sql::{Sql, query},
    },
};

/// How much of a number is looked for.
const ENDING: usize = 4;
/// Most hashes that one question asks for: of a longer name the first ones, which are few people's already.
const ASKED: usize = 6;
/// Most people that are opened for one question.
const OPENED: u32 = 500;
/// Seats that are looked at together where many have no parts.
const FILLED: u32 = 200;
/// Rows of one statement.
const ROWS: usize = 32;

/// The parts of a name in the form in which it is found: pairs of neighbouring letters of each of its words and, of scripts that
/// write words with few characters, each character too.
pub(super) fn of_name(key: &str) -> BTreeSet<String> {
    let mut grams = BTreeSet::new();
    for word in key.split(|c: char| !is_letter(c)).filter(|word| !word.is_empty()) {
        let letters: Vec<char> = word.chars().collect();
        grams.extend(letters.iter().copied().filter(|letter| is_dense(*letter)).map(String::from));
        grams.extend(letters.windows(2).map(|pair| pair.iter().collect::<String>()));
    }
    grams
}

/// Whether it belongs to a word: letters, and accents that are characters of their own.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '\u{300}'..='\u{36f}')
}

/// Letters of which one is as much as a syllable or a word: Han, kana, Hangul.
const fn is_dense(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Everything that somebody is found by in part, as it is kept.
pub(super) async fn of_person(vault: &Vault, person: &Person) -> Result<Vec<String>> {
    let mut kept = vec![vault.index(NUMBER_END, person.document().ending()).await?];
    for gram in of_name(&name::key(person.name())) {
        kept.push(vault.index(GRAM, &gram).await?);
    }
    Ok(kept)
}

/// What somebody says of whom they look for: all or a part of a name, all or the end of a number.
#[derive(Clone, Copy, Default)]
pub(crate) struct Said<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) name_part: Option<&'a str>,
    pub(crate) number: Option<&'a str>,
    pub(crate) number_ends: Option<&'a str>,
}

/// Somebody who is remembered in part.
#[derive(Clone)]
pub(crate) struct Remembered {
    /// As names are found, and whether it is all of it.
    name: Option<(String, bool)>,
    /// All of it, or its end.
    number: Option<String>,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, number } = self;
        f.debug_struct("Remembered").field("name", &name.is_some()).field("number", &number.is_some()).finish()
    }
}

impl Remembered {
    /// Reads what was said, if there is a part in it: whoever says all is found by all.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`](crate::problem::Code::InvalidValue): nothing could be looked for by it.
    pub(crate) fn read(said: Said<'_>) -> Result<Option<Self>> {
        let Said { name, name_part, number, number_ends } = said;
        if name_part.is_none() && number_ends.is_none() {
            return Ok(None);
        }
        let twice = |field: &str| Problem::invalid(field, "Say all of it or a part, not both.");
        let name = match (name, name_part) {
            (Some(_), Some(_)) => return Err(twice("name_part")),
            (Some(name), None) => Some((name::key(&super::person::read_name(name, "")?), true)),
            (None, Some(part)) => Some((read_part(part)?, false)),
            (None, None) => None,
        };
        let number = match (number, number_ends) {
            (Some(_), Some(_)) => return Err(twice("number_ends")),
            (Some(number), None) => Some(super::document::read_whole(number)?),
            (None, Some(end)) => Some(read_end(end)?),
            (None, None) => None,
        };
        Ok(Some(Self { name, number }))
    }

    /// Whether somebody can be who is meant.
    fn is(&self, person: &Person) -> bool {
        let key = name::key(person.name());
        let named = |(name, whole): &(String, bool)| if *whole { key == *name } else { key.contains(name.as_str()) };
        let document = person.document();
        let numbered = |number: &String| [document.number(), document.ending()].contains(&number.as_str());
        self.name.as_ref().is_none_or(named) && self.number.as_ref().is_none_or(numbered)
    }

    async fn asked(&self, vault: &Vault) -> Result<Vec<String>> {
        let mut asked = Vec::new();
        if let Some(number) = &self.number {
            asked.push(vault.index(NUMBER_END, &number[number.len() - ENDING..]).await?);
        }
        for gram in self.name.iter().flat_map(|(name, _)| of_name(name)).take(ASKED - asked.len()) {
            asked.push(vault.index(GRAM, &gram).await?);
        }
        Ok(asked)
    }
}

/// A part of a name in the form in which names are found.
fn read_part(part: &str) -> Result<String> {
    let key = name::key(&name::plain(part));
    if part.chars().count() > name::LONGEST || of_name(&key).is_empty() {
        let detail = "A part of a name: two letters next to each other, or one Chinese character.";
        return Err(Problem::invalid("name_part", detail));
    }
    Ok(key)
}

/// The end of a number.
fn read_end(end: &str) -> Result<String> {
    let end = end.to_ascii_uppercase();
    if end.len() == ENDING && end.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(end);
    }
    Err(Problem::invalid("number_ends", format!("The last {ENDING} letters and digits of a number.")))
}

/// The merchant's orders that are for somebody who is meant, newest first.
pub(super) async fn found(
    pool: &Pool,
    vault: &Vault,
    scope: &Scope,
    meant: &Remembered,
    most: usize,
) -> Result<Vec<OrderId>> {
    let asked = meant.asked(vault).await?;
    let mut candidates = scope.query(include_str!("sql/of_grams.sql"));
    for place in 0..ASKED {
        candidates = candidates.bind(asked.get(place).map_or("", String::as_str));
    }
    let mut orders: Vec<OrderId> = Vec::new();
    for row in candidates.bind(OPENED).fetch_all(pool).await? {
        let (order, position): (OrderId, SeatPosition) = (row.get("order_id")?, row.get("position")?);
        // Seats of one order stand together.
        if orders.last() == Some(&order) {
            continue;
        }
        let sealed: String = row.get("person_sealed")?;
        if meant.is(&storage::person(vault, order, position, &sealed).await?) {
            if orders.len() == most {
                break;
            }
            orders.push(order);
        }
    }
    Ok(orders)
}

/// Writes down by what parts those are found whom a former release wrote down; how many seats. Whoever is killed leaves the others
/// to the next start, and two processes at once write the same.
pub(super) async fn fill(database: &Database, vault: &Vault) -> Result<u64> {
    let mut filled = 0;
    loop {
        let left = query(include_str!("sql/without_grams.sql")).bind(FILLED).fetch_all(&database.read).await?;
        if left.is_empty() {
            return Ok(filled);
        }
        let mut found = Vec::with_capacity(left.len());
        for row in &left {
            let row = storage::attendee(row)?;
            let vault = vault.of(&row.merchant);
            let kept = match storage::person(&vault, row.order, row.position, &row.sealed).await {
                Ok(person) => of_person(&vault, &person).await?,
                Err(problem) if problem.code == Code::Unavailable => return Err(problem),
                // Its keys are gone, and with them everybody who was sealed by them.
                Err(_) => Vec::new(),
            };
            found.push((row, kept));
        }
        filled += database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let mut filled = 0;
                    for (row, kept) in &found {
                        let kept: Vec<_> = kept.iter().map(|gram| (row.position, gram.as_str())).collect();
                        insert(connection, row.order, row.merchant.as_str(), &kept).await?;
                        filled += storage::found_in_part(connection, row).await?;
                    }
                    Ok::<_, Problem>(filled)
                })
            })
            .await?;
    }
}

/// Writes down by what parts the seats of an order are found.
pub(crate) async fn insert(
    connection: &mut Connection<'_>,
    order: OrderId,
    merchant: &str,
    kept: &[(SeatPosition, &str)],
) -> Result<()> {
    for some in kept.chunks(ROWS) {
        let rows: Vec<_> = (0..some.len()).map(|row| format!("($1, ${}, $2, ${})", row * 2 + 3, row * 2 + 4)).collect();
        let sql = format!(
            "INSERT INTO attendee_grams (tenant_id, gram, order_id, position) VALUES {} ON CONFLICT DO NOTHING",
            rows.join(", ")
        );
        let mut insert = query(Sql::Built(sql)).bind(merchant).bind(order);
        for (position, gram) in some {
            insert = insert.bind(*gram).bind(*position);
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grams(text: &str) -> Vec<String> {
        of_name(&name::key(text)).into_iter().collect()
    }

    #[test]
    fn parts_are_pairs_of_letters_and_single_characters_where_one_is_a_word() {
        assert_eq!(grams("Anne Li"), ["AN", "LI", "NE", "NN"]);
        assert_eq!(grams("O'Neill"), ["EI", "IL", "LL", "NE"]);
        assert_eq!(grams("欧阳娜"), ["娜", "欧", "欧阳", "阳", "阳娜"]);
        assert_eq!(grams("阿依·买"), ["买", "依", "阿", "阿依"]);
        assert_eq!(grams("A. B"), [""; 0]);
        // Whatever is part of a name has parts that the name has.
        for (name, part) in [("Anne Marie Li", "arie L"), ("欧阳娜娜", "阳娜"), ("Anne-Marie", "e-Ma")] {
            let whole = of_name(&name::key(name));
            assert!(of_name(&name::key(part)).is_subset(&whole), "{name} {part}");
        }
    }

    #[tokio::test]
    async fn a_start_looks_for_seats_without_parts_where_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("ticketing.db")).await.unwrap();
        let plan = crate::storage::sql::plan(include_str!("sql/without_grams.sql"), &database.read).await;
        for index in ["order_attendees_without_grams", "archived_order_attendees_without_grams"] {
            assert!(plan.contains(&format!("INDEX {index}")), "{plan}");
        }
    }

    #[test]
    fn what_cannot_be_looked_for_is_told_and_repeated_nowhere() {
        let part = |text| Said { name_part: Some(text), ..Said::default() };
        let end = |text| Said { number_ends: Some(text), ..Said::default() };
        let long = "x".repeat(61);
        for said in [
            part("A"),
            part("1"),
            part(&long),
            end("12"),
            end("12345"),
            end("12é"),
            Said { name: Some("李雷"), ..part("雷") },
            Said { number: Some("123456"), ..end("3456") },
            Said { number: Some("12345"), ..part("雷") },
        ] {
            assert!(Remembered::read(said).is_err());
        }
        assert!(Remembered::read(Said { name: Some("李雷"), ..Said::default() }).unwrap().is_none(), "that is all");
        let meant = Remembered::read(Said { number_ends: Some("002x"), ..part("阳娜") }).unwrap().unwrap();
        let shown = format!("{meant:?}");
        assert!(!shown.contains('阳') && !shown.contains("002"), "{shown}");
    }
}
