//! One network namespace, and how this process does something in it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::{panic, thread};

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::Runtime;

use super::tool;

/// A named network namespace with its loopback interface up.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    pub(super) fn create(name: &str) -> Result<Self> {
        tool::run("ip", &["netns", "add", name], "")?;
        let path = format!("/run/netns/{name}");
        let file = File::open(&path).with_context(|| format!("failed to open {path}"))?;
        let namespace = Self { name: name.to_owned(), file };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread of its own, since a thread that has moved cannot be trusted with
    /// anything else.
    pub(super) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let moved = scope.spawn(|| {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            });
            let outcome: rustix::io::Result<T> =
                moved.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            outcome.with_context(|| format!("failed to enter the network namespace {}", self.name))
        })
    }

    /// Runs lines of `ip` subcommands.
    pub(super) fn ip(&self, lines: &str) -> Result<()> {
        self.within(|| tool::ip(lines))?.with_context(|| format!("in the network namespace {}", self.name))
    }

    /// Sets keys below `net`.
    pub(super) fn sysctl(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.within(|| {
            for (key, value) in settings {
                let path = format!("/proc/sys/net/{key}");
                fs::write(&path, value).with_context(|| format!("failed to write {path}"))?;
            }
            Ok(())
        })?
    }

    pub(super) fn bind(&self, address: SocketAddr) -> Result<TcpListener> {
        let bound = self.within(|| TcpListener::bind(address))?;
        bound.with_context(|| format!("failed to listen on {address} in {}", self.name))
    }

    /// A listener whose connections `runtime` serves.
    pub(super) fn listen(&self, runtime: &Runtime, address: SocketAddr) -> Result<tokio::net::TcpListener> {
        let listener = self.bind(address)?;
        listener.set_nonblocking(true)?;
        let _context = runtime.enter();
        Ok(tokio::net::TcpListener::from_std(listener)?)
    }

    /// A socket whose datagrams `runtime` serves.
    pub(super) fn socket(&self, runtime: &Runtime, address: SocketAddr) -> Result<tokio::net::UdpSocket> {
        let bound = self.within(|| UdpSocket::bind(address))?;
        let socket = bound.with_context(|| format!("failed to bind to {address} in {}", self.name))?;
        socket.set_nonblocking(true)?;
        let _context = runtime.enter();
        Ok(tokio::net::UdpSocket::from_std(socket)?)
    }

    pub(super) fn delete(&self) -> Result<()> {
        tool::run("ip", &["netns", "delete", &self.name], "").map(drop)
    }
}
