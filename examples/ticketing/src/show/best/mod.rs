//! Choosing seats for a buyer: which seats are next to each other and near the stage, and the best free ones of them.
//!
//! Nothing here waits, looks anything up or draws lots: the same seats, the same wish and the same lot give the same choice.

mod choose;
mod rows;
mod split;

pub use self::{
    choose::{Ask, Choice, choose},
    rows::{Fit, Rows, Standing},
};

#[cfg(test)]
mod tests;
