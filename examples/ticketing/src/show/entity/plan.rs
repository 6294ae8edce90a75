//! Seating plans.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plans")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub venue_id: String,
    pub name: String,
    #[sea_orm(column_type = "Double")]
    pub width: f64,
    #[sea_orm(column_type = "Double")]
    pub height: f64,
    pub areas: String,
    pub digest: String,
    pub names_zh: String,
    pub created_at: i64,
}

/// Relations are followed by explicit queries.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
