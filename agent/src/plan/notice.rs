//! What an operator ought to know of a configuration although nothing is wrong with it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use vipwatch_model::dispatch::{Matcher, fits};

use super::{Plan, Planned};

impl Plan {
    /// What holds for as long as the configuration does: more flows than `max_flows` allows, receivers that are never told,
    /// names that fit nothing.
    #[must_use]
    pub fn notices(&self, max_flows: usize) -> Vec<String> {
        let routes = self.policy.routes.iter().map(|route| match route.receivers.join(", ") {
            to if to.is_empty() => ("The route to nobody".to_owned(), &route.matcher),
            to => (format!("The route to {to}"), &route.matcher),
        });
        let windows = self.maintenance.iter();
        let windows =
            windows.map(|window| (format!("The maintenance window {}", window.name), &window.matcher));
        let matchers = routes.chain(windows);
        let strays = matchers.flat_map(|(who, matcher)| {
            let strays = self.strays(matcher).into_iter();
            strays.map(move |(what, name)| format!("{who} names the {what} {name}, and there is none."))
        });
        self.overload(max_flows).into_iter().chain(self.never_told()).chain(strays).collect()
    }

    /// The maintenance windows that will never open again after `now`.
    pub fn past_windows(&self, now: DateTime<Utc>) -> impl Iterator<Item = String> {
        let past =
            self.maintenance.iter().filter(move |window| window.active(now).or(window.next(now)).is_none());
        past.map(|window| format!("The maintenance window {} is over for good: take it out.", window.name))
    }

    /// A warning when all targets falling silent at once would take more concurrent flows than
    /// `max_flows` allows: rounds of healthy targets would then wait in vain.
    fn overload(&self, max_flows: usize) -> Option<String> {
        let flows = |planned: &Arc<Planned>| {
            planned.all_flows() * planned.timeout.as_secs_f64() / planned.gap.as_secs_f64()
        };
        let worst = self.probes.iter().map(flows).sum::<f64>().ceil();
        (worst > max_flows as f64).then(|| {
            format!(
                "If every target falls silent, {worst} flows will wait for their time-outs at once, and agent.max_flows allows \
                 {max_flows}: raise it, or probe less often or with shorter time-outs."
            )
        })
    }

    /// The receivers that no route leads to while one takes whatever comes.
    fn never_told(&self) -> impl Iterator<Item = String> {
        let routes = &self.policy.routes;
        let all_taken = routes.iter().any(|route| route.matcher.is_everything());
        let told = |name: &&String| routes.iter().any(|route| route.receivers.contains(name));
        let never = self.policy.receivers.iter().filter(move |name| all_taken && !told(name));
        never.map(|name| format!("The receiver {name} is never told of anything: no route leads to it, and one takes whatever comes."))
    }

    /// The names in `matcher` that fit nothing that is watched, each with what it ought to be.
    fn strays(&self, matcher: &Matcher) -> Vec<(&'static str, String)> {
        let services = self.services.iter().map(|service| service.name.as_str()).collect();
        let nodes = self.book.nodes.iter().map(|node| node.name.as_str()).collect();
        let probes = self.probes.iter().map(|planned| planned.probe.name.as_str()).collect();
        let names: [(_, &[String], Vec<&str>); 3] = [
            ("service", &matcher.services, services),
            ("node", &matcher.nodes, nodes),
            ("probe", &matcher.probes, probes),
        ];
        let names = names.into_iter().flat_map(|(what, patterns, known)| {
            let stray = move |pattern: &&String| !known.iter().any(|name| fits(pattern, name));
            patterns.iter().filter(stray).map(move |pattern| (what, pattern.clone()))
        });
        let labelled = |(key, pattern): &(&String, &String)| {
            self.probes
                .iter()
                .any(|planned| planned.probe.labels.get(*key).is_some_and(|value| fits(pattern, value)))
        };
        let labels = matcher.labels.iter().filter(|label| !labelled(label));
        names.chain(labels.map(|(key, pattern)| ("label", format!("{key} = {pattern:?}")))).collect()
    }
}
