//! Who is told of alerts, and when: routing, grouping, inhibition, maintenance, silences, acknowledgements, reminders.
//!
//! The [`crate::alert::Board`] says what is open. What is here decides what becomes of that, as plain data that takes
//! `now`; deliveries come out.

mod matcher;
mod policy;

pub use matcher::{Matcher, fits};
pub use policy::{Extent, Inhibition, Policy, Route, Silence, Window};
