//! The index in memory: tantivy's, built anew when texts change and exchanged whole.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use parking_lot::RwLock;
use tantivy::{
    DocId, Index, IndexWriter, ReloadPolicy, Score, Searcher, SegmentOrdinal, SegmentReader, TantivyDocument,
    TantivyError, Term,
    collector::{Collector, SegmentCollector},
    columnar::Column,
    indexer::NoMergePolicy,
    query::{BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, FuzzyTermQuery, Query, TermQuery},
    schema::{self, FAST, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{AsciiFoldingFilter, TextAnalyzer, Token, TokenStream, Tokenizer},
};

use super::{
    domain::{Entry, Field},
    engine::{EngineError, Hit, SearchEngine},
    words::{Word, Words, indexed, mistakes, plain},
};
use crate::ids::ShowId;

/// The name under which the index knows how texts become words.
const ANALYZER: &str = "words";
/// The smallest that tantivy takes: one thread's, while it builds.
const BUILD_MEMORY: usize = 15_000_000;

/// Finds shows in this process's own memory.
#[derive(Default)]
pub struct TextIndex(RwLock<Option<Arc<Built>>>);

struct Built {
    searcher: Searcher,
    slot: schema::Field,
    fields: [(Field, schema::Field); 5],
    /// By slot: which show, and the digest of its texts.
    shows: Vec<(ShowId, u64)>,
}

impl std::fmt::Debug for TextIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shows = self.0.read().as_ref().map(|built| built.shows.len());
        f.debug_struct("TextIndex").field("shows", &shows).finish_non_exhaustive()
    }
}

#[async_trait]
impl SearchEngine for TextIndex {
    async fn replace(&self, entries: Arc<[Entry]>) -> Result<(), EngineError> {
        // Thousands of shows: keep the threads that answer requests free.
        let built = tokio::task::spawn_blocking(move || build(&entries)).await;
        let built = built.map_err(|error| EngineError::new("the index was not built").caused_by(error))?;
        let built = built.map_err(|error| EngineError::new("the index was not built").caused_by(error))?;
        *self.0.write() = Some(Arc::new(built));
        Ok(())
    }

    async fn find(&self, words: &Words) -> Result<Vec<Hit>, EngineError> {
        let Some(built) = self.0.read().clone() else { return Ok(Vec::new()) };
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let found = built.searcher.search(&built.query(words), &EveryHit(built.slot));
        let found = found.map_err(|error| EngineError::new("the index was not read").caused_by(error))?;
        let hit = |(slot, score): (u64, f32)| {
            let (show, _) = built.shows.get(usize::try_from(slot).ok()?)?;
            Some(Hit { show: *show, score })
        };
        Ok(found.into_iter().filter_map(hit).collect())
    }

    async fn held(&self) -> Result<HashMap<ShowId, u64>, EngineError> {
        let built = self.0.read().clone();
        Ok(built.map(|built| built.shows.iter().copied().collect()).unwrap_or_default())
    }
}

fn build(entries: &[Entry]) -> Result<Built, TantivyError> {
    let mut schema = Schema::builder();
    let slot = schema.add_u64_field("slot", FAST);
    let indexing = TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqs);
    let text = TextOptions::default().set_indexing_options(indexing);
    let fields =
        Field::ALL.map(|field| (field, schema.add_text_field(&format!("{field:?}").to_lowercase(), text.clone())));
    let index = Index::create_in_ram(schema.build());
    index.tokenizers().register(ANALYZER, TextAnalyzer::builder(Splitter).filter(AsciiFoldingFilter).build());
    let mut writer: IndexWriter = index.writer_with_num_threads(1, BUILD_MEMORY)?;
    // It is never added to: nothing to merge.
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for (place, entry) in entries.iter().enumerate() {
        let mut document = TantivyDocument::new();
        document.add_u64(slot, u64::try_from(place).unwrap_or(u64::MAX));
        for (field, stored) in fields {
            entry.texts(field).into_iter().for_each(|text| document.add_text(stored, text));
        }
        writer.add_document(document)?;
    }
    writer.commit()?;
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let shows = entries.iter().map(|entry| (entry.show.id, entry.digest())).collect();
    Ok(Built { searcher: reader.searcher(), slot, fields, shows })
}

