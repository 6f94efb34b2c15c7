//! Who is asking: credentials from the request, checked against the users file.

pub mod hash;
