//! A model server for trying agents by hand, without a model, an account or a network.
//!
//! `qd-fake-models [PORT]` listens on loopback and prints what each agent needs to use it. Its model says
//! back what it is told; `run COMMAND` makes it call the agent's shell.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    process::ExitCode,
};

use quarterdeck_e2e::models::{FakeModels, Source};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "qd-fake-models: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> io::Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse::<u16>());
    let port = port.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let models = FakeModels::serve(listener, Source::Obliging)?;
    let url = models.url();
    writeln!(
        io::stdout(),
        "listening on {url}\n\
         claude:    ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=sk-ant-fake\n\
         codex:     in config.toml, [model_providers.fake] base_url=\"{url}/v1\" wire_api=\"responses\"\n\
         opencode:  a provider of @ai-sdk/openai-compatible with baseURL \"{url}/v1\"\n\
         end it with Ctrl-C"
    )?;
    tokio::signal::ctrl_c().await
}
