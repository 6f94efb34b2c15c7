//! Futures that few requests need, kept apart from those that all need.

use std::pin::Pin;

/// The future that `make` makes, in memory of its own. What awaits it in place of the future itself carries only its
/// address, whether it comes to it or not: neither in its own memory nor on the stack is there room for it.
#[inline(never)]
pub(crate) fn apart<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    // Built there: `Box::pin` would have it built on the stack and copied, which costs more than the memory.
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}
