//! Which records somebody reaches, and how they see them: the same for reading and writing, in statements and in answers.

mod access;
mod column;
mod entity;
mod predicate;

pub use self::{
    access::{DataAccess, DataRefusal, RowKey},
    column::{BindValue, Column},
    entity::{Entity, Field, Mask},
    predicate::{Placeholders, Predicate},
};
