//! An Apache virtual host as a configuration, in the manner of Apache 2.2 or 2.4.
//!
//! Who is let in is decided by the innermost section that says something of it, as Apache does without `AuthMerging`:
//! `access`. What is forwarded comes from `ProxyPass`, `ProxyPassMatch` and `RewriteRule … [P]`: `passes`.

mod access;
mod hosts;
mod keys;
mod parser;
mod passes;
mod rest;
mod tls;

use super::folder::Folder;
use super::site::Work;
use super::{Converted, Fault};

/// What an Apache file becomes. `server` names one of several virtual hosts, by name or port.
///
/// # Errors
/// What Apache would not read, and where no virtual host, or more than one, forwards to a catcher.
pub fn convert(
    name: &str,
    content: &str,
    folder: Option<&mut Folder>,
    server: Option<&str>,
) -> Result<Converted, Fault> {
    let tree = parser::parse(name, content, folder)?;
    let host = hosts::choose(name, &tree, server)?;
    let mut work = Work::default();
    keys::upstream(&mut work, &host)?;
    hosts::listen(&mut work, &host);
    keys::plain(&mut work, &host);
    tls::redirects(&mut work, &host);
    tls::more(&mut work, &host);
    access::tell(&mut work, &host);
    keys::wrong(&mut work, &host);
    rest::tell(&mut work, &host);
    Ok(work.finish())
}
