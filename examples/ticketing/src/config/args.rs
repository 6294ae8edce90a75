//! Where the configuration is, on the command line.

use std::path::PathBuf;

use clap::Args;

use super::{Config, ConfigError, load};

/// Where configuration and data are.
#[derive(Args, Clone, Debug, Default)]
pub struct CommonArgs {
    /// Configuration file (YAML); see config/redis.yaml for all keys.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder [default: data].
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

impl CommonArgs {
    /// The configuration from all sources.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        let mut config = load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }
}
