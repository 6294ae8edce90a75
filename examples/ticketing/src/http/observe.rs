//! A span, a counter and a duration for every request, by the pattern of its path, never by the path itself.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use metrics::Gauge;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::{meters, process};
use crate::{
    app::App,
    ids::{OrderId, SessionId},
    inventory::Counts,
    problem::{Problem, Result},
    request_id::X_REQUEST_ID,
    telemetry::{Kept, Part},
};

/// Durations worth telling apart, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// An answer that takes longer is worth a line of its own.
const SLOW: Duration = Duration::from_secs(1);

/// The exporter of this process. The first call installs it.
///
/// # Errors
///
/// Another exporter was installed before.
pub fn exporter() -> Result<&'static PrometheusHandle> {
    static EXPORTER: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    EXPORTER
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("seconds".to_owned()), BUCKETS)
                .map_err(|error| error.to_string())
                .and_then(|builder| {
                    let recorder = builder.build_recorder();
                    let handle = recorder.handle();
                    metrics::set_global_recorder(Kept::new(recorder)).map_err(|error| error.to_string())?;
                    describe();
                    Ok(handle)
                })
        })
        .as_ref()
        .map_err(|error| Problem::internal(error.clone()))
}

fn describe() {
    metrics::describe_counter!("http_requests_total", "Requests answered, by method, path pattern and status.");
    metrics::describe_histogram!("http_request_duration_seconds", metrics::Unit::Seconds, "Time to the answer's head.");
    metrics::describe_gauge!("http_requests_in_flight", "Requests that are being answered.");
    metrics::describe_gauge!("http_event_streams_open", "Event streams that are open.");
    metrics::describe_counter!("ticketing_api_limit_decisions_total", "Requests by limit of the server, and outcome.");
    metrics::describe_counter!("ticketing_cache_reads_total", "Reads of the caches in the process, by outcome.");
    metrics::describe_gauge!("ticketing_cache_entries", "Values in the caches in the process.");
    metrics::describe_gauge!("ticketing_cache_capacity", "Most values that the caches in the process keep.");
    metrics::describe_counter!("ticketing_stock_runs_total", "Comparisons of the stock of all sessions on sale.");
    metrics::describe_counter!("ticketing_stock_reports_total", "Sessions whose stock was compared, by outcome.");
    metrics::describe_counter!("ticketing_stock_differences_total", "Differences that comparisons of the stock found.");
    metrics::describe_counter!("ticketing_search_degraded_total", "Searches that only looked the shows through.");
    metrics::describe_counter!(
        "ticketing_search_differences_total",
        "Shows that the search index had otherwise, by kind."
    );
    metrics::describe_counter!("ticketing_trace_exports_total", "Batches of spans sent to the collector, by outcome.");
    metrics::describe_histogram!(
        "ticketing_catalog_to_search_seconds",
        metrics::Unit::Seconds,
        "From a change of the catalog, at the earliest, until the search index has it."
    );
    metrics::describe_histogram!(
        "ticketing_payment_to_ledger_seconds",
        metrics::Unit::Seconds,
        "From the commit of a payment until the ledger has its seats as sold."
    );
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<App>) -> Result<Response> {
    let mut text = exporter()?.render();
    // What is a state and no event is read when it is asked for: what is gone leaves no last value behind.
    let on_sale = app.inventory.on_sale().await;
    text.push_str(&seats(&on_sale));
    text.push_str(&app.funnel.metrics(on_sale.iter().map(|(session, _)| *session)));
    text.push_str(&app.api_limits.metrics());
    text.push_str(&process::metrics());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// The seats of the sessions on sale.
fn seats(sessions: &[(SessionId, Counts)]) -> String {
    let mut text = String::new();
    let mut tell = |name: &str, count: fn(&Counts) -> u32| {
        text.push_str(&format!("# HELP {name} Seats of a session on sale.\n# TYPE {name} gauge\n"));
        for (session, counts) in sessions {
            text.push_str(&format!("{name}{{session=\"{session}\"}} {}\n", count(counts)));
        }
    };
    tell("ticket_inventory_available_seats", Counts::available);
    tell("ticket_inventory_locked_seats", |counts| counts.locked);
    tell("ticket_inventory_sold_seats", |counts| counts.sold);
    text
}

pub(super) async fn observed(request: Request, answer: impl AsyncFnOnce(Request) -> Response) -> Response {
    let started = Instant::now();
    let _in_flight = InFlight::begin();
    let path = request.extensions().get::<MatchedPath>().cloned();
    // What matches no route shares one label: a scanner must not fill the memory with labels.
    let pattern = path.as_ref().map_or("other", MatchedPath::as_str);
    let method = method_label(request.method());
    let id = request.headers().get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let mut part = Part::of_request(request.headers(), method, pattern, id);
    if let Some(order) = named_order(pattern, request.uri().path()) {
        part = part.about(order);
    }
    let response = part.run(answer(request)).await;
    let status = response.status();
    let elapsed = started.elapsed();
    let duration = elapsed.as_secs_f64() * 1_000.0;
    part.answered(status, || match status.is_server_error() || elapsed > SLOW {
        true => tracing::info!(status = status.as_u16(), duration, "answered"),
        false => tracing::debug!(status = status.as_u16(), duration, "answered"),
    });
    meters::answered(method, pattern, status, elapsed);
    response
}

/// The order that a path names, as `/orders/{id}` does.
fn named_order(pattern: &str, path: &str) -> Option<OrderId> {
    let place =
        pattern.split('/').zip(pattern.split('/').skip(1)).position(|(of, id)| of == "orders" && id == "{id}")?;
    path.split('/').nth(place + 1)?.parse().ok()
}

/// A request that is being answered. Counts down also when the client has gone and the future is dropped.
struct InFlight(&'static Gauge);

impl InFlight {
    fn begin() -> Self {
        static GAUGE: OnceLock<Gauge> = OnceLock::new();
        let gauge = GAUGE.get_or_init(|| metrics::gauge!("http_requests_in_flight"));
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

fn method_label(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_from_the_paths_that_name_one() {
        let order = OrderId::new();
        for (pattern, path, found) in [
            ("/api/v1/orders/{id}", format!("/api/v1/orders/{order}"), true),
            ("/api/v1/orders/{id}/pay", format!("/api/v1/orders/{order}/pay"), true),
            ("/api/v1/desk/{merchant}/orders/{id}/price", format!("/api/v1/desk/moon/orders/{order}/price"), true),
            ("/api/v1/orders/{id}", "/api/v1/orders/what\u{a0}ever".to_owned(), false),
            ("/api/v1/orders", "/api/v1/orders".to_owned(), false),
            ("/api/v1/sessions/{id}", format!("/api/v1/sessions/{order}"), false),
            ("other", format!("/orders/{order}"), false),
        ] {
            assert_eq!(named_order(pattern, &path), found.then_some(order), "{pattern} {path}");
        }
    }
}
