#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{cell::Cell, collections::HashSet};

use proptest::prelude::*;
use serde_json::json;

use super::{Ask, Choice, Fit, Rows, choose};
use crate::{
    ids::SeatPosition,
    show::{Seat, hall},
};

fn seat(zone: &str, row: &str, number: u32, category: &str, at: (f64, f64)) -> Seat {
    Seat {
        guid: format!("{zone}-{row}-{number}").into(),
        zone: zone.into(),
        row: row.into(),
        number: number.to_string(),
        category: category.into(),
        x: at.0,
        y: at.1,
        r: None,
        standing: false,
    }
}

/// Rows of so many seats from the stage back, with an aisle after the fourth seat; the front half is dear.
fn house(rows: u32, seats: u32) -> Vec<Seat> {
    let at = |row: u32, number: u32| {
        let aisle = if number > 4 { 60.0 } else { 0.0 };
        (f64::from(number) * 20.0 + aisle, f64::from(row) * 25.0)
    };
    (1..=rows)
        .flat_map(|row| (1..=seats).map(move |number| (row, number)))
        .map(|(row, number)| {
            let category = if row <= rows / 2 { "dear" } else { "cheap" };
            seat("stalls", &row.to_string(), number, category, at(row, number))
        })
        .collect()
}

fn rows(seats: &[Seat]) -> Rows {
    Rows::new(seats, &json!([]))
}

fn all(rows: &Rows) -> Fit {
    rows.fitting(|_| true, |_, _| true)
}

fn ask(count: usize) -> Ask {
    Ask { count, together: true, among: 1, lot: 0 }
}

fn names(seats: &[Seat], choice: &Choice) -> Vec<String> {
    let Choice::Seats(chosen) = choice else { panic!("{choice:?}") };
    chosen
        .iter()
        .map(|position| format!("{}-{}", seats[*position as usize].row, seats[*position as usize].number))
        .collect()
}

/// Without the seats of these names.
fn without<'s>(seats: &'s [Seat], taken: &'s [&str]) -> impl Fn(SeatPosition) -> bool + 's {
    move |position| {
        let seat = &seats[position as usize];
        !taken.contains(&format!("{}-{}", seat.row, seat.number).as_str())
    }
}

#[test]
fn the_front_and_the_middle_are_best_and_aisles_part() {
    let seats = house(4, 10);
    let rows = rows(&seats);
    // The middle of the house lies between seats 5 and 6 of the right block.
    assert_eq!(names(&seats, &choose(&rows, &all(&rows), &ask(2), &|_| true)), ["1-5", "1-6"]);
    // Five are not next to each other on the left of the aisle, and six are only on its right.
    assert_eq!(
        names(&seats, &choose(&rows, &all(&rows), &ask(6), &|_| true)),
        ["1-5", "1-6", "1-7", "1-8", "1-9", "1-10"]
    );
    let Choice::Apart { together: 6, left: 40 } = choose(&rows, &all(&rows), &ask(7), &|_| true) else { panic!() };
}

#[test]
fn the_stage_is_where_its_name_is_written() {
    let seats = house(4, 10);
    let stage =
        json!([{"position": {"x": 0, "y": 20}, "text": {"text": "Stage · 舞台", "position": {"x": 170, "y": 130}}}]);
    let rows = Rows::new(&seats, &stage);
    assert_eq!(names(&seats, &choose(&rows, &all(&rows), &ask(2), &|_| true)), ["4-5", "4-6"]);
}

#[test]
fn nobody_is_left_alone_where_that_can_be_avoided() {
    let seats = house(1, 10);
    let rows = rows(&seats);
    // Of 5 to 9 two are wanted: 6 and 7 would leave 5 alone.
    let taken = ["1-1", "1-2", "1-3", "1-4", "1-10"];
    assert_eq!(names(&seats, &choose(&rows, &all(&rows), &ask(2), &without(&seats, &taken))), ["1-5", "1-6"]);
    // One of three: the middle one would leave two alone.
    let taken = ["1-1", "1-2", "1-3", "1-4", "1-5", "1-9", "1-10"];
    assert_eq!(names(&seats, &choose(&rows, &all(&rows), &ask(1), &without(&seats, &taken))), ["1-6"]);
    // Two of three leave one alone whatever is done.
    assert_eq!(names(&seats, &choose(&rows, &all(&rows), &ask(2), &without(&seats, &taken))), ["1-6", "1-7"]);
}

