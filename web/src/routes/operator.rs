//! What operators ask: alerts, silences and deliveries, and changes to them. A handler that changes something takes
//! [`Admitted`], which only the guard gives out.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::Shared;
use crate::{
    api::{
        AcknowledgementView, AlertView, Asking, Changed, DeliveryFilter, MatcherView, NewAcknowledgement,
        NewSilence, OutboxEntry, Problem, Retried, Retry, SilenceView,
    },
    body::{Asked, Id, Told},
    control::Refusal,
    guard::Admitted,
    line::{COMMENT, NAME, line},
    problem::Declined,
};

/// The most entries in one list of a matcher, and the most deliveries that are named one by one.
const MOST: usize = 100;

/// The open alerts, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", responses((status = 200, body = Vec<AlertView>)))]
pub(super) async fn alerts(State(shared): State<Shared>) -> Response {
    fresh(&shared.status.overview().borrow().alerts)
}

/// Takes an open alert on: reminders of it stop, and receivers are told who has it.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/acknowledgement",
    params(("id" = String, Path, description = "The alert's id")),
    request_body = NewAcknowledgement,
    security(("token" = [])),
    responses(
        (status = 200, body = Changed<AcknowledgementView>),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 503, content_type = "application/problem+json", body = Problem),
    )
)]
pub(super) async fn acknowledge(
    admitted: Admitted,
    State(shared): State<Shared>,
    Id(id): Id,
    Told(told): Told<NewAcknowledgement>,
) -> Result<Response, Declined> {
    let operator = admitted.operator(&told.by)?;
    let comment = line("comment", &told.comment, COMMENT)?;
    answer(shared.control.acknowledge(id, comment, operator).await)
}

/// The silences in force, the one that ends first at the front.
#[utoipa::path(get, path = "/api/v1/silences", responses((status = 200, body = Vec<SilenceView>)))]
pub(super) async fn silences(State(shared): State<Shared>) -> Response {
    fresh(&shared.status.overview().borrow().silences)
}

/// Silences alerts from now on, for a while.
#[utoipa::path(
    post,
    path = "/api/v1/silences",
    request_body = NewSilence,
    security(("token" = [])),
    responses(
        (status = 200, body = Changed<SilenceView>),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 503, content_type = "application/problem+json", body = Problem),
    )
)]
pub(super) async fn silence(
    admitted: Admitted,
    State(shared): State<Shared>,
    Told(told): Told<NewSilence>,
) -> Result<Response, Declined> {
    let operator = admitted.operator(&told.by)?;
    let comment = line("comment", &told.comment, COMMENT)?;
    if comment.is_empty() {
        return Err(Declined::unfit("comment is empty: say why nobody is to be told"));
    }
    let matcher = checked(told.matcher)?;
    match (matcher.is_everything(), told.all) {
        (true, false) => {
            return Err(Declined::unfit(
                "the matcher is empty: say which alerts, or all = true for all of them",
            ));
        }
        (false, true) => {
            return Err(Declined::unfit("all = true goes with an empty matcher only: leave one of them out"));
        }
        _ => {}
    }
    if told.for_seconds.is_some() == told.until.is_some() {
        return Err(Declined::unfit("say either for_seconds or until"));
    }
    let silence = NewSilence { matcher, comment, by: operator.by.clone(), ..told };
    answer(shared.control.silence(silence, operator).await)
}

/// Ends a silence before its time.
#[utoipa::path(
    delete,
    path = "/api/v1/silences/{id}",
    params(("id" = String, Path, description = "The silence's id"), Asking),
    security(("token" = [])),
    responses(
        (status = 200, body = Changed<SilenceView>),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 503, content_type = "application/problem+json", body = Problem),
    )
)]
pub(super) async fn end_silence(
    admitted: Admitted,
    State(shared): State<Shared>,
    Id(id): Id,
    Asked(asking): Asked<Asking>,
) -> Result<Response, Declined> {
    let operator = admitted.operator(&asking.by)?;
    answer(shared.control.end_silence(id, operator).await)
}

/// Deliveries to receivers, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries",
    params(DeliveryFilter),
    responses(
        (status = 200, body = Vec<OutboxEntry>),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 503, content_type = "application/problem+json", body = Problem),
    )
)]
pub(super) async fn deliveries(
    State(shared): State<Shared>,
    Asked(filter): Asked<DeliveryFilter>,
) -> Result<Response, Declined> {
    answer(shared.control.deliveries(filter).await)
}

/// Attempts deliveries again that were given up.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/retry",
    request_body = Retry,
    security(("token" = [])),
    responses(
        (status = 200, body = Retried),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 503, content_type = "application/problem+json", body = Problem),
    )
)]
pub(super) async fn retry(
    admitted: Admitted,
    State(shared): State<Shared>,
    Told(told): Told<Retry>,
) -> Result<Response, Declined> {
    let operator = admitted.operator(&told.by)?;
    let says_which = !told.deliveries.is_empty() || told.receiver.is_some();
    if says_which == told.all {
        return Err(Declined::unfit("say which deliveries, or a receiver, or else all = true"));
    }
    let deliveries = lines("deliveries", &told.deliveries)?;
    let receiver = told.receiver.map(|receiver| line("receiver", &receiver, NAME)).transpose()?;
    let retry = Retry { deliveries, receiver, all: told.all, by: operator.by.clone() };
    answer(shared.control.retry(retry, operator).await)
}

/// `matcher` with bounded lists of bounded lines.
fn checked(matcher: MatcherView) -> Result<MatcherView, Declined> {
    let pair = |(key, value): (&String, &String)| {
        Ok((line("a label", key, NAME)?, line("a label's value", value, NAME)?))
    };
    if matcher.severities.len().max(matcher.labels.len()) > MOST {
        return Err(Declined::unfit(format!("the matcher lists more than {MOST} severities or labels")));
    }
    Ok(MatcherView {
        kinds: lines("kinds", &matcher.kinds)?,
        severities: matcher.severities,
        services: lines("services", &matcher.services)?,
        nodes: lines("nodes", &matcher.nodes)?,
        probes: lines("probes", &matcher.probes)?,
        labels: matcher.labels.iter().map(pair).collect::<Result<_, Declined>>()?,
    })
}

fn lines(field: &str, texts: &[String]) -> Result<Vec<String>, Declined> {
    if texts.len() > MOST {
        return Err(Declined::unfit(format!("{field} has more than {MOST} entries")));
    }
    texts.iter().map(|text| line(field, text, NAME)).collect()
}

fn answer<T: Serialize>(outcome: Result<T, Refusal>) -> Result<Response, Declined> {
    match outcome {
        Ok(done) => Ok(fresh(&done)),
        Err(Refusal::Missing(why)) => Err(Declined::new(StatusCode::NOT_FOUND, why)),
        Err(Refusal::Unfit(why)) => Err(Declined::unfit(why)),
        Err(Refusal::Conflict(why)) => Err(Declined::new(StatusCode::CONFLICT, why)),
        Err(Refusal::Unavailable(why)) => Err(Declined::new(StatusCode::SERVICE_UNAVAILABLE, why)),
    }
}

fn fresh<T: Serialize + ?Sized>(data: &T) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(data)).into_response()
}
