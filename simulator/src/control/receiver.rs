//! What the receivers of notifications have.

use super::Control;
use crate::receiver::inbox::ReceiverState;

impl Control {
    /// Everything that the receiver of this name has seen.
    #[must_use]
    pub fn receiver(&self, name: &str) -> ReceiverState {
        self.shared.world().inbox.state(name)
    }

    /// Lets all receivers forget everything.
    pub fn clear_receivers(&self) {
        self.shared.world().inbox.clear();
    }
}
