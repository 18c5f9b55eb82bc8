//! Runs the program that writes answers: the message on its standard input, the answer on its output.

use std::{process::Stdio, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    sync::mpsc,
    task::JoinSet,
};

use super::{Ask, answering::Draft};
use crate::{config::ResponderConfig, context::Context, environment::own_environment};

/// Bytes of an answer that are read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Pause before the owner is told again that has no room.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// What the program gets of the relay's own environment; the rest is named in the configuration.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "USER", "TMPDIR"];

/// Runs until the relay stops.
pub(crate) async fn run(
    context: Arc<Context>,
    config: ResponderConfig,
    mut drafts: mpsc::Receiver<Draft>,
) {
    let mut written = JoinSet::new();
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            Some(done) = written.join_next() => if let Err(error) = done {
                tracing::error!(%error, "writing an answer failed");
            },
            draft = drafts.recv() => match draft {
                Some(draft) => {
                    written.spawn(write(Arc::clone(&context), config.clone(), draft));
                }
                None => return,
            },
        }
    }
}

async fn write(context: Arc<Context>, config: ResponderConfig, draft: Draft) {
    let number = draft.number;
    let text = tokio::select! {
        text = tokio::time::timeout(draft.limit, answer(&config, &draft.text)) => text.ok().flatten(),
        // it was turned off, or took too long: the owner does not wait for it
        _ = draft.wanted => return,
        () = context.shutdown.cancelled() => return,
    };
    while context.mail.tell(Ask::Drafted { number, text: text.clone() }).is_err() {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY_PAUSE) => {}
        }
    }
}

/// What the program says; its exit code says nothing. When this is dropped it is killed, with all that it
/// has started.
async fn answer(config: &ResponderConfig, text: &str) -> Option<String> {
    let (program, args) = config.command.split_first()?;
    let own = own_environment();
    let inherited = INHERITED.into_iter().filter_map(|name| Some((name, own.get(name)?)));
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(inherited).envs(&config.env).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.current_dir(std::env::temp_dir()).process_group(0);
    let mut child = command
        .spawn()
        .inspect_err(|error| tracing::warn!(%error, program, "no answer can be written"))
        .ok()?;
    let _group = Group::of(&child);
    let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);
    let tell = async move {
        // one that does not read its input may answer all the same
        let _ = input.write_all(text.as_bytes()).await;
    };
    let mut said = Vec::new();
    let mut output = output.take(MAX_ANSWER_BYTES);
    let hear = output.read_to_end(&mut said);
    let ((), heard) = tokio::join!(tell, hear);
    heard.ok()?;
    let _ = child.wait().await;
    String::from_utf8(said).ok()
}

/// A program with all that it has started; killed when it is dropped.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Self(pid.and_then(rustix::process::Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // it may have ended by itself
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests;
