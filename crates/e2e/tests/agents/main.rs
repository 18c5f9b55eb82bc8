//! The real coding agents against the adapters of `quarterdeck-agents`: each agent's program is started as
//! the product starts it, its model is the fake one, and a test sees what a client would see.

/// One test per agent for each of these functions.
macro_rules! for_every_agent {
    ($($test:ident),* $(,)?) => {
        mod claude { $(
            #[tokio::test]
            async fn $test() { super::$test(super::Agent::Claude).await; }
        )* }
        mod codex { $(
            #[tokio::test]
            async fn $test() { super::$test(super::Agent::Codex).await; }
        )* }
        mod opencode { $(
            #[tokio::test]
            async fn $test() { super::$test(super::Agent::Opencode).await; }
        )* }
    };
}

mod basics;
mod course;
mod failures;
mod guide;
mod house;
mod prompts;
mod scene;