#[test]
fn a_party_that_cannot_sit_together_sits_near_and_nobody_of_it_alone() {
    let seats = house(3, 10);
    let rows = rows(&seats);
    let free = ["1-1", "1-5", "1-6", "2-5", "2-6", "3-9"];
    let is_free = |position: SeatPosition| {
        let seat = &seats[position as usize];
        free.contains(&format!("{}-{}", seat.row, seat.number).as_str())
    };
    let apart = Ask { together: false, ..ask(4) };
    assert_eq!(names(&seats, &choose(&rows, &all(&rows), &apart, &is_free)), ["1-5", "1-6", "2-5", "2-6"]);
    assert_eq!(choose(&rows, &all(&rows), &ask(4), &is_free), Choice::Apart { together: 2, left: 6 });
    assert_eq!(choose(&rows, &all(&rows), &Ask { count: 7, ..apart }, &is_free), Choice::TooFew { left: 6 });
}

#[test]
fn many_who_choose_at_once_are_sent_to_different_seats() {
    let seats = house(10, 10);
    let rows = rows(&seats);
    let choices: HashSet<_> = (0..16)
        .map(|lot| names(&seats, &choose(&rows, &all(&rows), &Ask { among: 16, lot, ..ask(2) }, &|_| true)))
        .collect();
    assert_eq!(choices.len(), 16);
    let chosen: Vec<_> = choices.iter().flatten().collect();
    assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), chosen.len(), "no seat is in two choices");
}

#[test]
fn standing_places_are_any_of_one_area_and_seats_come_first_where_both_fit() {
    let mut seats = house(1, 4);
    for (zone, number) in [("pit", 3), ("floor", 5)] {
        seats.extend((0..number).map(|n| Seat {
            row: "".into(),
            standing: true,
            ..seat(zone, "", n, "stand", (0.0, 0.0))
        }));
    }
    let rows = rows(&seats);
    let areas: Vec<_> = rows.standing().iter().map(|area| (&*area.area, area.first, area.places)).collect();
    assert_eq!(areas, [("pit", 4, 3), ("floor", 7, 5)]);
    assert_eq!(names(&seats, &choose(&rows, &all(&rows), &ask(2), &|_| true)).len(), 2);
    let Choice::Seats(chosen) = choose(&rows, &all(&rows), &ask(2), &|_| true) else { panic!() };
    assert!(chosen.iter().all(|position| *position < 4), "{chosen:?}");
    let standing = rows.fitting(|_| true, |_, category| category == "stand");
    assert_eq!(choose(&rows, &standing, &ask(4), &|_| true), Choice::Seats(vec![7, 8, 9, 10]));
    assert_eq!(choose(&rows, &standing, &ask(6), &|_| true), Choice::Apart { together: 5, left: 8 });
    assert_eq!(choose(&rows, &standing, &ask(9), &|_| true), Choice::TooFew { left: 8 });
    let floor = rows.fitting(|_| true, |zone, _| zone == "floor");
    assert_eq!(choose(&rows, &floor, &Ask { among: 9, lot: 3, ..ask(3) }, &|_| true), Choice::Seats(vec![7, 10, 11]));
    assert!(!rows.fitting(|_| true, |zone, _| zone == "roof").is_possible());
    assert!(!rows.fitting(|_| false, |_, _| true).is_possible());
}

#[test]
fn a_hall_of_a_hundred_thousand_seats_is_looked_through_a_few_times_at_most() {
    let seats = hall(100_000).seats;
    let rows = rows(&seats);
    let looks = Cell::new(0_usize);
    let last_row = u32::try_from(seats.len()).unwrap() - 50;
    for (is_free, count, together) in [
        // Nothing was sold; all but the last row; every second seat, so that nobody sits together.
        (&(|_| true) as &dyn Fn(SeatPosition) -> bool, 10, true),
        (&move |position| position >= last_row, 10, true),
        (&|position| position % 2 == 0, 2, true),
        (&|position| position % 2 == 0, 10, false),
    ] {
        looks.set(0);
        let counting = |position| {
            looks.set(looks.get() + 1);
            is_free(position)
        };
        choose(&rows, &all(&rows), &Ask { together, ..ask(count) }, &counting);
        assert!(looks.get() <= 6 * seats.len(), "{} looks", looks.get());
    }
}

/// Seats next to each other: the same row, consecutive numbers, the same side of the aisle.
fn are_adjacent(seats: &[Seat], chosen: &[SeatPosition]) -> bool {
    let mut at: Vec<_> = chosen.iter().map(|position| &seats[*position as usize]).collect();
    at.sort_by_key(|seat| seat.number.parse::<u32>().unwrap());
    at.windows(2).all(|pair| {
        let (one, next) = (pair[0].number.parse::<u32>().unwrap(), pair[1].number.parse::<u32>().unwrap());
        pair[0].row == pair[1].row && next == one + 1 && one != 4
    })
}

