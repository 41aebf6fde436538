//! Rows that are given up together.

use std::sync::Arc;

use resident_gpu::arena::Cell;
use resident_gpu::rows::RowId;

use crate::device::core::Core;
use crate::shard::port::Port;

/// Rows and states of some of one shard that were told to stop. Dropped, they are free again.
pub(crate) struct Leaving {
    pub core: Arc<Core>,
    pub port: Arc<Port>,
    pub kind_index: u32,
    /// Bytes of each state.
    pub state_bytes: u32,
    /// Each row, and where its state begins.
    pub rows: Vec<(RowId, u64)>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        {
            let mut tenants = self.port.tenants();
            self.rows.iter().for_each(|(id, _)| tenants.give_back(*id));
        }
        {
            let mut arena = self.core.arena.lock();
            for (_, offset) in &self.rows {
                arena.free(Cell { offset: *offset, bytes: self.state_bytes });
            }
        }
        self.core.moved_out(self.kind_index, self.rows.len());
    }
}
