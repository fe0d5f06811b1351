//! What waits in the database beyond what a lane holds in memory.

/// How much waits there, and what was asked about it.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog {
    /// Whether the database has been read, or cannot be: before that nothing may be attempted, because something earlier may wait.
    pub(super) known: bool,
    /// Deliveries that are there and not here.
    pub(super) beyond: usize,
    /// Whether the database has been asked, and with what came since.
    asked: Option<usize>,
    /// Whether what it was asked for was changed since.
    outdated: bool,
}

impl Backlog {
    /// One more that there is no room for.
    pub(super) fn add(&mut self, more: usize) {
        self.beyond += more;
        if let Some(since) = &mut self.asked {
            *since += more;
        }
    }

    /// Something changed that may come before what is here: nothing may be attempted until the database has been read again.
    pub(super) fn change(&mut self) {
        self.known = false;
        self.outdated = self.asked.is_some();
    }

    /// Whether to ask the database now, when there is `room`.
    pub(super) fn ask(&mut self, room: bool) -> bool {
        let ask = self.asked.is_none() && (!self.known || (self.beyond > 0 && room));
        if ask {
            self.asked = Some(0);
        }
        ask
    }

    /// The database has answered: so many are left there. What came since the question may be among them; asking once more will
    /// tell. Tells whether nothing was changed since.
    pub(super) fn answered(&mut self, left: usize) -> bool {
        self.known = !std::mem::take(&mut self.outdated);
        self.beyond = left + self.asked.take().unwrap_or(0);
        self.known
    }

    /// The database cannot be read now, and answers once it can.
    pub(super) fn unreadable(&mut self) {
        self.known = true;
    }
}
