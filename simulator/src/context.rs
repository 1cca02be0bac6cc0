//! What an endpoint needs to answer one call of a known organisation.

use crate::call::Call;
use crate::clock::Millis;
use crate::oauth::{Caller, allows};
use crate::world::{Organization, World};

/// One call with the state locked for it.
pub(crate) struct Context<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) caller: &'a Caller,
    pub(crate) call: &'a Call,
    pub(crate) body: &'a [u8],
    /// Address of the simulator without a trailing slash.
    pub(crate) base: &'a str,
    pub(crate) now: Millis,
}

impl Context<'_> {
    pub(crate) fn organization(&self) -> &Organization {
        &self.world.organizations[self.caller.organization]
    }

    pub(crate) fn organization_mut(&mut self) -> &mut Organization {
        &mut self.world.organizations[self.caller.organization]
    }

    /// True when the grant covers this scope.
    pub(crate) fn allows(&self, needed: &str) -> bool {
        allows(&self.caller.scopes, needed)
    }

    pub(crate) fn misdeed(&mut self, kind: &'static str, example: impl FnOnce() -> String) {
        self.world.journal.misdeed(kind, example);
    }
}
