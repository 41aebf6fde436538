//! How a program ends that compares what its actors have come to.

use std::process::ExitCode;

/// Success if all was equal. Why a run came to no end stands on standard error.
pub fn exit_code(equal: anyhow::Result<bool>) -> ExitCode {
    match equal {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
