//! nginx as an ordinary process, with all that it writes in one folder.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::unprivileged_user;
use crate::error::IoContext;
use crate::tools::debian::locate;
use crate::{Error, Result};

/// A command that runs it in the foreground with its files in `home` and with `servers` inside of its
/// `http` block.
///
/// # Errors
/// It is missing, or its folder can't be made.
pub fn command(home: &Path, workers: usize, servers: &str) -> Result<Command> {
    let program = locate("nginx").ok_or_else(|| {
        Error::Missing("nginx is missing; on Debian: apt-get install nginx-light".into())
    })?;
    std::fs::create_dir_all(home).at("create", home)?;
    let config = home.join("nginx.conf");
    std::fs::write(&config, configuration(home, workers, servers)).at("write", &config)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(home).arg("-c").arg(&config);
    command.args(["-e", "stderr"]);
    if let Some((uid, gid)) = unprivileged_user()? {
        std::os::unix::fs::chown(home, Some(uid), Some(gid)).at("hand over", home)?;
        command.uid(uid).gid(gid);
    }
    Ok(command)
}

fn configuration(home: &Path, workers: usize, servers: &str) -> String {
    let home = home.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {home}/{name};\n"))
        .concat();
    format!(
        "daemon off;\n\
         pid {home}/nginx.pid;\n\
         worker_processes {workers};\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
         {temporary}    \
             access_log off;\n    \
             types {{ }}\n    \
             default_type application/octet-stream;\n    \
             keepalive_requests 1000000;\n\
         {servers}\
         }}\n"
    )
}
