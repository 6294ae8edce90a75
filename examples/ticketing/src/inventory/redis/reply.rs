//! Reading what a script answered: a list of texts, the first of which says what it is.

use std::{str::FromStr, vec};

use crate::{
    ids::SeatPosition,
    inventory::{Counts, Cursor, Hold, LedgerError, SeatState, Settled},
};

pub(super) struct Reply {
    items: vec::IntoIter<String>,
    word: String,
}

impl Reply {
    pub(super) fn new(items: Vec<String>) -> Self {
        Self { items: items.into_iter(), word: String::new() }
    }

    /// The word that says what the answer is.
    pub(super) fn word(&mut self) -> Result<String, LedgerError> {
        self.word = self.text()?;
        Ok(self.word.clone())
    }

    /// The next item, as a number.
    pub(super) fn number<N: FromStr>(&mut self) -> Result<N, LedgerError> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong(&text))
    }

    /// The answers to so many holds.
    pub(super) fn holds(mut self, count: usize) -> Result<Vec<Hold>, LedgerError> {
        match self.word()?.as_str() {
            "not-ready" => return Ok(vec![Hold::NotReady; count]),
            "answers" => {}
            _ => return Err(self.nonsense()),
        }
        let epoch = self.number()?;
        let holds: Vec<_> = self.items.map(|text| hold(epoch, &text)).collect::<Result<_, _>>()?;
        if holds.len() == count { Ok(holds) } else { Err(wrong("answers", "not as many as holds")) }
    }

    /// The answers to so many confirmations.
    pub(super) fn sold(mut self, count: usize) -> Result<Vec<Settled>, LedgerError> {
        match self.word()?.as_str() {
            "not-ready" => return Ok(vec![Settled::NotReady; count]),
            "answers" => {}
            _ => return Err(self.nonsense()),
        }
        let settled = |text: String| match text.split_once(' ') {
            None if text == "nothing-held" => Ok(Settled::NothingHeld),
            None if text == "kept" => Ok(Settled::Kept),
            Some(("changed", seats)) => seats.parse().map(Settled::Changed).map_err(|_| wrong("answers", &text)),
            _ => Err(wrong("answers", &text)),
        };
        let sold: Vec<_> = self.items.map(settled).collect::<Result<_, _>>()?;
        if sold.len() == count { Ok(sold) } else { Err(wrong("answers", "not as many as orders")) }
    }

    /// All that is left, read one by one.
    pub(super) fn rest<N: FromStr>(self) -> Result<Vec<N>, LedgerError> {
        let word = self.word;
        self.items.map(|text| text.parse().map_err(|_| wrong(&word, &text))).collect()
    }

    /// Sequence, seats, locked and sold.
    pub(super) fn counts(&mut self, epoch: i64) -> Result<Counts, LedgerError> {
        let cursor = Cursor { epoch, sequence: self.number()? };
        Ok(Counts { cursor, seats: self.number()?, locked: self.number()?, sold: self.number()? })
    }

    /// One letter a seat.
    pub(super) fn states(&mut self) -> Result<Vec<SeatState>, LedgerError> {
        let text = self.text()?;
        let states: Option<_> = text.bytes().map(SeatState::from_letter).collect();
        states.ok_or_else(|| self.wrong("an unknown state"))
    }

    /// Steps of the change log, each a letter and the positions: their number and the seats.
    pub(super) fn steps(self) -> Result<(u64, Vec<(SeatPosition, SeatState)>), LedgerError> {
        let mut steps = 0;
        let mut seats = Vec::new();
        for step in self.items {
            steps += 1;
            let state = step.bytes().next().and_then(SeatState::from_letter);
            let state = state.ok_or_else(|| wrong(&self.word, &step))?;
            for position in step[1..].split(',') {
                seats.push((position.parse().map_err(|_| wrong(&self.word, &step))?, state));
            }
        }
        Ok((steps, seats))
    }

    /// The word is not one that the script may answer.
    pub(super) fn nonsense(&self) -> LedgerError {
        self.wrong("no such answer")
    }

    fn text(&mut self) -> Result<String, LedgerError> {
        self.items.next().ok_or_else(|| self.wrong("it ends too early"))
    }

    fn wrong(&self, what: &str) -> LedgerError {
        wrong(&self.word, what)
    }
}

/// The answer to one hold: a word and numbers.
fn hold(epoch: i64, text: &str) -> Result<Hold, LedgerError> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let numbers = || rest.split(' ').map(|number| number.parse::<u32>().map_err(|_| wrong(word, rest)));
    let numbers = || numbers().collect::<Result<Vec<_>, _>>();
    match word {
        "held" => Ok(Hold::Held { epoch }),
        "other-seats" if rest.is_empty() => Ok(Hold::OtherSeats(Vec::new())),
        "other-seats" => Ok(Hold::OtherSeats(numbers()?)),
        "taken" => Ok(Hold::Taken(numbers()?)),
        "unknown-seat" | "user-limit" => match (word, &numbers()?[..]) {
            ("unknown-seat", &[seat]) => Ok(Hold::UnknownSeat(seat)),
            ("user-limit", &[has, limit]) => Ok(Hold::UserLimit { has, limit }),
            _ => Err(wrong(word, rest)),
        },
        _ => Err(wrong(word, "no such answer")),
    }
}

fn wrong(word: &str, what: &str) -> LedgerError {
    LedgerError::Corrupt(format!("in the answer `{word}`: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(items: &[&str]) -> Reply {
        let mut reply = Reply::new(items.iter().map(|item| (*item).to_owned()).collect());
        reply.word().unwrap();
        reply
    }

    #[test]
    fn answers_are_read() {
        let (steps, seats) = reply(&["since", "L1,2", "A1"]).steps().unwrap();
        assert_eq!(steps, 2);
        assert_eq!(seats, [(1, SeatState::Locked), (2, SeatState::Locked), (1, SeatState::Available)]);
        assert_eq!(reply(&["taken", "4", "7"]).rest::<u32>().unwrap(), [4, 7]);
        assert_eq!(reply(&["snapshot", "ALS"]).states().unwrap().len(), 3);
    }

    #[test]
    fn nonsense_is_an_error() {
        for bad in ["", "X1", "L", "Lx", "L1,,2", "é1"] {
            assert!(reply(&["since", bad]).steps().is_err(), "{bad}");
        }
        assert!(reply(&["taken", "-1"]).rest::<u32>().is_err());
        assert!(reply(&["snapshot", "AL\0"]).states().is_err());
        assert!(reply(&["held"]).number::<i64>().is_err());
        assert!(Reply::new(Vec::new()).word().is_err());
    }
}
