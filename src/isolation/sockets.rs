//! Who listens where, by the kernel's tables `/proc/net/tcp` and `/proc/net/tcp6` (proc_net(5)).
//!
//! A line is `sl local_address rem_address st ... uid timeout inode ...`. State 0A is LISTEN. An address is hexadecimal,
//! each 32-bit word as this machine stores it; the port is in plain hexadecimal.

use std::io::{self, BufRead, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket that takes connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listener {
    /// Where, as the table has it: an IPv4 address written as IPv6 stays one.
    pub addr: SocketAddr,
    /// Whose it is.
    pub uid: u32,
    /// Its number, by which the process that holds it is found.
    pub inode: u64,
}

impl Listener {
    /// Whether only this machine can connect: 127.0.0.0/8, `::1`, and the former written as IPv6.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.addr.ip().to_canonical().is_loopback()
    }

    /// Where, in words.
    #[must_use]
    pub fn reach(&self) -> String {
        let addr = self.addr;
        match addr.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => format!("{addr}, every IPv4 address of the machine"),
            IpAddr::V6(ip) if ip.is_unspecified() => {
                format!(
                    "{addr}, every IPv6 address of the machine, and every IPv4 address unless the program says otherwise"
                )
            }
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => format!("{addr}, which is {}", SocketAddr::from((ip, addr.port()))),
                None => addr.to_string(),
            },
            IpAddr::V4(_) => addr.to_string(),
        }
    }
}

/// Reads one table as far as what listens. The kernel lists that first and all connections after it
/// (Documentation/networking/proc_net_tcp.rst), and takes most of a second for 50,000 of them; they are not asked for. Lines
/// that are not of that form are passed over: the first one is a heading.
///
/// # Errors
/// Why the table cannot be read.
pub fn listeners(mut table: impl BufRead) -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if table.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(found);
        }
        match socket(&line) {
            Some(Socket::Listens(listener)) => found.push(listener),
            Some(Socket::Other) => return Ok(found),
            None => {}
        }
    }
}

/// No line of the kernel's is longer, in bytes.
const LINE: u64 = 4096;

/// What a line tells of.
enum Socket {
    Listens(Listener),
    Other,
}

fn socket(line: &[u8]) -> Option<Socket> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let addr = address(text(fields.nth(1)?)?)?;
    let state = fields.nth(1)?;
    // Queues, timer and retransmissions lie between.
    let uid = text(fields.nth(3)?)?.parse().ok()?;
    let inode = text(fields.nth(1)?)?.parse().ok()?;
    Some(if state == b"0A" { Socket::Listens(Listener { addr, uid, inode }) } else { Socket::Other })
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok()
}

fn address(field: &str) -> Option<SocketAddr> {
    let (ip, port) = field.split_once(':')?;
    let port = hex(port, 4)?.try_into().ok()?;
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(hex(ip, 8)?.to_ne_bytes())),
        32 => {
            let mut octets = [0; 16];
            for (index, word) in octets.chunks_exact_mut(4).enumerate() {
                word.copy_from_slice(&hex(ip.get(index * 8..index * 8 + 8)?, 8)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Exactly so many digits; the library's own reading would take a sign.
fn hex(digits: &str, count: usize) -> Option<u32> {
    let all = digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line as the kernel writes it.
    fn line(addr: SocketAddr, state: &str, uid: u32, inode: u64) -> String {
        let word = |octets: &[u8]| format!("{:08X}", u32::from_ne_bytes(octets.try_into().unwrap()));
        let (local, remote) = match addr.ip() {
            IpAddr::V4(ip) => (word(&ip.octets()), "00000000".to_owned()),
            IpAddr::V6(ip) => (ip.octets().chunks(4).map(word).collect(), "0".repeat(32)),
        };
        let port = addr.port();
        format!(
            "   0: {local}:{port:04X} {remote}:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5}        0 {inode} 1 \
             0000000000000000 100 0 0 10 0\n"
        )
    }

    const REAL: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \u{20}  0: 0100007F:0438 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 41729 1 0000 100 0 0 10 0\n\
        \u{20}  1: 00000000:0401 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 77 1 0000 100 0 0 10 0\n\
        \u{20}  2: 0100007F:0438 0100007F:C001 01 00000000:00000000 00:00000000 00000000   998        0 78 1 0000 20 4 30 10 -1\n";

    fn read(table: impl AsRef<[u8]>) -> Vec<Listener> {
        listeners(table.as_ref()).unwrap()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_real_table_is_read() {
        let read = read(REAL);
        let expected = [("127.0.0.1:1080", 998, 41729), ("0.0.0.0:1025", 0, 77)].map(|(addr, uid, inode)| Listener {
            addr: addr.parse().unwrap(),
            uid,
            inode,
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn loopback_is_told_from_all_else() {
        for (addr, expected) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("[::ffff:0.0.0.0]:1", false),
            ("[::ffff:192.0.2.1]:1", false),
            ("172.17.0.1:1", false),
            ("[fe80::1]:1", false),
        ] {
            let listener = Listener { addr: addr.parse().unwrap(), uid: 0, inode: 0 };
            assert_eq!(listener.is_loopback(), expected, "{addr}");
        }
    }

    /// A busy machine has 50,000 connections; they are not even looked at.
    #[test]
    fn connections_are_not_read() {
        struct Connections(usize);
        impl io::Read for Connections {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                assert!(self.0 < 3, "it goes on reading");
                let text = line("192.0.2.1:443".parse().unwrap(), "01", 33, 1).repeat(20);
                into[..text.len()].copy_from_slice(text.as_bytes());
                Ok(text.len())
            }
        }
        let table = REAL.as_bytes().chain(Connections(0));
        assert_eq!(listeners(io::BufReader::new(table)).unwrap().len(), 2);
    }

    #[test]
    fn the_kernel_lists_what_listens_first() {
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listening.local_addr().unwrap();
        let _connections: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
        let table = std::fs::read("/proc/self/net/tcp").unwrap();
        assert!(read(&table).iter().any(|listener| listener.addr == addr));
        let states: Vec<&[u8]> = table
            .split(|byte| *byte == b'\n')
            .filter_map(|line| line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).nth(3))
            .skip(1)
            .collect();
        let first_other = states.iter().position(|state| *state != b"0A").unwrap();
        assert!(states[first_other..].iter().all(|state| *state != b"0A"));
    }

    proptest! {
        #[test]
        fn what_the_kernel_writes_is_read_back(ip: IpAddr, port: u16, uid: u32, inode: u64) {
            let addr = SocketAddr::new(ip, port);
            prop_assert_eq!(read(line(addr, "0A", uid, inode)), vec![Listener { addr, uid, inode }]);
            prop_assert_eq!(read(line(addr, "01", uid, inode)), vec![]);
        }

        #[test]
        fn no_table_panics(table: Vec<u8>) {
            read(table);
        }

        #[test]
        fn no_broken_line_is_taken_for_another(ip: IpAddr, port: u16, cut in 0_usize..110) {
            let whole = line(SocketAddr::new(ip, port), "0A", 1, 123_456);
            for listener in read(whole.get(..cut.min(whole.len())).unwrap_or_default()) {
                prop_assert_eq!(listener.addr, SocketAddr::new(ip, port));
            }
        }
    }
}
