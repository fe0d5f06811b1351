//! A program's process group: the program and what it started, as far as that did not leave the group.

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::Child;

/// The process group of a child that leads one of its own. It is killed when this is dropped.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group that `child` was started in; nothing once it has been waited for.
    pub(super) fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.map(Pid::from_raw))
    }

    /// Lets the group be: its leader ended by itself, and what it left behind was meant to stay.
    pub(super) fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails where nobody is left.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}
