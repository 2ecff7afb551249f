//! The cluster's name server: CoreDNS as a process of the host, on the bridge's address.

use super::daemon;
use super::layout::{Layout, NODE_ADDRESS};
use crate::Result;
use crate::error::IoContext;
use crate::tools::{Tool, Toolbox};

/// Starts CoreDNS.
///
/// # Errors
/// Its configuration can't be written, or it can't be started.
pub fn start(layout: &Layout, toolbox: &Toolbox) -> Result<()> {
    let config = layout.path("Corefile");
    let system = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    std::fs::write(&config, configuration(layout, &system)).at("write", &config)?;
    let mut command = toolbox.command(Tool::Coredns);
    command.arg("-conf").arg(&config);
    daemon::ensure(layout, "coredns", command)
}

/// `resolver` is the text of the system's own resolver configuration: names outside the cluster go
/// there when it names a server.
fn configuration(layout: &Layout, resolver: &str) -> String {
    let forwards = resolver.lines().any(|line| line.starts_with("nameserver"));
    let forward = if forwards {
        "    forward . /etc/resolv.conf\n"
    } else {
        ""
    };
    let kubeconfig = layout.path("pki/coredns.kubeconfig");
    format!(
        "\
.:53 {{
    bind {NODE_ADDRESS}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {} filegateway
        ttl 5
        fallthrough in-addr.arpa ip6.arpa
    }}
    cache 5
{forward}}}
",
        kubeconfig.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_resolver_of_the_system_nothing_is_forwarded() {
        let layout = Layout::new("/state".into());
        assert!(configuration(&layout, "nameserver 192.0.2.1\n").contains("forward . "));
        assert!(!configuration(&layout, "# none\n").contains("forward"));
    }
}
