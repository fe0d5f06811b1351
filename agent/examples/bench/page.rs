//! Somebody who has the page open: follows the agent's event stream as the browser does.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http_body_util::BodyExt as _;
use tokio::task::JoinSet;

use crate::http;

/// The page, until it goes out of scope.
pub(crate) struct Page {
    received: Arc<AtomicU64>,
    _stream: JoinSet<anyhow::Result<()>>,
}

impl Page {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let mut stream = JoinSet::new();
        stream.spawn(follow(address, Arc::clone(&received)));
        Self { received, _stream: stream }
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

async fn follow(address: SocketAddr, received: Arc<AtomicU64>) -> anyhow::Result<()> {
    let (mut sender, driver) = http::open(address).await?;
    let reading = async {
        let mut body = http::ask(&mut sender, address, "/api/v1/events", true).await?.into_body();
        while let Some(frame) = body.frame().await {
            let length = frame?.data_ref().map_or(0, |data| data.len() as u64);
            received.fetch_add(length, Ordering::Relaxed);
        }
        anyhow::Ok(())
    };
    let (read, _) = tokio::join!(reading, driver);
    read
}