impl Built {
    /// Every word, in one field or another.
    fn query(&self, words: &Words) -> BooleanQuery {
        let words = words.iter().map(|word| {
            let text = plain(word);
            let ways = self.fields.iter().flat_map(|(field, stored)| ways(&text, word, *field, *stored));
            // Most of the best, a little of the others.
            Box::new(DisjunctionMaxQuery::with_tie_breaker(ways.collect(), 0.1)) as Box<dyn Query>
        });
        BooleanQuery::intersection(words.collect())
    }
}

/// The ways a word may stand in a field, each worth less than the one before.
fn ways(text: &str, word: &Word, field: Field, stored: schema::Field) -> Vec<Box<dyn Query>> {
    let term = Term::from_field_text(stored, text);
    let boost =
        |query: Box<dyn Query>, by: f32| Box::new(BoostQuery::new(query, by * field.weight())) as Box<dyn Query>;
    let constant = |query: Box<dyn Query>, score: f32| boost(Box::new(ConstScoreQuery::new(query, score)), 1.0);
    let exact = || Box::new(TermQuery::new(term.clone(), IndexRecordOption::WithFreqs)) as Box<dyn Query>;
    // The word itself is worth more than any resemblance, and the rarer the more.
    let itself = BooleanQuery::union(vec![constant(exact(), 3.0), boost(exact(), 1.0)]);
    let mut ways: Vec<Box<dyn Query>> = vec![Box::new(itself)];
    let Some(mistakes) = mistakes(word, text) else { return ways };
    ways.push(constant(Box::new(FuzzyTermQuery::new_prefix(term.clone(), 0, true)), 2.0));
    if mistakes > 0 {
        ways.push(constant(Box::new(FuzzyTermQuery::new(term, mistakes, true)), 0.5));
    }
    ways
}

/// How texts become words, for tantivy.
#[derive(Clone)]
struct Splitter;

struct Split {
    words: std::vec::IntoIter<Word>,
    token: Token,
}

impl Tokenizer for Splitter {
    type TokenStream<'a> = Split;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Split {
        Split { words: indexed(text).into_iter(), token: Token::default() }
    }
}

impl TokenStream for Split {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to, self.token.text) = (word.start, word.end, word.text);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// Every hit with its score, by slot.
struct EveryHit(schema::Field);

struct HitsOfSegment {
    slots: Column<u64>,
    hits: Vec<(u64, f32)>,
}

impl Collector for EveryHit {
    type Fruit = Vec<(u64, f32)>;
    type Child = HitsOfSegment;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<HitsOfSegment> {
        let slots = segment.fast_fields().u64(segment.schema().get_field_name(self.0))?;
        Ok(HitsOfSegment { slots, hits: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, segments: Vec<Vec<(u64, f32)>>) -> tantivy::Result<Vec<(u64, f32)>> {
        Ok(segments.into_iter().flatten().collect())
    }
}

impl SegmentCollector for HitsOfSegment {
    type Fruit = Vec<(u64, f32)>;

    fn collect(&mut self, document: DocId, score: Score) {
        self.hits.extend(self.slots.first(document).map(|slot| (slot, score)));
    }

    fn harvest(self) -> Vec<(u64, f32)> {
        self.hits
    }
}

#[cfg(test)]
mod tests {
    use super::{super::suite, *};

    #[tokio::test]
    async fn only_what_it_was_given_last_is_found() {
        let index = TextIndex::default();
        assert!(index.find(&Words::of("jazz")).await.unwrap().is_empty(), "before it was given anything");
        suite::only_what_it_was_given_last_is_found(&index).await;
    }

    #[tokio::test]
    async fn the_word_itself_comes_before_beginnings_and_these_before_slips() {
        suite::the_word_itself_comes_before_beginnings_and_these_before_slips(&TextIndex::default()).await;
    }

    #[tokio::test]
    async fn words_of_every_script_are_found_without_accents_and_years_are_exact() {
        suite::words_of_every_script_are_found_without_accents_and_years_are_exact(&TextIndex::default()).await;
    }
}
