//! Certificates for a development server: a local authority, made once, and what it signs.
//!
//! ```text
//! DIR/                     for everybody to enter
//!   authority.pem          what people's browsers are to trust; a copy, made again if it is gone
//!   authority/             0700: certificate.pem, key.pem
//!   mail.dev.example/      0750, for the daemon's group: certificate.pem, key.pem
//! ```
//!
//! Whoever trusts an authority trusts its key, which lies on a machine that many share. So it may sign only for the names it
//! was made for, for servers only, and no further authorities. A certificate and its key are a folder, because a folder
//! gets its name in one step: there are both or there is neither. A renewed certificate keeps its key, so that one file is
//! replaced and the daemon never sees half a pair.

mod issue;
mod name;
mod read;
mod scope;
mod store;

pub use self::issue::{Authority, CannotIssue, MAX_DAYS, Pair};
pub use self::name::{BadName, Name};
pub use self::read::{Says, Unread};
pub use self::scope::Scope;
pub use self::store::{Folder, Group, StoreError, files};
