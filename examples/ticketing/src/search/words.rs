//! How texts become words. Chinese, Japanese and Korean write without spaces: their words are pairs of neighbours, as is
//! usual for search; everything else is split where letters and digits end.

use tantivy::tokenizer::{AsciiFoldingFilter, RawTokenizer, TextAnalyzer, TokenStream};

/// How a piece of text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// With spaces between words.
    Spaced,
    /// Without.
    Dense,
}

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// In lower case and half width.
    pub text: String,
    /// How it is written.
    pub script: Script,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// What somebody looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<Word>);

/// Nobody looks for more words than that; the rest is not looked at.
const MOST: usize = 16;

impl Words {
    /// The words of a question.
    #[must_use]
    pub fn of(question: &str) -> Self {
        let mut words = Vec::new();
        for run in runs(question) {
            match run.script {
                Script::Spaced => words.push(run),
                Script::Dense => words.extend(pairs(&run, false)),
            }
        }
        words.truncate(MOST);
        Self(words)
    }

    /// Whether nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Word> {
        self.0.iter()
    }

    /// How many of them a text has: as the beginning of a word, or anywhere in a text without spaces.
    #[must_use]
    pub fn found_in(&self, text: &str) -> usize {
        let runs: Vec<_> = runs(text).collect();
        let has = |word: &&Word| {
            runs.iter().filter(|run| run.script == word.script).any(|run| match word.script {
                Script::Spaced => run.text.starts_with(&word.text),
                Script::Dense => run.text.contains(&word.text),
            })
        };
        self.0.iter().filter(has).count()
    }

    /// Whether a text has them all.
    #[must_use]
    pub fn all_in(&self, text: &str) -> bool {
        self.found_in(text) == self.0.len()
    }
}

/// The words of a text that can be looked for: of dense script single characters as well as pairs.
pub(super) fn indexed(text: &str) -> Vec<Word> {
    let words = runs(text).flat_map(|run| match run.script {
        Script::Spaced => vec![run],
        Script::Dense => pairs(&run, true),
    });
    words.collect()
}

/// A word as an index has it: letters without their accents.
pub(super) fn plain(word: &Word) -> String {
    let mut folded = TextAnalyzer::builder(RawTokenizer::default()).filter(AsciiFoldingFilter).build();
    let mut plain = folded.token_stream(&word.text);
    plain.next().map_or_else(|| word.text.clone(), |token| token.text.clone())
}

/// The words of a text as an index has them, with spaces in between.
pub(super) fn searchable(text: &str) -> String {
    indexed(text).iter().map(plain).collect::<Vec<_>>().join(" ")
}

/// How many letters somebody may have mistaken in a word that others begin with; nothing where no word begins with another.
pub(super) fn mistakes(word: &Word, plain: &str) -> Option<u8> {
    if word.script == Script::Dense {
        return None;
    }
    Some(match plain.chars().count() {
        // Another year is another year, not a slip.
        _ if plain.chars().any(|char| char.is_ascii_digit()) => 0,
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    })
}

/// Neighbours of one script.
fn runs(text: &str) -> impl Iterator<Item = Word> {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while let Some((start, first)) = chars.next() {
            let Some(script) = script(first) else { continue };
            let mut word = Word { text: folded(first).collect(), script, start, end: start + first.len_utf8() };
            while let Some((at, next)) = chars.next_if(|(_, next)| self::script(*next) == Some(script)) {
                word.text.extend(folded(next));
                word.end = at + next.len_utf8();
            }
            // Accents without a letter are nothing.
            if !word.text.is_empty() {
                return Some(word);
            }
        }
        None
    })
}

/// Pairs of neighbours, and each for itself if it stands alone or `singles` are wanted.
fn pairs(run: &Word, singles: bool) -> Vec<Word> {
    let mut chars = Vec::new();
    let mut at = run.start;
    for char in run.text.chars() {
        chars.push((at, char));
        at += char.len_utf8();
    }
    let word = |from: usize, count: usize| {
        let text: String = chars.iter().skip(from).take(count).map(|(_, char)| *char).collect();
        let start = chars.get(from).map_or(run.end, |(at, _)| *at);
        let end = start + text.len();
        Word { text, script: Script::Dense, start, end }
    };
    let alone = chars.len() == 1;
    let mut words = Vec::new();
    for from in 0..chars.len() {
        if alone || singles {
            words.push(word(from, 1));
        }
        if from + 1 < chars.len() {
            words.push(word(from, 2));
        }
    }
    words
}

fn script(char: char) -> Option<Script> {
    let dense = matches!(u32::from(char),
        // Kana, Han with its extensions, Hangul.
        0x3005..=0x3007 | 0x3041..=0x30ff | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff
        | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff);
    if dense {
        return Some(Script::Dense);
    }
    (char.is_alphanumeric() || is_mark(char)).then_some(Script::Spaced)
}

/// Accents that follow their letter belong to the word, and are dropped from it.
fn is_mark(char: char) -> bool {
    matches!(u32::from(char), 0x0300..=0x036f)
}

fn folded(char: char) -> impl Iterator<Item = char> {
    let narrow = match u32::from(char) {
        // Full width, as input methods write.
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(char),
        _ => char,
    };
    narrow.to_lowercase().filter(|char| !is_mark(*char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: impl IntoIterator<Item = Word>) -> Vec<String> {
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn texts_are_split_where_scripts_and_words_end() {
        assert_eq!(texts(indexed("Nebula Live: One-Night")), ["nebula", "live", "one", "night"]);
        assert_eq!(texts(indexed("牡丹亭")), ["牡", "牡丹", "丹", "丹亭", "亭"]);
        assert_eq!(texts(indexed("星云Live现场")), ["星", "星云", "云", "live", "现", "现场", "场"]);
        assert_eq!(texts(Words::of("牡丹亭").0), ["牡丹", "丹亭"]);
        assert_eq!(texts(Words::of("牡").0), ["牡"]);
        assert_eq!(texts(Words::of("ＪＡＺＺ ２０２７").0), ["jazz", "2027"]);
        for nothing in ["", "  ", "!?·", "\u{0}", "\u{202e}", "\u{301}", "🎫"] {
            assert!(Words::of(nothing).is_empty(), "{nothing:?}");
        }
        assert_eq!(Words::of(&"a ".repeat(100)).iter().count(), MOST);
    }

    #[test]
    fn words_stand_where_they_are_found() {
        let text = "İ 星云Live";
        for word in indexed(text) {
            assert!(text.is_char_boundary(word.start) && text.is_char_boundary(word.end), "{word:?}");
            assert!(word.start < word.end, "{word:?}");
        }
    }

    #[test]
    fn a_text_has_words_by_their_beginnings_and_pairs_anywhere() {
        let words = Words::of("peo pav");
        assert!(words.all_in("The Peony Pavilion"));
        assert!(!words.all_in("The Peony"));
        assert!(Words::of("丹亭").all_in("牡丹亭"));
        assert!(!Words::of("亭丹").all_in("牡丹亭"));
    }
}
