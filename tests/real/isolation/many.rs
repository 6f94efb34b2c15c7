use super::{Pair, file};
use crate::process::Program;

/// How long the look may take, in milliseconds.
const LONGEST: u64 = 200;

/// What a busy machine has; the look must not take longer for it, and nobody is to notice it.
#[test]
fn a_look_among_50_000_sockets_is_short_and_the_gate_answers_meanwhile() {
    let Pair { server, laptop: _laptop } = Pair::start();
    let script = file("sockets.py");
    let mut command = server.command(&["bash", "-c", "ulimit -n $(ulimit -Hn) && exec python3 \"$0\" 50000"]);
    let mut sockets = Program::start(command.arg(&script));
    assert!(sockets.line("ready").is_some());
    let there = server.script("cat /proc/net/sockstat");
    let in_use: u64 =
        there.split_once("TCP: inuse ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok()).unwrap();
    assert!(in_use >= 50_000, "{there}");

    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).display().to_string()
    };
    let users = write("htpasswd", crate::support::gate::ANNA);
    let config = write(
        "mailwarden.toml",
        &format!("listen = [\"127.0.0.1:8080\"]\nauth.users_file = {users:?}\nlog.level = \"debug\"\n"),
    );
    let _catcher = server.listen(&["0.0.0.0:1080"]);
    let binary = env!("CARGO_BIN_EXE_mailwarden");
    let answers = "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -c 12 <&3";
    // A machine that does much else has slow looks, too; one that is not shows what it takes.
    let mut best = u64::MAX;
    for _ in 0..5 {
        let mut gate = Program::start(&mut server.command(&[binary, "serve", "--config", &config]));
        assert!(gate.line("listening").is_some());
        assert_eq!(server.script(answers), "HTTP/1.0 401");
        let looked = gate.line("looked for ways around the gate ms=").unwrap();
        assert!(gate.line("finding=\"wide-bind\"").is_some());
        best = best.min(looked.parse().unwrap());
        if best < LONGEST {
            break;
        }
    }
    assert!(best < LONGEST, "{best} ms");
    // What root sees besides: the same binding among all of those.
    let (status, text, _) = server.mailwarden(&["doctor", "--config", &config]);
    assert!(status == 1 && text.contains("listens on 0.0.0.0:1080"), "{text}");
}
