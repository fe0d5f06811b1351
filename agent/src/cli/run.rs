//! `vipwatch run`

use std::process::ExitCode;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::ConfigFile;
use crate::app;

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    file: ConfigFile,
}

impl Run {
    pub(super) async fn run(self) -> ExitCode {
        let path = self.file.path();
        match app::load(&path) {
            Ok(config) => app::run(path, config, CancellationToken::new()).await,
            Err(code) => code.into(),
        }
    }
}
