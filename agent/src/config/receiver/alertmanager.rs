//! A receiver of kind `alertmanager`: a Prometheus Alertmanager, or several that know the same.

use std::time::Duration;

use url::Url;

use super::{Endpoint, Kind, ReceiverTable};
use crate::config::{
    address::WebUrl,
    duration::{HOUR, Time},
    reader::{At, Reader},
    secret::Hidden,
    table::table,
    value::OneOrMore,
};

/// What is posted to, below an Alertmanager's own URL.
const API: [&str; 3] = ["api", "v2", "alerts"];

/// Alertmanagers that are told the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alertmanager {
    /// Where each of them takes alerts.
    pub endpoints: Vec<Endpoint>,
    /// How often open alerts are told again.
    pub resend_every: Duration,
}

table! {
    /// Alertmanagers.
    pub(in crate::config) struct AlertmanagerTable {
        /// The Alertmanagers, each by its own URL, as --web.external-url has it. Never shown, as they may hold a
        /// password.
        optional urls: OneOrMore<Hidden<WebUrl>>,
        /// How often open alerts are told again. There they count as over after four times as long.
        default resend_every: Time<500, HOUR> = "1m",
    }
}

impl AlertmanagerTable {
    /// Reports the keys that mean nothing to a receiver of this `kind`.
    pub(super) fn check(&self, kind: &At<Kind>, reader: &mut Reader<'_>) {
        kind.takes("urls", &self.urls, &[Kind::Alertmanager], reader);
        kind.takes("resend_every", &self.resend_every, &[Kind::Alertmanager], reader);
    }
}

impl Alertmanager {
    pub(super) fn resolve(table: ReceiverTable, reader: &mut Reader<'_>) -> Option<Self> {
        let kind = table.kind.given()?.clone();
        let (resend, timeout) = (table.alertmanager.resend_every.given(), table.timeout.given());
        if let (Some(resend), Some(timeout)) = (resend, timeout)
            && timeout.value.get() > resend.value.get()
        {
            let late = resend.span.as_ref().or(timeout.span.as_ref()).cloned().unwrap_or(kind.place());
            reader
                .fault(
                    late,
                    "timeout is longer than resend_every: a slow Alertmanager would take alerts for over",
                )
                .hint("set timeout to resend_every at most");
        }
        let resend_every = table.alertmanager.resend_every.required();
        let urls = table.alertmanager.urls;
        kind.needs("urls", &urls, ["http://192.0.2.93:9093"], reader);
        let urls: Vec<Option<Url>> = urls
            .required()
            .into_iter()
            .flat_map(|OneOrMore(urls)| urls)
            .map(|url| api(&url, reader))
            .collect();
        let proxy = table.endpoint.proxy();
        let (roots, headers) = (table.endpoint.roots(reader), table.endpoint.headers(table.auth, reader));
        let (roots, headers, proxy) = (roots?, headers?, proxy?);
        let endpoint = |url| Endpoint::new(url, headers.clone(), roots.clone(), proxy.clone());
        let urls: Vec<Url> = urls.into_iter().collect::<Option<_>>()?;
        Some(Self { endpoints: urls.into_iter().map(endpoint).collect(), resend_every: resend_every?.get() })
    }
}

/// Where the Alertmanager at `url` takes alerts.
fn api(url: &At<Hidden<WebUrl>>, reader: &mut Reader<'_>) -> Option<Url> {
    let Hidden(WebUrl(base)) = &url.value;
    if base.path().contains("/api/v") {
        reader
            .fault(url.place(), "expected the Alertmanager's own URL, found one of its API's")
            .hint("leave out /api/v2/alerts, it is added");
        return None;
    }
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(API);
    Some(url)
}
