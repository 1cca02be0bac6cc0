//! How far the next scan may reach, so that its events fit the memory meant for them.

use event_log::Stretch;

/// Bytes of joined events a stretch should have; a few stretches are in memory at any time.
const STRETCH_BYTES: usize = 1024 * 1024;
/// Positions in a stretch at least.
const SMALLEST: u32 = 16;
/// Positions in the first stretch, before the size of events is known.
const FIRST: u32 = 256;

/// Positions of the next scan, by the size of the last one's events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    positions: u32,
    largest: u32,
}

impl Window {
    /// A window of `largest` positions at most.
    pub(crate) fn up_to(largest: u32) -> Self {
        Window { positions: FIRST.min(largest), largest }
    }

    /// Positions of the next scan.
    pub(crate) fn positions(self) -> u32 {
        self.positions
    }

    /// Aims the next stretch at the size that memory is meant for; grows at most twofold.
    pub(crate) fn adapt(&mut self, stretch: &Stretch) {
        let positions = usize::try_from(stretch.last().0 - stretch.after().0).unwrap_or(1).max(1);
        let each_bytes = (stretch.size_bytes() / positions).max(1);
        let fitting = u32::try_from(STRETCH_BYTES / each_bytes).unwrap_or(u32::MAX);
        let largest = self.largest.min(self.positions.saturating_mul(2)).max(SMALLEST);
        self.positions = fitting.clamp(SMALLEST, largest);
    }
}
