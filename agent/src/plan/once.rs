//! A round that belongs to no probe: made once, and judged by nobody.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use vipwatch_model::{
    probe::{Expectation, Limits, Probe, ProbeName, Subject},
    rule::Rules,
};

use super::{Planned, method};
use crate::{prober::Method, schedule::Schedule};

impl Planned {
    /// A round of one flow per address that takes `limit` at most; `name` is for logs.
    pub(crate) fn once(name: &str, method: Method, limit: Duration) -> Self {
        let gap = 2 * limit;
        Self {
            probe: Probe {
                name: ProbeName::new(name),
                subject: Subject::Endpoint { url: name.to_owned() },
                transport: method::transport(&method),
                vips: Vec::new(),
                expectation: Expectation::Any,
                rules: Rules::uniform(1, 1, TimeDelta::MAX),
                limits: Limits::default(),
                labels: BTreeMap::new(),
            },
            method,
            schedule: Schedule::Every(gap),
            gap,
            timeout: limit,
            flows: 1,
        }
    }
}