proptest! {
    #[test]
    fn what_is_chosen_is_free_wanted_and_adjacent_when_it_can_be(
        taken in proptest::collection::vec(proptest::bool::weighted(0.6), 120),
        count in 1_usize..=10,
        dear in proptest::option::of(any::<bool>()),
        together: bool,
        among in 1_usize..=20,
        lot: u64,
    ) {
        let seats = house(10, 12);
        let rows = rows(&seats);
        let wants = |category: &str| dear.is_none_or(|dear| (category == "dear") == dear);
        let fit = rows.fitting(|_| true, |_, category| wants(category));
        let is_free = |position: SeatPosition| !taken[position as usize];
        let open: Vec<SeatPosition> =
            (0..120).filter(|p| is_free(*p) && wants(&seats[*p as usize].category)).collect();
        let ask = Ask { count, together, among, lot };
        // The longest run, found the plain way.
        let longest = open.iter().map(|from| {
            (1..=12).take_while(|len| {
                let run: Vec<_> = (*from..*from + len).collect();
                run.iter().all(|p| open.contains(p)) && are_adjacent(&seats, &run)
            }).count()
        }).max().unwrap_or(0);
        let choice = choose(&rows, &fit, &ask, &is_free);
        prop_assert_eq!(&choice, &choose(&rows, &fit, &ask, &is_free), "the same again");
        match choice {
            Choice::Seats(chosen) => {
                prop_assert_eq!(chosen.len(), count);
                prop_assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), count);
                prop_assert!(chosen.iter().all(|position| open.contains(position)));
                prop_assert_eq!(are_adjacent(&seats, &chosen), longest >= count);
                prop_assert!(longest >= count || !together);
            }
            Choice::Apart { together: most, left } => {
                prop_assert!(together && left >= count);
                prop_assert_eq!((most, left), (longest, open.len()));
                prop_assert!(longest < count);
            }
            Choice::TooFew { left } => prop_assert!(left == open.len() && left < count),
        }
    }

    #[test]
    fn a_seat_is_left_alone_only_if_every_choice_leaves_one(
        taken in proptest::collection::vec(proptest::bool::weighted(0.5), 40),
        count in 1_usize..=4,
    ) {
        let seats = house(4, 10);
        let rows = rows(&seats);
        let is_free = |position: SeatPosition| !taken[position as usize];
        let lonely = |chosen: &[SeatPosition]| {
            let free = |p: u32| p < 40 && is_free(p) && !chosen.contains(&p);
            let next = |a: u32, b: u32| a < 40 && b < 40 && are_adjacent(&seats, &[a.min(b), a.max(b)]);
            let beside = |p: u32| [p.checked_sub(1), Some(p + 1)].into_iter().flatten().filter(move |q| next(p, *q)).collect::<Vec<_>>();
            // Those that were not alone before.
            chosen.iter().flat_map(|c| beside(*c)).filter(|p| free(*p) && beside(*p).iter().all(|q| !free(*q))).collect::<HashSet<_>>().len()
        };
        let windows = (0..40_u32).map(|from| (from..from + u32::try_from(count).unwrap()).collect::<Vec<_>>());
        let windows = windows.filter(|w| w.iter().all(|p| *p < 40 && is_free(*p)) && are_adjacent(&seats, w));
        let least = windows.map(|window| lonely(&window)).min();
        if let Choice::Seats(chosen) = choose(&rows, &all(&rows), &ask(count), &is_free) {
            prop_assert_eq!(Some(lonely(&chosen)), least);
        } else {
            prop_assert_eq!(least, None);
        }
    }
}

#[test]
fn rows_are_found_whichever_way_they_run() {
    // A column of boxes, numbered from the back, and a row whose seats stand in the file in no order.
    let mut seats: Vec<_> = (1..=6).map(|n| seat("boxes", "L", n, "box", (0.0, 400.0 - f64::from(n) * 30.0))).collect();
    seats.extend([3, 1, 4, 2].map(|n| seat("stalls", "A", n, "a", (200.0 + f64::from(n) * 20.0, 100.0))));
    let rows = rows(&seats);
    let boxes = rows.fitting(|_| true, |zone, _| zone == "boxes");
    let chosen = choose(&rows, &boxes, &ask(3), &|position| position != 4);
    // Of 1 to 4 and 6, three together.
    let Choice::Seats(chosen) = chosen else { panic!("{chosen:?}") };
    assert!(chosen == [1, 2, 3] || chosen == [0, 1, 2], "{chosen:?}");
    let stalls = rows.fitting(|_| true, |zone, _| zone == "stalls");
    let Choice::Seats(pair) = choose(&rows, &stalls, &ask(2), &|position| position != 9) else { panic!() };
    let mut numbers: Vec<u32> = pair.iter().map(|p| seats[*p as usize].number.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 4]);
}
