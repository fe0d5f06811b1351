//! What became of one alert: whether it was told, to whom, and why not yet.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    alert::Alert,
    notification::{Acknowledgement, Resolution},
};

/// Neither a node that is suspected to be the cause of an alert, nor what a node takes along, is waited for longer than this.
pub const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(60);

/// How far telling of one alert has come. It is stored with the alert, so that a restart goes on from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// The group that it is told with: that of what explains it, else of its service, else of its node, else of its own.
    pub group: String,
    /// Nodes that answered for its target lately: the failure of one of them would explain it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served_by: Vec<String>,
    /// Until when it waits: for a node to turn out as its cause, or, where it is the failure of a node, for what that takes along.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "suspects_until")]
    pub company_until: Option<DateTime<Utc>>,
    /// Whether nobody was to hear of it when that was looked at last, rather than not yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// When and to whom it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// Who has taken it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
    /// How it ended, while that is still to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Resolution>,
}

impl Telling {
    /// Nothing has been told of `alert`.
    #[must_use]
    pub fn nothing(alert: &Alert) -> Self {
        Self {
            group: super::group::Name::of(alert).to_string(),
            served_by: Vec::new(),
            company_until: None,
            muted: false,
            told: None,
            acknowledgement: None,
            end: None,
        }
    }

    /// Nothing of it lies in the future.
    pub(super) fn clock_is(&mut self, now: DateTime<Utc>) {
        let longest = now + LONGEST_WAIT;
        self.company_until = self.company_until.map(|until| until.min(longest));
        if let Some(told) = &mut self.told {
            told.at = told.at.min(now);
            told.reminded_at = told.reminded_at.map(|at| at.min(now));
        }
    }

    /// Whether nobody shall hear of it should it end while `held` keeps it from being told. While it is in doubt, what was before
    /// counts.
    pub(super) fn is_muted(&self, held: Option<&Held>) -> bool {
        match held {
            None | Some(Held::Gathered { .. }) => false,
            Some(Held::Unsure) => self.muted,
            Some(Held::Inhibited { .. } | Held::Maintenance { .. } | Held::Silenced { .. }) => true,
        }
    }

    /// It was told to these, too. Who was told before may be configured again some day, and reminders are counted on, so that
    /// none has a key that there was before.
    pub(super) fn note_told(&mut self, at: DateTime<Utc>, to: Vec<String>) {
        let mut told = Told::now(at, to);
        if let Some(before) = self.told.take() {
            told.reminders = before.reminders;
            told.to.extend(before.to);
            told.to.sort();
            told.to.dedup();
        }
        self.told = Some(told);
    }

    /// When it is time to tell again that the alert is open.
    pub(super) fn reminder_at(&self, every: TimeDelta) -> Option<DateTime<Utc>> {
        let told = self.told.as_ref().filter(|_| self.acknowledgement.is_none() && self.end.is_none())?;
        Some(told.reminded_at.unwrap_or(told.at) + every)
    }
}

impl Told {
    /// It was told now, for the first time.
    #[must_use]
    pub fn now(at: DateTime<Utc>, to: Vec<String>) -> Self {
        Self { at, to, reminders: 0, reminded_at: None }
    }
}

/// That an alert was handed over to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub at: DateTime<Utc>,
    /// To which receivers; to nobody where a route says so.
    pub to: Vec<String>,
    /// How often it was told again that it is open.
    #[serde(default)]
    pub reminders: u32,
    /// When that was done last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<DateTime<Utc>>,
}

/// Why an open alert is not told now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Another alert makes it pointless.
    Inhibited {
        /// The id of that alert.
        by: String,
        /// Its title.
        title: String,
    },
    /// A maintenance window is open.
    Maintenance {
        /// The window's name.
        window: String,
        /// When it ends.
        until: DateTime<Utc>,
    },
    /// Somebody does not want to hear of it.
    Silenced {
        /// The id of the silence.
        silence: String,
        /// Who.
        by: String,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// A round has to say that it still holds.
    Unsure,
    /// It is told with others of its group.
    Gathered {
        /// When that is.
        until: DateTime<Utc>,
    },
}

impl Held {
    /// When it ends by itself.
    #[must_use]
    pub fn until(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Inhibited { .. } | Self::Unsure => None,
            Self::Maintenance { until, .. } | Self::Silenced { until, .. } | Self::Gathered { until } => {
                Some(*until)
            }
        }
    }
}
