//! Whether the agent that started this process listens to it as a channel. It does not say so itself, but
//! its user has to name the server when it is started.

use quarterdeck_mcp::Showing;

/// The flags of Claude Code that name channels.
const FLAGS: [&str; 2] = ["--channels", "--dangerously-load-development-channels"];
/// The name under which `qd mcp install` adds the server.
const NAME: &str = "server:quarterdeck";

/// What the program that started this one takes.
pub(super) fn of_parent() -> Showing {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    // one that is gone, or another user's, is taken for one that does not listen
    let line = std::fs::read(format!("/proc/{parent}/cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    of_words(&words.collect::<Vec<_>>())
}

/// A flag takes the words after it up to the next flag, or the one behind its `=`.
fn of_words(words: &[impl AsRef<str>]) -> Showing {
    let mut names_channels = false;
    for word in words.iter().map(AsRef::as_ref) {
        let (flag, value) = word.split_once('=').map_or((word, None), |(f, v)| (f, Some(v)));
        if word.starts_with('-') {
            names_channels = FLAGS.contains(&flag);
        }
        if names_channels && value.unwrap_or(word) == NAME {
            return Showing::Channel;
        }
    }
    Showing::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_listens_when_it_was_started_with_this_server_as_a_channel() {
        let check = |line: &str, expected: Showing| {
            assert_eq!(of_words(&line.split(' ').collect::<Vec<_>>()), expected, "{line}");
        };
        check("claude --channels server:quarterdeck", Showing::Channel);
        check("claude --channels server:other server:quarterdeck -p hi", Showing::Channel);
        check("claude --channels=server:quarterdeck", Showing::Channel);
        let development = "--dangerously-load-development-channels server:quarterdeck";
        check(&format!("node cli.js {development}"), Showing::Channel);
        check("claude", Showing::Nothing);
        check("claude --channels server:other", Showing::Nothing);
        check("claude --channels server:other --resume server:quarterdeck", Showing::Nothing);
        check("claude server:quarterdeck", Showing::Nothing);
    }
}
