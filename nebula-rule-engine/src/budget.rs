//! What one evaluation may cost.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// What one evaluation may cost. Each limit has an error of its own.
///
/// A *cell* is one step: a cell of a table that is tested by interpretation, or one operation of an expression, once for
/// each element of a list. Columns that an index answers cost one cell each, however many rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    deadline: Option<Duration>,
    cells: u64,
    depth: u32,
    list_length: usize,
}

impl Default for Budget {
    /// 50 ms, a million cells, 64 levels, lists of 10,000.
    fn default() -> Self {
        Self { deadline: Some(Duration::from_millis(50)), cells: 1_000_000, depth: 64, list_length: 10_000 }
    }
}

impl Budget {
    /// The longest time from the beginning, which is the first look at the clock: after about a hundred cells, so that small
    /// evaluations do not pay for it. `None` for as long as it takes, which the other limits still bound.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The most cells.
    #[must_use]
    pub const fn with_cells(mut self, cells: u64) -> Self {
        self.cells = cells;
        self
    }

    /// How deeply closures and chained tables may nest.
    #[must_use]
    pub const fn with_depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// The longest list that an expression may walk or make.
    #[must_use]
    pub const fn with_list_length(mut self, elements: usize) -> Self {
        self.list_length = elements;
        self
    }

    /// Starts the clock.
    #[must_use]
    pub fn start(&self) -> Meter {
        Meter {
            deadline: self.deadline,
            ends: None,
            cells_left: self.cells,
            until_clock: CLOCK_EVERY,
            depth_left: self.depth,
            list_length: self.list_length,
        }
    }
}

/// The clock is read once for this many cells: reading it costs as much as several of them.
const CLOCK_EVERY: u32 = 128;

/// What is left of a [`Budget`] during an evaluation.
#[derive(Debug)]
pub struct Meter {
    /// Not yet turned into a point in time.
    deadline: Option<Duration>,
    ends: Option<Instant>,
    cells_left: u64,
    until_clock: u32,
    depth_left: u32,
    list_length: usize,
}

impl Meter {
    /// Pays for `cells` steps.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CellBudget`] or [`ErrorKind::DeadlineExceeded`] when the budget is used up.
    #[inline]
    pub fn spend(&mut self, cells: u32) -> Result<()> {
        match self.cells_left.checked_sub(u64::from(cells)) {
            Some(left) => self.cells_left = left,
            None => return Err(Error::new(ErrorKind::CellBudget, "the budget of cells is used up")),
        }
        match self.until_clock.checked_sub(cells) {
            Some(left) => {
                self.until_clock = left;
                Ok(())
            }
            None => self.look_at_clock(),
        }
    }

    /// Looks at the clock now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DeadlineExceeded`].
    #[cold]
    pub fn look_at_clock(&mut self) -> Result<()> {
        self.until_clock = CLOCK_EVERY;
        if let Some(time) = self.deadline.take() {
            self.ends = Instant::now().checked_add(time);
        }
        match self.ends {
            Some(ends) if Instant::now() >= ends => {
                Err(Error::new(ErrorKind::DeadlineExceeded, "the deadline has passed"))
            }
            _ => Ok(()),
        }
    }

    /// Goes one level down for the time of `inner`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooDeep`], and what `inner` reports.
    pub fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or_else(|| {
            Error::new(ErrorKind::TooDeep, "closures or tables are nested more deeply than the budget")
        })?;
        let result = inner(self);
        self.depth_left += 1;
        result
    }

    /// Checks the length of a list.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ListTooLong`].
    pub fn list(&self, length: usize) -> Result<()> {
        if length > self.list_length {
            let context = format!("{length} elements, and the budget allows {}", self.list_length);
            return Err(Error::new(ErrorKind::ListTooLong, context));
        }
        Ok(())
    }
}
