//! `ticketing import seating-plan`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Findings, ImportError, Sale, plan::MAX_BYTES};
use crate::{
    clock::Millis,
    config::CommonArgs,
    folder,
    money::{Currency, Money, parse_minor},
    storage::Database,
};

/// A seating plan and what is sold on it.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The seating plan, in the format of the pretix seating-plan editor.
    plan: PathBuf,
    /// Name of the venue; made when there is none of that name.
    #[arg(long)]
    venue: String,
    /// City of the venue, if it is new.
    #[arg(long, default_value = "")]
    city: String,
    /// Title of the show; a show of that title gets a further session.
    #[arg(long)]
    show: String,
    /// Title of the show in Chinese, if it is new [default: as --show].
    #[arg(long, value_name = "SHOW")]
    show_zh: Option<String>,
    /// Price of a category; once for each category with seats.
    #[arg(long = "price", value_name = "CATEGORY=AMOUNT", value_parser = price)]
    prices: Vec<(String, i64)>,
    /// Currency of the prices: CNY, EUR or USD.
    #[arg(long, default_value = "CNY", value_parser = currency)]
    currency: Currency,
    /// When the performance begins, for example 2027-05-01T19:30:00+08:00 [default: in 30 days].
    #[arg(long, value_name = "TIME", value_parser = instant)]
    starts_at: Option<Millis>,
    /// When the sale opens [default: now].
    #[arg(long, value_name = "TIME", value_parser = instant)]
    sale_opens_at: Option<Millis>,
    /// When the sale closes [default: when the performance begins].
    #[arg(long, value_name = "TIME", value_parser = instant)]
    sale_closes_at: Option<Millis>,
    /// Most seats one buyer may have [default: as configured].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seats_per_user: Option<u32>,
    #[command(flatten)]
    common: CommonArgs,
}

fn price(text: &str) -> Result<(String, i64), String> {
    let (category, amount) = text.rsplit_once('=').ok_or("write it as Category=380.00")?;
    let minor = parse_minor(amount).ok_or_else(|| format!("`{amount}` is not an amount such as 380.00"))?;
    if category.trim().is_empty() {
        return Err("the category is missing".to_owned());
    }
    Ok((category.to_owned(), minor))
}

fn currency(text: &str) -> Result<Currency, String> {
    Currency::from_code(&text.to_uppercase()).ok_or_else(|| "known are CNY, EUR and USD".to_owned())
}

fn instant(text: &str) -> Result<Millis, String> {
    let instant: jiff::Timestamp =
        text.parse().map_err(|_| "write it as 2027-05-01T19:30:00+08:00, with the offset from UTC".to_owned())?;
    Ok(Millis(instant.as_millisecond()))
}

impl Args {
    fn sale(&self, hold: Duration, seats_per_user: u32) -> Result<Sale, String> {
        let now = Millis::now();
        let starts_at = self.starts_at.unwrap_or_else(|| now.plus(Duration::from_secs(30 * 24 * 60 * 60)));
        let mut prices = BTreeMap::new();
        for (category, minor) in &self.prices {
            let price = Money { minor: *minor, currency: self.currency };
            if prices.insert(category.clone(), price).is_some() {
                return Err(format!("--price stands twice for {category:?}"));
            }
        }
        Ok(Sale {
            venue: self.venue.trim().to_owned(),
            city: self.city.trim().to_owned(),
            show: self.show.trim().to_owned(),
            show_zh: self.show_zh.clone(),
            prices,
            starts_at,
            sale_opens_at: self.sale_opens_at.unwrap_or(now),
            sale_closes_at: self.sale_closes_at.unwrap_or(starts_at),
            seats_per_user: self.seats_per_user.unwrap_or(seats_per_user),
            hold,
        })
    }
}

/// Imports a seating plan and says what came of it.
///
/// # Errors
///
/// Why nothing was imported.
///
/// # Cancel safety
///
/// The plan is imported whole or not at all.
pub async fn run(args: &Args) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let config = args.common.load()?;
    let sale = args.sale(config.sales.hold_time, config.sales.seats_per_user)?;
    let file = args.plan.display();
    let length = std::fs::metadata(&args.plan).map_err(|error| format!("{file} cannot be read: {error}"))?.len();
    if length > MAX_BYTES as u64 {
        return Err(format!("{file} has {length} bytes; a plan has at most {MAX_BYTES}").into());
    }
    let json = std::fs::read(&args.plan).map_err(|error| format!("{file} cannot be read: {error}"))?;
    let (plan, findings) = super::check(&json, &sale).map_err(|findings| {
        print_notes(&findings);
        ImportError::Refused(findings)
    })?;
    print_notes(&findings);

    folder::make(&config.data)?;
    let database = Database::of(&config.database, &config.data).await?;
    let bar = ProgressBar::new(plan.seats.len() as u64).with_style(
        ProgressStyle::with_template("{spinner} {bar:40} {human_pos}/{human_len} seats {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let show = sale.show.clone();
    let progress = bar.clone();
    let written = super::write(&database, plan, sale, move |seats| progress.inc(seats as u64)).await;
    bar.finish_and_clear();
    let done = written?;
    let reused = if done.plan_reused { " (the plan was there already)" } else { "" };
    println!("Imported: {show:?}, {} seats{reused}.", done.seats);
    println!("Show {}, session {}: /sessions/{}", done.show, done.session, done.session);
    Ok(())
}

fn print_notes(findings: &Findings) {
    for note in findings.notes() {
        eprintln!("note: {note}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_and_times_are_read_strictly() {
        assert_eq!(price("Stalls=380.00"), Ok(("Stalls".to_owned(), 38_000)));
        assert_eq!(price("A=B=1"), Ok(("A=B".to_owned(), 100)));
        for text in ["Stalls", "=1", "Stalls=", "Stalls=-1", "Stalls=1.234"] {
            assert!(price(text).is_err(), "{text}");
        }
        assert_eq!(instant("1970-01-01T08:00:01+08:00"), Ok(Millis(1_000)));
        assert!(instant("2027-05-01 19:30").is_err());
        assert_eq!(currency("eur"), Ok(Currency::EUR));
        assert!(currency("XYZ").is_err());
    }
}
