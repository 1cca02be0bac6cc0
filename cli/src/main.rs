//! The `gateledger` binary: roles and operator commands.
//!
//! Exit codes: 0 when the command did what it says (for `transfer`: every record succeeded; for `demo`: verified),
//! 1 when it did not, 2 when the command line cannot be understood.

#![expect(unreachable_pub, reason = "nothing outside a binary reaches its modules")]

mod accounts_arguments;
mod accounts_command;
mod args;
mod conflicts;
mod conflicts_arguments;
mod connect_command;
mod dead_letters;
mod demo;
mod dry_run;
mod events;
mod import;
mod import_arguments;
mod keys;
mod mappings_arguments;
mod mappings_command;
mod migrate;
mod migrate_store;
mod notify_arguments;
mod notify_command;
mod openapi;
mod operator;
mod output;
mod progress;
mod projections;
mod registrations;
mod rejected;
mod runtime;
mod serve;
mod simulate;
mod summary;
mod time;
mod token;
mod transfer;
mod users;
mod users_arguments;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use event_log::Access;

use crate::accounts_arguments::Keys;
use crate::args::{Cli, Command, DeadLetters, Events, Global, Projections, Registrations, Token};
use crate::output::Output;
use crate::runtime::{Parts, load, open_log};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("starting the runtime")),
    };
    match runtime.block_on(run(cli)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Runs a command; `Ok(false)` is a truthful failure that has been reported already.
async fn run(cli: Cli) -> anyhow::Result<bool> {
    let Cli { global, command } = cli;
    let output = Output::new(global.json);
    match command {
        Command::Demo(arguments) => return demo::run(&global, &arguments, output).await,
        Command::Serve(arguments) => {
            let config = load(&global, false)?;
            let telemetry = runtime::telemetry(&global, &config, None)?;
            serve::run(Parts::open(config).await?, &arguments, runtime::metrics(&telemetry)).await?;
        }
        Command::Transfer(arguments) => {
            let config = load(&global, true)?;
            let bar = progress::bar(output.is_json());
            let _telemetry = runtime::telemetry(&global, &config, Some(progress::around(&bar)))?;
            return transfer::run(Parts::open(config).await?, &arguments, bar, output).await;
        }
        Command::Events(command) => {
            let log = open_log(&quiet(&global)?, Access::ReadOnly).await?;
            match command {
                Events::List(arguments) => events::list(&log, &arguments, output).await?,
                Events::Show(arguments) => events::show(&log, &arguments, output).await?,
                Events::Tail(arguments) => events::tail(&log, &arguments, output).await?,
            }
        }
        Command::DeadLetters(command) => {
            let config = quiet(&global)?;
            let log = open_log(&config, Access::Existing).await?;
            match command {
                DeadLetters::List(arguments) => dead_letters::list(&log, &arguments, output).await?,
                DeadLetters::Show { id } => dead_letters::show(&log, id, output).await?,
                DeadLetters::Redrive(arguments) => {
                    let settings = consumers::Settings::of(&config)?;
                    dead_letters::redrive(&log, &settings, &arguments, output).await?;
                }
            }
        }
        Command::Accounts(command) => return accounts_command::run(quiet(&global)?, &command, output).await,
        Command::Mappings(command) => return mappings_command::run(&quiet(&global)?, &command, output).await,
        Command::Notify(command) => return notify_command::run(&quiet(&global)?, &command, output).await,
        Command::Registrations(Registrations::List) => {
            registrations::list(&quiet(&global)?, output).await?;
        }
        Command::Projections(Projections::List) => {
            projections::list(&open_log(&quiet(&global)?, Access::ReadOnly).await?, output).await?;
        }
        Command::Projections(Projections::Rebuild { name }) => {
            let log = open_log(&quiet(&global)?, Access::Existing).await?;
            projections::rebuild(&log, name.as_deref(), output).await?;
        }
        Command::Migrate => {
            migrate::run(&quiet(&global)?, output).await?;
        }
        Command::MigrateStore(arguments) => return migrate_store::run(&quiet(&global)?, &arguments, output).await,
        Command::Simulate(arguments) => simulate::run(&global, &arguments, output).await?,
        Command::Keys(Keys::Generate { out }) => keys::generate(out.as_deref(), output)?,
        Command::Keys(Keys::Rotate) => return keys::rotate(&quiet(&global)?, output).await,
        Command::Token(Token::Issue(arguments)) => token::issue(&quiet(&global)?, &arguments, output)?,
        Command::Openapi(arguments) => openapi::print(&arguments)?,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "gateledger", &mut std::io::stdout());
        }
    }
    Ok(true)
}

/// The configuration for a command whose output is its point: it logs warnings only, and to no file.
fn quiet(global: &Global) -> anyhow::Result<service::config::Config> {
    let mut config = load(global, false)?;
    config.log.directory = None;
    if global.log.is_none() {
        config.log.level = "warn".to_owned();
    }
    // Without a file, nothing is lost when the guard goes.
    drop(runtime::telemetry(global, &config, None)?);
    Ok(config)
}
