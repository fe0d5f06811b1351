//! `[[route]]`: which alerts go to whom.

use schemars::Schema;
use toml::de::DeValue;
use vipwatch_model::dispatch::{Matcher, Route};

use super::{
    matcher::MatcherTable,
    name::Name,
    nearest::nearest,
    reader::{At, Reader, Toml},
    receiver::ReceiverTable,
    table::table,
    value::{List, Value},
};

/// The names of receivers; an empty list stands for nobody.
#[derive(Debug, Clone)]
pub(super) struct Recipients(Vec<At<Name>>);

impl Value for Recipients {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Array(names) if names.is_empty() => Some(Self(Vec::new())),
            _ => List::read(value, reader).map(|List(names)| Self(names)),
        }
    }

    fn schema() -> Schema {
        let mut schema = List::<Name>::schema();
        schema.remove("minItems");
        schema
    }
}

table! {
    /// Where some alerts go. The first route that fits takes an alert; one that none takes goes to every receiver.
    pub(super) struct RouteTable {
        /// The names of the receivers that are told; [] for nobody.
        required receivers: Recipients,
        /// Whether the routes below are asked as well.
        default r#continue: bool = false,
        /// Which alerts.
        flatten matcher: MatcherTable,
    }
}

impl RouteTable {
    pub(super) fn resolve(self) -> Option<Route> {
        let goes_on = self.r#continue.required()?;
        let Recipients(names) = self.receivers.required()?;
        let receivers = names.into_iter().map(|At { value: Name(name), .. }| name).collect();
        Some(Route { matcher: self.matcher.resolve()?, receivers, goes_on })
    }

    fn recipients(&self) -> &[At<Name>] {
        self.receivers.given().map_or(&[], |receivers| &receivers.value.0)
    }

    /// The alerts that it takes from the routes below; nothing where it takes none, or is faulty.
    fn takes(&self) -> Option<Matcher> {
        self.matcher
            .clone()
            .resolve()
            .filter(|_| self.r#continue.given().is_some_and(|goes_on| !goes_on.value))
    }
}

/// Reports receivers that are not there, and routes that no alert gets to.
pub(super) fn check(routes: &[RouteTable], receivers: &[ReceiverTable], reader: &mut Reader<'_>) {
    let names = || receivers.iter().filter_map(|receiver| Some(receiver.name.given()?.value.0.as_str()));
    for name in routes.iter().flat_map(RouteTable::recipients) {
        if names().any(|known| known == name.value.0) {
            continue;
        }
        let fault = reader.fault(name.place(), format!("there is no receiver named {}", name.value));
        match nearest(&name.value.0, names()) {
            Some(near) => fault.hint(format!("did you mean {near:?}?")),
            None => fault.hint("a route leads to [[receiver]]s, by their names"),
        };
    }
    for (nth, route) in routes.iter().enumerate() {
        let (Some(place), Some(matcher)) = (route.receivers.given(), route.matcher.clone().resolve()) else {
            continue;
        };
        let all = |before: &&RouteTable| {
            before.takes().is_some_and(|taken| taken.is_everything() || taken == matcher)
        };
        if let Some(before) = routes[..nth].iter().find(all) {
            reader
                .fault(place.place(), "no alert ever gets to this route")
                .hint("put it first, or add continue = true to the other one")
                .also(before.receivers.written().as_ref(), "whatever it is about goes here already");
        }
    }
}
