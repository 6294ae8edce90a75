//! Challenges: a piece that is pushed into its gap, or a question for those who cannot see or push it.
//!
//! The pictures are drawn here, the answer stays here, and one attempt uses a challenge up.

mod draw;
mod question;
mod store;

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::store::Store;
use crate::{
    ids::{SessionId, UserId},
    problem::{Problem, Result},
};

/// How long a challenge can be answered.
const LIFE: Duration = Duration::from_secs(120);
/// How far off, in pixels, the piece may be.
const TOLERANCE: u32 = 5;

/// Which kind of challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Push a piece into its gap.
    #[default]
    Slider,
    /// Answer a question in words: can be read out, and answered with a keyboard.
    Question,
}

/// A challenge as the buyer gets it: not the answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Challenge {
    /// Its identifier.
    pub id: Uuid,
    /// What is to be done.
    pub kind: Wanted,
    /// Seconds in which it can be answered, once.
    pub expires_in: u64,
    /// The pictures, for a slider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slider: Option<Slider>,
    /// The question, in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The question, in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_zh: Option<String>,
}

/// The pictures of a slider.
#[derive(Debug, Serialize, ToSchema)]
pub struct Slider {
    /// `data:` address of the picture with the gap.
    pub background: String,
    /// `data:` address of the piece.
    pub piece: String,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Width and height of the piece.
    pub size: u32,
    /// How far the piece is from the top. How far from the left is the answer.
    pub top: u32,
}

/// Makes challenges and checks answers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Puzzles(Store);

impl Puzzles {
    /// Answers are kept in this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// A new challenge for this buyer and this sale.
    ///
    /// # Errors
    ///
    /// The store cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Safe: an answer that nobody can give goes away.
    pub async fn make(&self, kind: Wanted, session: SessionId, user: UserId) -> Result<Challenge> {
        let id = Uuid::new_v4();
        let blank = Challenge { id, kind, expires_in: LIFE.as_secs(), slider: None, question: None, question_zh: None };
        let (challenge, answer) = match kind {
            Wanted::Slider => {
                let x = rand::rng().random_range(draw::SIZE + 20..draw::WIDTH - draw::SIZE - TOLERANCE);
                let y = rand::rng().random_range(TOLERANCE..draw::HEIGHT - draw::SIZE - TOLERANCE);
                let pictures =
                    tokio::task::spawn_blocking(move || draw::draw(x, y)).await.map_err(Problem::internal)?;
                let pictures = pictures.map_err(Problem::internal)?;
                let address = |png: &[u8]| format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png));
                let slider = Slider {
                    background: address(&pictures.background),
                    piece: address(&pictures.piece),
                    width: draw::WIDTH,
                    height: draw::HEIGHT,
                    size: draw::SIZE,
                    top: y,
                };
                (Challenge { slider: Some(slider), ..blank }, x)
            }
            Wanted::Question => {
                let question = question::make();
                let (text, text_zh) = (Some(question.text), Some(question.text_zh));
                (Challenge { question: text, question_zh: text_zh, ..blank }, question.answer)
            }
        };
        self.0.put(id, &Answer { kind, session, user, value: answer }).await?;
        Ok(challenge)
    }

    /// Whether this is the answer. Right or wrong, the challenge is used up.
    ///
    /// # Errors
    ///
    /// The store cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// The challenge may be used up.
    pub async fn answer(&self, id: Uuid, session: SessionId, user: UserId, value: u32) -> Result<bool> {
        let Some(answer) = self.0.take(id).await? else { return Ok(false) };
        let tolerance = if answer.kind == Wanted::Slider { TOLERANCE } else { 0 };
        Ok(answer.session == session && answer.user == user && answer.value.abs_diff(value) <= tolerance)
    }
}

/// What is kept here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    kind: Wanted,
    session: SessionId,
    user: UserId,
    value: u32,
}
