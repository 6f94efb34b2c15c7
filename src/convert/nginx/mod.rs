//! An nginx block as a configuration.
//!
//! What holds for the catcher's location is what nginx itself would take: a directive of the innermost block that has it,
//! and of lists (`allow`, `proxy_set_header`) the innermost block's alone (`scope`). The rest is told by `rest`.

mod access;
mod answers;
mod headers;
mod keys;
mod lexer;
mod listen;
mod parser;
mod rest;
mod scope;
mod servers;
mod tls;

use super::folder::Folder;
use super::site::Work;
use super::{Converted, Fault};
use scope::Spot;

/// What an nginx file becomes. `server` names one of several, by name or port.
///
/// # Errors
/// What nginx would not read, and where no server, or more than one, forwards to a catcher.
pub fn convert(
    name: &str,
    content: &str,
    folder: Option<&mut Folder>,
    server: Option<&str>,
) -> Result<Converted, Fault> {
    let tree = parser::parse(name, content, folder)?;
    let server = servers::choose(name, &tree, server)?;
    let spots = server.spots();
    let mut work = Work::default();
    let main = main_spot(&spots, server.target());
    keys::upstream(&mut work, &server, main)?;
    listen::listen(&mut work, &server);
    keys::plain(&mut work, main);
    access::passwords(&mut work, main);
    access::networks(&mut work, &server, main);
    access::twins(&mut work, main, &spots);
    tls::redirects(&mut work, &server);
    tls::more(&mut work, main, &server);
    headers::live_updates(&mut work, main, &spots, &server);
    headers::host(&mut work, main, &server);
    rest::tell(&mut work, &server, main, &spots);
    Ok(work.finish())
}

/// The location that stands for the whole catcher: the shortest prefix.
fn main_spot<'t, 's>(spots: &'s [Spot<'t>], target: &super::site::Target) -> Option<&'s Spot<'t>> {
    spots
        .iter()
        .filter(|spot| spot.forwards_to(target))
        .min_by_key(|spot| (spot.prefix().is_none(), spot.is_exact(), spot.prefix().map_or(0, str::len)))
}
