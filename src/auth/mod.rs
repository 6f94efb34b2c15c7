//! Who is asking: credentials from the request, checked against the users file.

pub mod credentials;
pub mod hash;
mod text;
pub mod users;
mod users_file;

pub use users_file::{Unreadable, UsersFileError};
