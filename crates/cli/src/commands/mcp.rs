//! `qd mcp`: the MCP server that an agent starts to write to others.

mod channel;
mod relay;

use std::sync::Arc;

use super::relay::mail_tools;
use crate::{
    Exit,
    config::Settings,
    error::{CliError, Kind},
};
use relay::{Calls, Relay};

/// Serves MCP over the standard streams until the agent closes them. The relay knows whose agent it is from
/// where this process runs; one that runs in no session gets a label of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct McpArgs {
    #[command(subcommand)]
    command: Option<McpCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum McpCommand {
    /// Give the tools to an agent that you start yourself, outside Quarterdeck
    Install {
        /// Which agent
        agent: Vendor,
        /// Show the command instead of running it
        #[arg(long)]
        dry_run: bool,
    },
}

/// Agents that keep a list of MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Vendor {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
}

/// The vendor's own command that adds a server: its file is its own to write.
fn install_command(vendor: Vendor, server: Vec<String>) -> Vec<String> {
    let words: &[&str] = match vendor {
        Vendor::Claude => &["claude", "mcp", "add", "--scope", "user", "quarterdeck", "--"],
        Vendor::Codex => &["codex", "mcp", "add", "quarterdeck", "--"],
    };
    words.iter().copied().map(str::to_owned).chain(server).collect()
}

/// Serves.
pub(crate) async fn run(settings: Settings, args: McpArgs) -> Result<Exit, CliError> {
    match args.command {
        Some(McpCommand::Install { agent, dry_run }) => install(&settings, agent, dry_run).await,
        None => serve(settings).await,
    }
}

async fn install(settings: &Settings, vendor: Vendor, dry_run: bool) -> Result<Exit, CliError> {
    let program = std::env::current_exe().map_err(|error| {
        CliError::new(Kind::Failed, "this program's path is not known").caused_by(&error)
    })?;
    let server = mail_tools(settings, &program);
    if server.is_empty() {
        return Err(CliError::new(Kind::Failed, "a path of this program or instance is no text"));
    }
    let command = install_command(vendor, server);
    if dry_run {
        settings.output.result(&command, |_| format!("{}\n", command.join(" ")))?;
        return Ok(Exit::OK);
    }
    let status = tokio::process::Command::new(&command[0]).args(&command[1..]).status().await;
    let failed = || {
        CliError::new(Kind::Failed, format!("{} did not take the server", command[0]))
            .hint(format!("run it yourself: {}", command.join(" ")))
    };
    match status {
        Ok(status) if status.success() => Ok(Exit::OK),
        Ok(_) => Err(failed()),
        Err(error) => Err(failed().caused_by(&error)),
    }
}

async fn serve(settings: Settings) -> Result<Exit, CliError> {
    let relay = Arc::new(Relay::new(settings));
    let streams = quarterdeck_mcp::standard_streams();
    let serving = quarterdeck_mcp::serve(Calls(Arc::clone(&relay)), channel::of_parent(), streams);
    let served = tokio::select! {
        served = serving => served,
        never = relay.keep() => match never {},
    };
    let failed = |error| CliError::new(Kind::Failed, "MCP ended with an error").caused_by(&error);
    served.map(|()| Exit::OK).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_told_by_its_own_command_where_the_server_is() {
        let server = || ["/bin/qd", "--instance", "work", "mcp"].map(str::to_owned).to_vec();
        let claude = install_command(Vendor::Claude, server()).join(" ");
        let expected = "claude mcp add --scope user quarterdeck -- /bin/qd --instance work mcp";
        assert_eq!(claude, expected);
        let codex = install_command(Vendor::Codex, server()).join(" ");
        assert_eq!(codex, "codex mcp add quarterdeck -- /bin/qd --instance work mcp");
    }
}
