//! `vipwatch echo`

use std::{net::SocketAddr, process::ExitCode};

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vipwatch_echo::Identity;

use crate::{exit, lifecycle};

#[derive(Debug, Args)]
pub(super) struct Echo {
    /// Address and port to serve HTTP on. NODE_NAME, POD_NAME and POD_NAMESPACE go into the answers.
    #[arg(long, value_name = "ADDR", default_value = "[::]:8080")]
    http: SocketAddr,
}

impl Echo {
    pub(super) async fn run(self) -> ExitCode {
        let listener = match TcpListener::bind(self.http).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(listen = %self.http, %error, "failed to listen; name a free address with --http");
                return exit::UNAVAILABLE.into();
            }
        };
        tracing::info!(listen = %listener.local_addr().unwrap_or(self.http), "echoing source addresses");
        let mut signals = match lifecycle::Signals::catch() {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "failed to catch signals");
                return exit::INTERNAL.into();
            }
        };
        let shutdown = CancellationToken::new();
        let ender = shutdown.clone();
        let signals = async move {
            signals.terminated().await;
            ender.cancel();
        };
        let (served, ()) =
            tokio::join!(vipwatch_echo::serve(listener, Identity::from_env(), shutdown), signals);
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(%error, "failed to accept connections");
                exit::INTERNAL.into()
            }
        }
    }
}
