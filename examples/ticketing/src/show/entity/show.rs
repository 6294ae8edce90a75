//! Shows.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "shows")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub tenant_id: String,
    pub title: String,
    pub title_zh: String,
    pub description: String,
    pub description_zh: String,
    pub artist: String,
    pub artist_zh: String,
    pub genre: String,
    pub poster: Option<String>,
    pub poster_alt: String,
    pub poster_alt_zh: String,
    pub hidden: i64,
    pub published: i64,
    pub created_at: i64,
}

/// Relations are followed by explicit queries.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
