//! Matchers as the API writes them, and as the model does.

use vipwatch_model::{
    alert::{AlertKind, Severity},
    dispatch::Matcher,
};
use vipwatch_web::api::{self, MatcherView};

/// What the API's matcher means.
///
/// # Errors
/// When it names a kind that there is not.
pub(super) fn read(view: &MatcherView) -> Result<Matcher, String> {
    let kind = |word: &String| {
        word.parse::<AlertKind>().map_err(|_| {
            let kinds: Vec<&str> = AlertKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("{word:?} is no kind of alerts; the kinds are {}", kinds.join(", "))
        })
    };
    let severity = |severity: &api::Severity| match severity {
        api::Severity::Critical => Severity::Critical,
        api::Severity::Warning => Severity::Warning,
        api::Severity::Info => Severity::Info,
    };
    Ok(Matcher {
        kinds: view.kinds.iter().map(kind).collect::<Result<_, _>>()?,
        severities: view.severities.iter().map(severity).collect(),
        services: view.services.clone(),
        nodes: view.nodes.clone(),
        probes: view.probes.clone(),
        labels: view.labels.clone(),
    })
}

/// A matcher as the API shows it.
pub(crate) fn view(matcher: &Matcher) -> MatcherView {
    MatcherView {
        kinds: matcher.kinds.iter().map(ToString::to_string).collect(),
        severities: matcher.severities.iter().copied().map(severity_view).collect(),
        services: matcher.services.clone(),
        nodes: matcher.nodes.clone(),
        probes: matcher.probes.clone(),
        labels: matcher.labels.clone(),
    }
}

/// A severity as the API shows it.
pub(crate) fn severity_view(severity: Severity) -> api::Severity {
    match severity {
        Severity::Critical => api::Severity::Critical,
        Severity::Warning => api::Severity::Warning,
        Severity::Info => api::Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_means_the_same_on_both_sides() {
        let matcher = Matcher {
            kinds: AlertKind::ALL.to_vec(),
            severities: Severity::ALL.to_vec(),
            services: vec!["shop/*".to_owned()],
            nodes: vec!["node-1".to_owned()],
            probes: vec!["ping@*".to_owned()],
            labels: [("team".to_owned(), "web".to_owned())].into(),
        };
        assert_eq!(read(&view(&matcher)), Ok(matcher));
        let strange = MatcherView { kinds: vec!["snat".to_owned()], ..MatcherView::default() };
        let why = read(&strange).unwrap_err();
        assert!(why.starts_with("\"snat\" is no kind of alerts; the kinds are source_translated, "), "{why}");
    }
}
