//! Who is asking: credentials from the request, checked against the users file.
//!
//! ```text
//! Authorization -> credentials -> cache: verified from there before? -> identity; spelled as what was right on this
//!                                   |     connection last, it is asked without a key being computed
//!                                   | no
//!                                   v
//!                                 throttle: too many wrong ones from there? -> looked for in the cache, so many times;
//!                                   | no                                       identity, or refused, late
//!                                   | no
//!                                   v
//!                                 verify (own threads, bounded) -> identity, remembered
//!                                   | wrong
//!                                   v
//!                                 late (a coarse grid, growing delays) -> refused
//! ```
//!
//! The users are an immutable reading of the file, replaced whole by a reload. The [`Authenticator`] outlives reloads:
//! what it remembers is bound to the stored hash, so a changed line is forgotten without anybody telling it.

// What a request brings, and what the file holds.
pub mod credentials;
pub mod hash;
pub mod users;

// Who needs none.
pub mod anonymous;
pub mod certificate;

// What is made of the two.
mod authenticator;
mod failure;
mod identity;

// How a slow answer is given once, and by whom.
mod cache;
pub(crate) mod keyed;
mod verify;

// Who may not ask any more, and when who was wrong is told so.
mod late;
mod network;
mod sender;
mod throttle;

mod text;

pub use self::anonymous::Anonymous;
pub(crate) use self::anonymous::is_a_proxys;
pub use self::authenticator::{AuthLimits, AuthLoad, Authenticator};
pub use self::credentials::{Credentials, Malformed};
pub use self::failure::{AuthFailure, Refusal};
pub use self::hash::{Plaintext, StoredHash};
pub use self::identity::{By, Identity};
pub use self::sender::{Evidence, Proven, Sender};
pub use self::users::{Mark, Stamp, User, UserName, Users, UsersFileError, UsersRead, Watch, how_to_make};
