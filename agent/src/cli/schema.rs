//! `vipwatch schema`

use std::process::ExitCode;

use crate::config;

pub(super) fn run() -> ExitCode {
    super::print(&format!("{:#}\n", config::schema()));
    ExitCode::SUCCESS
}
