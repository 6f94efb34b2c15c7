//! Containers and their published ports, as a container engine tells them.
//!
//! Docker's API, which podman speaks as well: `GET /containers/json` over the engine's socket. It is asked as HTTP/1.0, so
//! that the answer ends with the connection. Nothing is ever changed there.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Where engines have their sockets.
pub const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];

/// Where those are that a user runs without root, below the user's `/run/user/UID`.
pub const USER_SOCKETS: [&str; 2] = ["docker.sock", "podman/podman.sock"];

const PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer that is read, in bytes.
const ANSWER: u64 = 8 * 1024 * 1024;

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// The engine's number of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it was made from.
    pub image: String,
    /// Its ports that are published.
    pub ports: Vec<Published>,
    /// Its service in a compose file, and the file.
    pub compose: Option<(String, String)>,
}

/// A port of the machine that leads to one of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// At which addresses of the machine.
    pub ip: IpAddr,
    /// The machine's port.
    pub public: u16,
    /// The container's port.
    pub private: u16,
}

/// Asks an engine.
///
/// # Errors
/// Why it could not be asked, or what was wrong with the answer.
pub fn ask(socket: &Path) -> Result<Vec<Container>, String> {
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /containers/json HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(ANSWER).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error| crate::config::os_reason(&error))?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no HTTP answer")?;
    let (head, body) = answer.split_at(end + 4);
    if !head.starts_with(b"HTTP/1.0 200 ") && !head.starts_with(b"HTTP/1.1 200 ") {
        return Err(String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_owned());
    }
    containers(body)
}

/// Reads the list.
///
/// # Errors
/// When it is none.
pub fn containers(json: &[u8]) -> Result<Vec<Container>, String> {
    let list: Vec<Value> =
        serde_json::from_slice(json).map_err(|_| "its answer is no list of containers".to_owned())?;
    Ok(list.iter().map(container).collect())
}

fn container(value: &Value) -> Container {
    // What could move a terminal's cursor is nobody's name.
    let plain = |text: &str| text.chars().filter(|character| !character.is_control()).collect::<String>();
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let label = |name: &str| value["Labels"][name].as_str();
    let name = value["Names"].as_array().and_then(|names| names.first()).map(text).unwrap_or_default();
    Container {
        id: text(&value["Id"]),
        name: name.trim_start_matches('/').to_owned(),
        image: text(&value["Image"]),
        ports: value["Ports"].as_array().into_iter().flatten().filter_map(published).collect(),
        compose: label("com.docker.compose.service").map(|service| {
            let files = label("com.docker.compose.project.config_files").unwrap_or("compose.yaml");
            (plain(service), plain(files.split(',').next().unwrap_or_default()))
        }),
    }
}

/// None for a port that is not published, and for UDP.
fn published(port: &Value) -> Option<Published> {
    let number = |name: &str| port[name].as_u64()?.try_into().ok();
    if port["Type"].as_str().is_some_and(|kind| kind != "tcp") {
        return None;
    }
    let (public, private) = (number("PublicPort")?, number("PrivatePort")?);
    // Empty, or not there, is every address.
    let ip = match port["IP"].as_str() {
        None | Some("") => IpAddr::from([0, 0, 0, 0]),
        Some(ip) => ip.parse().ok()?,
    };
    (public != 0).then_some(Published { ip, public, private })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_ports_are_read_with_where_they_come_from() {
        let json = br#"[{"Id":"ab","Names":["/dev-mail-1"],"Image":"sj26/mailcatcher:latest","Labels":{
            "com.docker.compose.service":"mail","com.docker.compose.project.config_files":"/srv/dev/compose.yaml,/x"},
            "Ports":[{"IP":"0.0.0.0","PrivatePort":1080,"PublicPort":1080,"Type":"tcp"},
            {"IP":"::","PrivatePort":1080,"PublicPort":1080,"Type":"tcp"},{"PrivatePort":1025,"Type":"tcp"},
            {"IP":"127.0.0.1","PrivatePort":1025,"PublicPort":2525,"Type":"tcp"},
            {"IP":"0.0.0.0","PrivatePort":53,"PublicPort":53,"Type":"udp"}]},{}]"#;
        let read = containers(json).unwrap();
        let ports = [("0.0.0.0", 1080, 1080), ("::", 1080, 1080), ("127.0.0.1", 2525, 1025)]
            .map(|(ip, public, private)| Published { ip: ip.parse().unwrap(), public, private });
        let compose = Some(("mail".to_owned(), "/srv/dev/compose.yaml".to_owned()));
        assert_eq!(
            (read[0].name.as_str(), read[0].ports.as_slice(), &read[0].compose),
            ("dev-mail-1", &ports[..], &compose)
        );
        assert_eq!(read[1], Container::default());
        assert!(containers(b"{}").is_err());
    }

    #[test]
    fn an_engine_is_asked_over_its_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let engine = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[{\"Id\":\"ab\"}]").unwrap();
            assert!(request.starts_with(b"GET /containers/json HTTP/1.0\r\n"));
        });
        assert_eq!(ask(&path).unwrap()[0].id, "ab");
        engine.join().unwrap();
        assert!(ask(&dir.path().join("none")).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer: Vec<u8>) {
            let _ = containers(&answer);
        }
    }
}
