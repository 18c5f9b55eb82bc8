//! A daemon as a service: the text of a systemd user unit and of a launchd agent. Pure.

/// Exit code of a relay where another one serves: trying again would not help.
const ALREADY_RUNNING: u8 = 8;
/// Exit code of a daemon that a SIGTERM has ended.
const TERMINATED: u8 = 143;

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Daemon {
    /// The relay.
    Relay,
    /// The hub.
    Hub,
}

impl Daemon {
    const fn word(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Hub => "hub",
        }
    }
}

/// A daemon of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// Which.
    pub daemon: Daemon,
    /// Its instance; a canonical name, so it fits into file names as it is.
    pub instance: String,
    /// The program.
    pub program: String,
    /// Base directory of instances.
    pub base: String,
    /// Where its words go where the manager keeps none.
    pub log: String,
    /// Further flags.
    pub flags: Vec<String>,
}

impl Service {
    /// Its name: `qd-relay-default`.
    pub(super) fn name(&self) -> String {
        format!("qd-{}-{}", self.daemon.word(), self.instance)
    }

    /// Its name for launchd, by whose custom it is a reversed domain.
    pub(super) fn launchd_label(&self) -> String {
        format!("dev.quarterdeck.{}.{}", self.daemon.word(), self.instance)
    }

    fn argv(&self) -> Vec<&str> {
        let mut argv = vec![self.program.as_str(), "--base-dir", &self.base];
        argv.extend(["--instance", &self.instance, self.daemon.word()]);
        if self.daemon == Daemon::Relay {
            // one that was started in the background before must not keep the service away
            argv.push("--replace");
        }
        argv.extend(self.flags.iter().map(String::as_str));
        argv
    }

    /// A unit for the user's systemd. Only the daemon itself is ended with it: holders and their
    /// programs live on, in scopes of their own where the manager gives them one.
    pub(super) fn systemd(&self) -> String {
        let words: Vec<String> = self.argv().into_iter().map(systemd_word).collect();
        let Self { daemon, instance, .. } = self;
        format!(
            "[Unit]\n\
             Description=Quarterdeck {} ({instance})\n\
             \n\
             [Service]\n\
             Type=exec\n\
             ExecStart={}\n\
             Restart=on-failure\n\
             RestartSec=2\n\
             RestartPreventExitStatus={ALREADY_RUNNING}\n\
             SuccessExitStatus={TERMINATED}\n\
             KillMode=process\n\
             TimeoutStopSec=20\n\
             OOMPolicy=continue\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n",
            daemon.word(),
            words.join(" "),
        )
    }

    /// An agent for launchd. Its process group is left alone when it ends, as above.
    pub(super) fn launchd(&self) -> String {
        let words: String = self
            .argv()
            .into_iter()
            .map(|word| format!("    <string>{}</string>\n", xml(word)))
            .collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\">\n<dict>\n  \
             <key>Label</key>\n  <string>{}</string>\n  \
             <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n  \
             <key>RunAtLoad</key>\n  <true/>\n  \
             <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n  \
             <key>AbandonProcessGroup</key>\n  <true/>\n  \
             <key>StandardErrorPath</key>\n  <string>{}</string>\n\
             </dict>\n</plist>\n",
            xml(&self.launchd_label()),
            xml(&self.log),
        )
    }
}

/// A word of a command line as systemd reads it: `%` and `$` mean something to it everywhere.
fn systemd_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' | '$' => quoted.extend([c, c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay() -> Service {
        Service {
            daemon: Daemon::Relay,
            instance: "work".into(),
            program: "/home/ada/.cargo/bin/qd".into(),
            base: "/home/ada/.local/share/quarterdeck".into(),
            log: "/home/ada/.local/share/quarterdeck/instances/work/relay.log".into(),
            flags: vec!["--listen".into(), "[::1]:7717".into()],
        }
    }

    #[test]
    fn the_unit_starts_the_relay_and_ends_nothing_but_it() {
        insta::assert_snapshot!(relay().systemd(), @r"
        [Unit]
        Description=Quarterdeck relay (work)

        [Service]
        Type=exec
        ExecStart=/home/ada/.cargo/bin/qd --base-dir /home/ada/.local/share/quarterdeck --instance work relay --replace --listen [::1]:7717
        Restart=on-failure
        RestartSec=2
        RestartPreventExitStatus=8
        SuccessExitStatus=143
        KillMode=process
        TimeoutStopSec=20
        OOMPolicy=continue

        [Install]
        WantedBy=default.target
        ");
    }

    #[test]
    fn words_that_mean_something_to_systemd_are_quoted() {
        assert_eq!(systemd_word("/a/b"), "/a/b");
        assert_eq!(systemd_word("/a b/%n/$HOME\"\\"), r#""/a b/%%n/$$HOME\"\\""#);
        assert_eq!(systemd_word(""), "\"\"");
    }

    #[test]
    fn the_launchd_agent_says_the_same_and_escapes_its_text() {
        let hub = Service { daemon: Daemon::Hub, base: "/a&b".into(), flags: vec![], ..relay() };
        insta::assert_snapshot!(hub.launchd(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
        <plist version="1.0">
        <dict>
          <key>Label</key>
          <string>dev.quarterdeck.hub.work</string>
          <key>ProgramArguments</key>
          <array>
            <string>/home/ada/.cargo/bin/qd</string>
            <string>--base-dir</string>
            <string>/a&amp;b</string>
            <string>--instance</string>
            <string>work</string>
            <string>hub</string>
          </array>
          <key>RunAtLoad</key>
          <true/>
          <key>KeepAlive</key>
          <dict>
            <key>SuccessfulExit</key>
            <false/>
          </dict>
          <key>AbandonProcessGroup</key>
          <true/>
          <key>StandardErrorPath</key>
          <string>/home/ada/.local/share/quarterdeck/instances/work/relay.log</string>
        </dict>
        </plist>
        "#);
    }
}
