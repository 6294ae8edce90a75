//! Days as providers count them.

use jiff::{civil::Date, tz::Offset};

use crate::{
    clock::Millis,
    problem::{Problem, Result},
};

/// Bills are cut at midnight in China, which has one time zone and no summer time.
pub(crate) const BILLS: Offset = Offset::constant(8);

/// The first instant of a day, and the first one after it.
pub(crate) fn bounds(day: Date) -> Result<(Millis, Millis)> {
    let start = |day: Date| {
        let instant = BILLS.to_timestamp(day.at(0, 0, 0, 0)).map_err(Problem::internal)?;
        Ok::<_, Problem>(Millis(instant.as_millisecond()))
    };
    Ok((start(day)?, start(day.tomorrow().map_err(Problem::internal)?)?))
}

/// The day of an instant.
pub(crate) fn of(at: Millis) -> Result<Date> {
    let instant = jiff::Timestamp::from_millisecond(at.0).map_err(Problem::internal)?;
    Ok(BILLS.to_datetime(instant).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_china() {
        let day = jiff::civil::date(2026, 11, 22);
        let (from, to) = bounds(day).unwrap();
        assert_eq!(jiff::Timestamp::from_millisecond(from.0).unwrap().to_string(), "2026-11-21T16:00:00Z");
        assert_eq!(to.0 - from.0, 86_400_000);
        assert_eq!((of(from).unwrap(), of(Millis(from.0 - 1)).unwrap()), (day, day.yesterday().unwrap()));
    }
}
