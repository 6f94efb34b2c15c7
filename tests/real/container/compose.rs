//! `config/compose.yaml`, as a compose program reads it, held against the image and the program.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Container, done, image, project, said};

/// What a compose program makes of the file, as it is or with all switched on that is a comment in it.
struct Compose(Value);

impl Compose {
    fn read(path: PathBuf) -> Self {
        let mut config = Command::new("docker-compose");
        config.arg("--file").arg(path).arg("config").env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        let config = done(&mut config);
        // It comes with python3-yaml for Debian's own Python, which need not be the first on the PATH.
        let mut program = Command::new("/usr/bin/python3");
        program.args(["-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.argv[1]), sys.stdout)"]);
        program.arg(String::from_utf8(config.stdout).unwrap()).stdin(Stdio::null());
        Self(serde_json::from_slice(&done(&mut program).stdout).unwrap())
    }

    fn as_it_is() -> Self {
        Self::read(project().join("config/compose.yaml"))
    }

    fn with_the_comments() -> Self {
        let text = fs::read_to_string(project().join("config/compose.yaml")).unwrap();
        let mut switched = 0;
        let lines = text.lines().map(|line| {
            let setting =
                line.trim_start().strip_prefix("# ").and_then(|rest| rest.split_once(": ")).map(|(key, _)| key);
            let is_setting =
                setting.is_some_and(|key| key.starts_with("MAILWARDEN_") || ["group_add", "ipam"].contains(&key));
            switched += usize::from(is_setting);
            if is_setting { line.replacen("# ", "", 1) } else { line.to_owned() }
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        assert_eq!(switched, 4, "{text}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compose.yaml");
        fs::write(&path, text).unwrap();
        Self::read(path)
    }

    fn service(&self, name: &str) -> &Value {
        &self.0["services"][name]
    }

    fn gate(&self) -> &Value {
        self.service("mailwarden")
    }

    /// The networks of a service: whether each is cut off from the outside.
    fn networks(&self, service: &str) -> Vec<bool> {
        let names = self.service(service)["networks"].as_object().expect("a list of networks");
        names.keys().map(|name| self.0["networks"][name]["internal"] == true).collect()
    }

    /// The environment of the gate, complete.
    fn environment(&self) -> Vec<(&str, &str)> {
        let environment = self.gate()["environment"].as_object().unwrap();
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
    }
}

fn seconds(duration: &Value) -> u32 {
    duration.as_str().and_then(|text| text.strip_suffix('s')).and_then(|number| number.parse().ok()).unwrap()
}

#[test]
fn only_the_gate_can_be_reached_from_outside() {
    let compose = Compose::as_it_is();
    assert_eq!(compose.service("mailcatcher")["ports"], Value::Null);
    assert_eq!(compose.service("mailcatcher")["network_mode"], Value::Null);
    assert_eq!(compose.networks("mailcatcher"), [true], "a network that is internal, and no other");
    let mut networks = compose.networks("mailwarden");
    networks.sort();
    assert_eq!(networks, [false, true], "no port is published from an internal network alone");
    let ports = compose.gate()["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 1);
    let exposed = format!("{}/tcp", ports[0]["target"]);
    assert!(image().config["ExposedPorts"][&exposed].is_object(), "{exposed}");
}

#[test]
fn the_gate_may_do_no_more_than_it_has_to() {
    let compose = Compose::as_it_is();
    let gate = compose.gate();
    assert_eq!(gate["read_only"], true);
    assert_eq!(gate["cap_drop"], serde_json::json!(["ALL"]));
    assert_eq!(gate["security_opt"], serde_json::json!(["no-new-privileges:true"]));
    assert_eq!(gate["user"], Value::Null, "the image's own");
    assert_eq!(gate["cap_add"], Value::Null);
    assert_eq!(gate["privileged"], Value::Null);
}

#[test]
fn the_gate_is_watched_restarted_and_given_time_to_stop() {
    let compose = Compose::as_it_is();
    let gate = compose.gate();
    assert_eq!(gate["healthcheck"]["test"], serde_json::json!(image().health_check()));
    assert_eq!(gate["restart"], "unless-stopped");
    assert!(gate["depends_on"]["mailcatcher"].is_object());
    assert!(seconds(&gate["stop_grace_period"]) > 8, "longer than timeouts.stop");
}

#[test]
fn the_users_file_comes_in_a_folder_that_can_only_be_read() {
    let compose = Compose::as_it_is();
    let volumes = compose.gate()["volumes"].as_array().unwrap();
    assert_eq!(volumes.len(), 1);
    let (target, read_only) = match &volumes[0] {
        Value::String(short) => (short.split(':').nth(1).unwrap(), short.ends_with(":ro")),
        long => (long["target"].as_str().unwrap(), long["read_only"] == true),
    };
    assert_eq!((target, read_only), ("/etc/mailwarden", true));
    assert!(compose.environment().iter().all(|(_, value)| !value.contains('$')), "no hashes");
}

/// The lines for TLS are a comment of their own, for they need a certificate.
#[test]
fn the_lines_for_tls_make_a_gate_with_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = crate::support::secure::certificate();
    std::fs::write(folder.path().join("certificate.pem"), cert).unwrap();
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    std::fs::write(folder.path().join("htpasswd"), crate::support::gate::ANNA).unwrap();
    let text = fs::read_to_string(project().join("config/compose.yaml")).unwrap();
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("#   ")?.split_once(": "));
    let mut check = crate::support::gate::binary();
    let here = folder.path().display().to_string();
    let mut count = 0;
    for (name, value) in lines.filter(|(name, _)| name.starts_with("MAILWARDEN_")) {
        check.env(name, value.trim_matches('"').replace("/etc/mailwarden/tls/NAME", &here));
        count += 1;
    }
    assert_eq!(count, 4);
    check.env("MAILWARDEN_AUTH__USERS_FILE", folder.path().join("htpasswd"));
    let check = check.arg("check").output().unwrap();
    assert!(check.status.success(), "{}", said(&check));
    for words in ["https://0.0.0.0:8443", "what comes in clear text to https, port 8443"] {
        assert!(said(&check).contains(words), "{}", said(&check));
    }
}

/// What is a comment is checked as well, for that is what people will switch on.
#[test]
fn every_setting_is_one_that_the_program_knows() {
    let container = Container::new();
    for (compose, settings) in [(Compose::as_it_is(), 4), (Compose::with_the_comments(), 6)] {
        let environment = compose.environment();
        assert_eq!(environment.len(), settings, "{environment:?}");
        let check = container.mailwarden(&["check"], &environment).output().unwrap();
        assert!(check.status.success(), "{environment:?}: {}", said(&check));
        assert!(said(&check).contains("http://mailcatcher:1080"), "{}", said(&check));
    }
}
