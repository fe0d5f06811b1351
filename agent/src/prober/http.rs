//! One HTTP exchange on a connection of its own. No redirects, no proxy, no retries, no reuse: a flow shows one path.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    client::conn::http1,
    header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use vipwatch_model::{
    echo::EchoFormat,
    flow::{Failure, FailureKind, Outcome},
    observation::CANARY,
};

use super::{
    answer::{Body, CAP},
    blame,
    connection::Wire,
    flow::Progress,
    method::{HttpExchange, HttpExpectation, HttpPoll},
};

/// What is asked for.
pub(super) struct Ask<'a> {
    pub(super) method: &'a hyper::Method,
    pub(super) authority: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
    /// Whether to claim to come from [`CANARY`].
    pub(super) canary: bool,
    /// Whether the body is read.
    pub(super) body: bool,
}

/// An answer that arrived.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body; empty when none was asked for.
    pub(super) body: Body,
}

impl<'a> Ask<'a> {
    /// What an exchange asks for.
    pub(super) fn of(exchange: &'a HttpExchange, echo: Option<&EchoFormat>, canary: bool) -> Self {
        let echo = echo.is_some_and(|format| !matches!(format, EchoFormat::Header(_)));
        Self {
            method: &exchange.method,
            authority: &exchange.authority,
            path: &exchange.path,
            headers: &exchange.headers,
            canary,
            body: echo || exchange.expect.body.is_some(),
        }
    }

    /// What a poll asks for; `authority` is its address as text.
    pub(super) fn poll(poll: &'a HttpPoll, authority: &'a str) -> Self {
        let headers = &[];
        Self { method: &hyper::Method::GET, authority, path: &poll.path, headers, canary: false, body: true }
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, Failure> {
        let unusable = |what| {
            Failure::new(FailureKind::Agent, format!("the request cannot be made: its {what} is none"))
        };
        let mut request = Request::new(Empty::new());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::try_from(self.path).map_err(|_| unusable("path"))?;
        let headers = request.headers_mut();
        headers.reserve(4 + self.headers.len());
        headers.insert(HOST, HeaderValue::from_str(self.authority).map_err(|_| unusable("host"))?);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("vipwatch/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        for (name, _) in self.headers {
            headers.remove(name);
        }
        for (name, value) in self.headers {
            headers.append(name, value.clone());
        }
        // The server closes first, so that the waiting time of TCP is its own and our source ports stay free.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if self.canary {
            let canary = HeaderValue::from_str(&CANARY.to_string()).map_err(|_| unusable("canary"))?;
            headers.insert(HeaderName::from_static("x-forwarded-for"), canary.clone());
            headers.insert(HeaderName::from_static("x-real-ip"), canary);
        }
        Ok(request)
    }
}

/// Sends the request and reads the answer. The caller bounds the time.
pub(super) async fn exchange(wire: Wire, ask: &Ask<'_>, progress: &mut Progress) -> Result<Answer, Failure> {
    let request = ask.request()?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(CAP)
        .handshake(TokioIo::new(wire))
        .await
        .map_err(|error| failure(&error))?;
    let mut exchange = pin!(async {
        let response = sender.send_request(request).await.map_err(|error| failure(&error))?;
        progress.phases.first_byte_us = Some(progress.lap());
        let (head, mut body) = response.into_parts();
        let mut answer = Answer { status: head.status, headers: head.headers, body: Body::default() };
        if !ask.body {
            return Ok(answer);
        }
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| failure(&error))?.into_data() else { continue };
            let room = CAP - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                answer.body.cut_off = true;
                break;
            }
        }
        answer.body.bytes = read.freeze();
        progress.phases.body_us = Some(progress.lap());
        Ok(answer)
    });
    // The connection is driven here, next to the exchange, and ends with it.
    let mut connection = pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            done = &mut exchange => return done,
            _ = &mut connection, if open => open = false,
        }
    }
}

/// What an answer means to a probe. A client error or redirect proves that the target answers, so it is a failure
/// only where another status is asked for.
pub(super) fn outcome(expect: &HttpExpectation, echo: Option<&EchoFormat>, answer: &Answer) -> Outcome {
    if let Some(failure) = unexpected(expect, answer) {
        return Outcome::Failed(failure);
    }
    if echo.is_some() && !answer.status.is_success() && expect.status.is_empty() {
        return Outcome::Unreadable(format!(
            "the answer is HTTP {} instead of an echo",
            answer.status.as_u16()
        ));
    }
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    answer.body.outcome_with(echo, &header)
}

fn unexpected(expect: &HttpExpectation, answer: &Answer) -> Option<Failure> {
    let status = answer.status.as_u16();
    if expect.status.is_empty() {
        if answer.status.is_server_error() {
            return Some(Failure::new(FailureKind::Status, in_words(answer.status)));
        }
    } else if !expect.status.iter().any(|(least, most)| (*least..=*most).contains(&status)) {
        let why = format!("{}, which is not an expected status", in_words(answer.status));
        return Some(Failure::new(FailureKind::Unexpected, why));
    }
    answer.body.unexpected(expect.body.as_ref())
}

fn in_words(status: StatusCode) -> String {
    let words = status.canonical_reason().unwrap_or_default();
    format!("HTTP {} {words}", status.as_u16()).trim_end().to_owned()
}

fn failure(error: &hyper::Error) -> Failure {
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return blame::failure(io);
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Failure::new(FailureKind::Reset, "the connection was closed without an answer");
    }
    Failure::new(FailureKind::Protocol, error.to_string())
}
